#include "support/load_plugin.h"

#include "support/paths.h"

#include <dlfcn.h>

#include <charconv>
#include <cstring>

namespace osync::test {

namespace {

/// A number with one of the units that the pipeline file knows, in bytes or nanoseconds.
std::int64_t parse_quantity(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::int64_t factor;
  };
  static constexpr Unit units[] = {{"", 1},
                                   {"B", 1},
                                   {"KiB", 1 << 10},
                                   {"MiB", 1 << 20},
                                   {"GiB", 1 << 30},
                                   {"ms", 1'000'000},
                                   {"us", 1'000},
                                   {"s", 1'000'000'000},
                                   {"min", 60'000'000'000},
                                   {"h", 3'600'000'000'000},
                                   {"d", 86'400'000'000'000},
                                   {"KiB/s", 1 << 10},
                                   {"MiB/s", 1 << 20},
                                   {"GiB/s", 1 << 30}};
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec == std::errc())
    for (const Unit& unit : units)
      if (text.substr(static_cast<std::size_t>(parsed.ptr - text.data())) == unit.name)
        return number * unit.factor;
  throw std::runtime_error("no quantity: " + std::string(text));
}

OptionValue parse_default(const OptionSpec& spec) {
  const std::string_view text = spec.default_value;
  switch (spec.type) {
  case OptionType::boolean:
    return text == "true";
  case OptionType::integer:
  case OptionType::size:
  case OptionType::duration:
  case OptionType::rate:
    return parse_quantity(text);
  case OptionType::string:
  case OptionType::path:
  case OptionType::choice:
    break;
  }
  return std::string(text);
}

} // namespace

OptionValues with_defaults(const PluginDescriptor& descriptor, OptionValues given) {
  for (std::size_t i = 0; i < descriptor.option_count; ++i) {
    const OptionSpec& spec = descriptor.options[i];
    if (given.has(spec.name)) continue;
    if (spec.default_value == nullptr)
      throw std::runtime_error(std::string(descriptor.name) + ": option " + spec.name + " is required");
    given.set(spec.name, parse_default(spec));
  }
  return given;
}

const PluginDescriptor& plugin_descriptor(const std::string& name, PluginKind kind) {
  const std::string file = binary_directory() + "/plugins/" + name + ".so";
  void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(std::string("dlopen: ") + dlerror());
  const auto* descriptor = static_cast<const PluginDescriptor*>(dlsym(library, OSYNC_PLUGIN_SYMBOL));
  if (descriptor == nullptr) throw std::runtime_error(file + " exports no " OSYNC_PLUGIN_SYMBOL);
  if (std::memcmp(descriptor->magic, "OSYNCPLG", 8) != 0 || descriptor->kind != kind ||
      descriptor->name != name)
    throw std::runtime_error(file + " is not the plugin " + name + " of the expected kind");
  return *descriptor;
}

} // namespace osync::test
