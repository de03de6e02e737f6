#include "config/units.h"

#include <charconv>
#include <limits>
#include <span>

namespace osync::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

// Largest first, as formatting tries them.
constexpr Unit size_units[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};
constexpr std::int64_t millisecond = 1'000'000;
constexpr Unit time_units[] = {{"d", 86'400'000 * millisecond},
                               {"h", 3'600'000 * millisecond},
                               {"min", 60'000 * millisecond},
                               {"s", 1'000 * millisecond},
                               {"ms", millisecond}};

std::optional<std::int64_t> parse_quantity(std::string_view text, std::span<const Unit> units) {
  if (text == "0") return 0;
  const std::size_t digits = text.find_first_not_of("0123456789");
  if (digits == std::string_view::npos) return std::nullopt;
  const std::optional<std::int64_t> number = parse_integer(text.substr(0, digits));
  if (!number) return std::nullopt;
  for (const Unit& unit : units) {
    if (text.substr(digits) != unit.name) continue;
    if (*number > std::numeric_limits<std::int64_t>::max() / unit.factor) return std::nullopt;
    return *number * unit.factor;
  }
  return std::nullopt;
}

std::string format_quantity(std::int64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units)
    if (value % unit.factor == 0 && (value != 0 || unit.factor == 1))
      return std::to_string(value / unit.factor).append(unit.name);
  return "0";
}

} // namespace

std::optional<std::int64_t> parse_size(std::string_view text) { return parse_quantity(text, size_units); }

std::optional<std::int64_t> parse_duration(std::string_view text) { return parse_quantity(text, time_units); }

std::optional<std::int64_t> parse_rate(std::string_view text) {
  if (text == "0") return 0;
  if (!text.ends_with("/s")) return std::nullopt;
  text.remove_suffix(2);
  return text == "0" ? std::nullopt : parse_size(text);
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string format_size(std::int64_t bytes) { return format_quantity(bytes, size_units); }

std::string format_rate(std::int64_t bytes_a_second) { return format_size(bytes_a_second) + "/s"; }

std::string format_duration(std::int64_t nanoseconds) {
  if (nanoseconds == 0) return "0s";
  if (nanoseconds % millisecond == 0) return format_quantity(nanoseconds, time_units);
  std::string fraction = std::to_string(millisecond + nanoseconds % millisecond).substr(1);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return std::to_string(nanoseconds / millisecond) + "." + fraction + "ms";
}

} // namespace osync::config
