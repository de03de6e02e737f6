// A small policy plugin, good unless a definition says otherwise (CMakeLists.txt).
#include <iterator>
#include <new>

#include "osync/plugin.h"
#include "osync/policy.h"

namespace {

class FixedPolicy final : public osync::Policy {
 public:
  explicit FixedPolicy(std::uint64_t quantum) : quantum_(quantum) {}
  osync::PolicyChoice choose(const osync::PolicyView&) noexcept override {
    return {osync::WorkClass::live, quantum_};
  }

 private:
  std::uint64_t quantum_;
};

[[maybe_unused]] const osync::OptionSpec options[] = {
    {"quantum", osync::OptionType::size, "bytes", "64KiB", "1KiB..1MiB", "what each frame may carry"},
    {"fail", osync::OptionType::boolean, "", "false", "", "refuse to make an object"},
};

[[maybe_unused]] osync::Status create([[maybe_unused]] const osync::PluginContext& context,
                                      [[maybe_unused]] void** object) noexcept {
#ifndef MAKES_NOTHING
  if (context.options->boolean("fail")) return {osync::Code::invalid, "told to fail"};
  osync::Policy* const policy =
      new (std::nothrow) FixedPolicy(static_cast<std::uint64_t>(context.options->integer("quantum")));
  if (policy == nullptr) return {osync::Code::limit, "no memory"};
  *object = policy;
#endif
  return {};
}

[[maybe_unused]] void destroy(void* object) noexcept { delete static_cast<osync::Policy*>(object); }

#ifdef WRONG_MAGIC
constexpr char first = 'X';
#else
constexpr char first = 'O';
#endif
#ifdef WRONG_MAJOR
constexpr std::uint16_t major = osync::api_major + 1;
#else
constexpr std::uint16_t major = osync::api_major;
#endif
#ifdef WRONG_MINOR
constexpr std::uint16_t minor = osync::api_minor + 1;
#else
constexpr std::uint16_t minor = osync::api_minor;
#endif
#ifdef WRONG_SIZE
constexpr std::uint32_t size = sizeof(osync::PluginDescriptor) - 8;
#else
constexpr std::uint32_t size = sizeof(osync::PluginDescriptor);
#endif
#ifdef WRONG_FINGERPRINT
#define FINGERPRINT "another-compiler"
#else
#define FINGERPRINT OSYNC_BUILD_FINGERPRINT
#endif
#ifdef WRONG_KIND
constexpr auto kind = static_cast<osync::PluginKind>(99);
#else
constexpr auto kind = osync::PluginKind::policy;
#endif
#ifdef NULL_SUMMARY
constexpr const char* summary = nullptr;
#else
constexpr const char* summary = "always live, always the same quantum";
#endif

} // namespace

OSYNC_PLUGIN_EXPORT const osync::PluginDescriptor osync_plugin = {{first, 'S', 'Y', 'N', 'C', 'P', 'L', 'G'},
                                                                  size,
                                                                  major,
                                                                  minor,
                                                                  FINGERPRINT,
                                                                  kind,
                                                                  PLUGIN_NAME,
                                                                  "1.2.3",
                                                                  summary,
#ifdef WRONG_OPTIONS
                                                                  nullptr,
                                                                  3,
#else
                                                                   options,
                                                                   std::size(options),
#endif
#ifdef NULL_CREATE
                                                                  nullptr,
                                                                  destroy};
#else
                                                                   create,
                                                                   destroy};
#endif
