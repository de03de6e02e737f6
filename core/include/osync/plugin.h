// Start here to write a plugin. A plugin is one shared object that exports one descriptor:
//
//   OSYNC_PLUGIN_EXPORT const osync::PluginDescriptor osync_plugin = {
//     OSYNC_PLUGIN_PREAMBLE, osync::PluginKind::policy, "policy-mine", "1.0.0", "what it does in one line",
//     options, std::size(options), create, destroy };
//
// The file is named after the plugin: policy-mine.so. `create` makes an object of the class that the kind demands
// (osync::Watcher, Policy, Transport or Sink) and hands it over as that base class through `*object`; `destroy` takes
// the same pointer. Several objects of one plugin may exist at once, in different threads.
//
// Rules of the boundary: every function is noexcept and reports through Status; an exception that leaves a plugin ends
// the process. The engine owns all threads that call a plugin; where another thread than the one that pulls may call,
// the function says so. Plugins are loaded once and never unloaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "osync/logger.h"
#include "osync/status.h"

namespace osync {

inline constexpr std::uint16_t api_major = 1; ///< changes when old plugins can no longer be loaded
inline constexpr std::uint16_t api_minor = 0; ///< grows when something was added; a plugin may be older, not newer

enum class PluginKind : std::uint32_t { watcher = 1, policy = 2, transport = 3, sink = 4 };

/// What an option holds. `size` is in bytes, `duration` in nanoseconds, `rate` in bytes a second; YAML writes them with
/// a unit (64KiB, 5s, 50MiB/s).
enum class OptionType : std::uint32_t { boolean = 1, integer, size, duration, rate, string, path, choice };

/// One row of a plugin's option table. The table validates the YAML, prints `osync plugins inspect`, and is compared
/// with the table in the plugin's README by a test. All text is static.
struct OptionSpec {
  const char* name;          ///< snake_case
  OptionType type;
  const char* unit;          ///< for people: "bytes", "time", "" ...
  const char* default_value; ///< as it would stand in YAML; nullptr: the option is required
  const char* range;         ///< "MIN..MAX" as in YAML, "a|b|c" for choice, "" where any value is right
  const char* help;          ///< one sentence
};

/// An option's value after validation: boolean; integer, size, duration (ns) and rate as std::int64_t; the rest text.
using OptionValue = std::variant<bool, std::int64_t, std::string>;

/// Every option of the plugin's table with its value (defaults filled in). Asking for a name that is not in the table,
/// or with the wrong type, is a bug of the plugin and ends the process.
class OptionValues {
 public:
  OptionValues() = default;
  OptionValues(std::initializer_list<std::pair<const std::string, OptionValue>> values) : values_(values) {}
  void set(std::string name, OptionValue value) { values_.insert_or_assign(std::move(name), std::move(value)); }
  [[nodiscard]] bool has(const std::string& name) const { return values_.contains(name); }
  [[nodiscard]] bool boolean(const std::string& name) const { return std::get<bool>(values_.at(name)); }
  [[nodiscard]] std::int64_t integer(const std::string& name) const { return std::get<std::int64_t>(values_.at(name)); }
  [[nodiscard]] const std::string& text(const std::string& name) const { return std::get<std::string>(values_.at(name)); }
  [[nodiscard]] const std::map<std::string, OptionValue>& all() const { return values_; }

 private:
  std::map<std::string, OptionValue> values_;
};

/// What a plugin is given when an object is made. The logger outlives the object; the options are copied if needed.
struct PluginContext {
  Logger* logger;
  const OptionValues* options;
  const char* instance; ///< the stage instance's name in the pipeline, for messages
};

/// Identifies everything that changes the layout of types which cross the boundary: compiler ABI, libstdc++ ABI and
/// sanitizers. Optimisation, warnings and versions of other libraries are left out on purpose.
#if defined(__SANITIZE_THREAD__)
#define OSYNC_FINGERPRINT_SANITIZER "-tsan"
#elif defined(__SANITIZE_ADDRESS__)
#define OSYNC_FINGERPRINT_SANITIZER "-asan"
#else
#define OSYNC_FINGERPRINT_SANITIZER ""
#endif
#if defined(_GLIBCXX_DEBUG)
#define OSYNC_FINGERPRINT_DEBUG "-glibcxxdebug"
#else
#define OSYNC_FINGERPRINT_DEBUG ""
#endif
#define OSYNC_STRINGIFY_2(x) #x
#define OSYNC_STRINGIFY(x) OSYNC_STRINGIFY_2(x)
#define OSYNC_BUILD_FINGERPRINT                                                                                        \
  "gxx-abi" OSYNC_STRINGIFY(__GXX_ABI_VERSION) "-cxx11abi" OSYNC_STRINGIFY(_GLIBCXX_USE_CXX11_ABI)                     \
      OSYNC_FINGERPRINT_DEBUG OSYNC_FINGERPRINT_SANITIZER

/// The exported descriptor. The fields down to `fingerprint` are frozen for ever: a loader of any version reads them
/// first and reads on only when they fit.
struct PluginDescriptor {
  char magic[8];              ///< "OSYNCPLG"
  std::uint32_t struct_size;  ///< sizeof(PluginDescriptor) as the plugin was built
  std::uint16_t major;        ///< api_major
  std::uint16_t minor;        ///< api_minor
  char fingerprint[64];       ///< OSYNC_BUILD_FINGERPRINT
  PluginKind kind;
  const char* name;           ///< as in YAML; the file is NAME.so
  const char* version;        ///< the plugin's own
  const char* summary;        ///< one line
  const OptionSpec* options;
  std::size_t option_count;
  /// Makes an object; on success `*object` is the kind's base class pointer. Any thread.
  Status (*create)(const PluginContext& context, void** object) noexcept;
  /// Ends an object made by `create`. No call on it may be in progress.
  void (*destroy)(void* object) noexcept;
};

#define OSYNC_PLUGIN_PREAMBLE                                                                                          \
  {'O', 'S', 'Y', 'N', 'C', 'P', 'L', 'G'}, sizeof(osync::PluginDescriptor), osync::api_major, osync::api_minor,       \
      OSYNC_BUILD_FINGERPRINT
#define OSYNC_PLUGIN_EXPORT extern "C" __attribute__((visibility("default")))
#define OSYNC_PLUGIN_SYMBOL "osync_plugin"

} // namespace osync
