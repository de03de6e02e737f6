#include "config/environment.h"

#include <cstdlib>

#include "config/yaml_tree.h"

namespace osync::config {
namespace {

/// As POSIX has it (XBD 8.1), lower case included.
bool variable_name(std::string_view name) {
  constexpr std::string_view digits = "0123456789";
  constexpr std::string_view all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  return !name.empty() && digits.find(name.front()) == std::string_view::npos &&
         name.find_first_not_of(all) == std::string_view::npos;
}

} // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* const value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

std::optional<std::string> expand(const Scalar& scalar, const Environment& environment, Mistakes& mistakes) {
  std::string result;
  std::string_view rest = scalar.text;
  while (true) {
    const std::size_t dollar = rest.find('$');
    result += rest.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    rest.remove_prefix(dollar + 1);
    if (rest.starts_with('$')) {
      result += '$';
      rest.remove_prefix(1);
      continue;
    }
    const std::size_t close = rest.find('}');
    if (!rest.starts_with('{') || close == std::string_view::npos ||
        !variable_name(rest.substr(1, close - 1))) {
      mistakes.add(scalar, "${NAME} for an environment variable, or $$ for a dollar");
      return std::nullopt;
    }
    const std::string name(rest.substr(1, close - 1));
    const std::optional<std::string> value = environment(name);
    if (!value) {
      mistakes.add(scalar.place, scalar.key, "${" + name + "}, which is not set",
                   "a variable of the environment");
      return std::nullopt;
    }
    result += *value;
    rest.remove_prefix(close + 1);
    if (result.size() > scalar_bytes_bound) break;
  }
  if (result.size() > scalar_bytes_bound) {
    mistakes.add(scalar, "at most " + std::to_string(scalar_bytes_bound) + " bytes after ${...} is replaced");
    return std::nullopt;
  }
  return result;
}

} // namespace osync::config
