#include "loader/descriptor_check.h"

#include <cstring>
#include <string_view>

namespace osync::loader {
namespace {

constexpr std::string_view magic = "OSYNCPLG";
constexpr std::size_t options_bound = 256;

Status refuse(Code code, const std::string& file, const std::string& found, const std::string& expected,
              const std::string& advice) {
  return {code, "found " + found + ", expected " + expected + ": " + advice, file};
}

std::string version_text(std::uint16_t major, std::uint16_t minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

/// Text from a fixed field, which need not end with a NUL.
template <std::size_t Size>
std::string field_text(const char (&field)[Size]) {
  return {field, strnlen(field, Size)};
}

Status check_frozen_part(const PluginDescriptor& descriptor, std::size_t bytes, const std::string& file) {
  const std::string rebuild = "build the plugin against the SDK of this osync";
  if (bytes < offsetof(PluginDescriptor, kind) || std::string_view(descriptor.magic, magic.size()) != magic)
    return refuse(Code::corrupt, file, "no descriptor behind " OSYNC_PLUGIN_SYMBOL,
                  "one that begins with OSYNCPLG", "define it as osync/plugin.h shows");
  if (descriptor.major != api_major)
    return refuse(Code::unsupported, file, "plugin API " + version_text(descriptor.major, descriptor.minor),
                  version_text(api_major, api_minor), rebuild);
  if (descriptor.minor > api_minor)
    return refuse(Code::unsupported, file, "plugin API " + version_text(descriptor.major, descriptor.minor),
                  "at most " + version_text(api_major, api_minor), "update osync, or " + rebuild);
  // A later minor version that adds fields has to accept the smaller sizes of the earlier ones here.
  if (descriptor.struct_size != sizeof(PluginDescriptor) || bytes < sizeof(PluginDescriptor))
    return refuse(Code::unsupported, file,
                  "a descriptor of " + std::to_string(descriptor.struct_size) + " bytes",
                  std::to_string(sizeof(PluginDescriptor)), rebuild);
  if (field_text(descriptor.fingerprint) != OSYNC_BUILD_FINGERPRINT)
    return refuse(Code::unsupported, file, "a build of " + field_text(descriptor.fingerprint),
                  OSYNC_BUILD_FINGERPRINT,
                  "build the plugin with the same compiler ABI and sanitizers as osync");
  return {};
}

} // namespace

const char* kind_name(PluginKind kind) {
  switch (kind) {
  case PluginKind::watcher:
    return "watcher";
  case PluginKind::policy:
    return "policy";
  case PluginKind::transport:
    return "transport";
  case PluginKind::sink:
    return "sink";
  }
  return "unknown";
}

Status check_descriptor(const PluginDescriptor* descriptor, std::size_t bytes, const std::string& file) {
  if (Status status = check_frozen_part(*descriptor, bytes, file); !status.ok()) return status;
  const std::string correct = "correct the plugin's descriptor";
  if (std::strcmp(kind_name(descriptor->kind), "unknown") == 0)
    return refuse(Code::invalid, file, "kind " + std::to_string(static_cast<std::uint32_t>(descriptor->kind)),
                  "watcher, policy, transport or sink (1 to 4)", correct);
  std::string stem = file.substr(file.rfind('/') + 1);
  if (stem.ends_with(".so")) stem.resize(stem.size() - 3);
  if (descriptor->name == nullptr || stem != descriptor->name)
    return refuse(Code::invalid, file,
                  descriptor->name == nullptr ? "no name" : "the name " + std::string(descriptor->name),
                  "the file's name " + stem, "rename the file or correct the plugin's descriptor");
  if (descriptor->version == nullptr || descriptor->summary == nullptr)
    return refuse(Code::invalid, file, "no version or no summary", "both", correct);
  if (descriptor->option_count > options_bound ||
      (descriptor->option_count > 0 && descriptor->options == nullptr))
    return refuse(Code::invalid, file,
                  "an option table of " + std::to_string(descriptor->option_count) + " rows",
                  "at most " + std::to_string(options_bound) + " that are there", correct);
  if (descriptor->create == nullptr || descriptor->destroy == nullptr)
    return refuse(Code::invalid, file, "no create or no destroy function", "both", correct);
  return {};
}

} // namespace osync::loader
