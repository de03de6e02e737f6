#include "config/values.h"

#include <limits>

#include "config/units.h"

namespace osync::config {
namespace {

constexpr std::size_t path_bound = 4095; ///< PATH_MAX without its NUL
constexpr std::size_t name_bound = 64;
constexpr std::string_view lower_case = "abcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view any_case = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::optional<std::int64_t> parse_number(OptionType type, std::string_view text) {
  switch (type) {
  case OptionType::integer:
    return parse_integer(text);
  case OptionType::size:
    return parse_size(text);
  case OptionType::duration:
    return parse_duration(text);
  case OptionType::rate:
    return parse_rate(text);
  default:
    return std::nullopt;
  }
}

/// "MIN..MAX" cut in two.
std::pair<std::string_view, std::string_view> ends_of(std::string_view range) {
  const std::size_t dots = range.find("..");
  if (dots == std::string_view::npos) return {};
  return {range.substr(0, dots), range.substr(dots + 2)};
}

bool in_range(OptionType type, std::string_view range, std::int64_t number) {
  const auto [low, high] = ends_of(range);
  return number >= parse_number(type, low).value_or(std::numeric_limits<std::int64_t>::min()) &&
         number <= parse_number(type, high).value_or(std::numeric_limits<std::int64_t>::max());
}

bool is_choice(std::string_view range, std::string_view text) {
  while (true) {
    const std::size_t bar = range.find('|');
    if (range.substr(0, bar) == text) return true;
    if (bar == std::string_view::npos) return false;
    range.remove_prefix(bar + 1);
  }
}

std::optional<OptionValue> parse_value(OptionType type, std::string_view range, const std::string& text) {
  if (text.find('\0') != std::string::npos) return std::nullopt;
  switch (type) {
  case OptionType::boolean:
    if (text == "true" || text == "false") return OptionValue(text == "true");
    return std::nullopt;
  case OptionType::integer:
  case OptionType::size:
  case OptionType::duration:
  case OptionType::rate: {
    const std::optional<std::int64_t> number = parse_number(type, text);
    if (!number || !in_range(type, range, *number)) return std::nullopt;
    return OptionValue(*number);
  }
  case OptionType::string:
    return OptionValue(text);
  case OptionType::path:
    if (!text.starts_with('/') || text.size() > path_bound) return std::nullopt;
    return OptionValue(text);
  case OptionType::choice:
    if (!is_choice(range, text)) return std::nullopt;
    return OptionValue(text);
  }
  return std::nullopt;
}

std::string expected_type(OptionType type) {
  switch (type) {
  case OptionType::boolean:
    return "true or false";
  case OptionType::integer:
    return "a whole decimal number";
  case OptionType::size:
    return "a size such as 64MiB (B, KiB, MiB or GiB)";
  case OptionType::duration:
    return "a time such as 15min (ms, s, min, h or d)";
  case OptionType::rate:
    return "a rate such as 50MiB/s";
  case OptionType::string:
    return "text";
  case OptionType::path:
    return "an absolute path";
  case OptionType::choice:
    return "one of ";
  }
  return "a value of a known type";
}

} // namespace

std::optional<OptionValue> read_value(OptionType type, std::string_view range, const Scalar& scalar,
                                      Mistakes& mistakes) {
  std::optional<OptionValue> value = parse_value(type, range, scalar.text);
  if (!value) mistakes.add(scalar, expected_value(type, range));
  return value;
}

std::string expected_value(OptionType type, std::string_view range) {
  std::string text = expected_type(type);
  if (type == OptionType::choice) {
    for (const char c : range) text += c == '|' ? ", " : std::string(1, c);
    return text;
  }
  const auto [low, high] = ends_of(range);
  if (!low.empty() && !high.empty())
    text.append(" from ").append(low).append(" to ").append(high);
  else if (!low.empty())
    text.append(" of at least ").append(low);
  else if (!high.empty())
    text.append(" of at most ").append(high);
  return text;
}

std::string_view type_name(OptionType type) {
  switch (type) {
  case OptionType::boolean:
    return "boolean";
  case OptionType::integer:
    return "integer";
  case OptionType::size:
    return "size";
  case OptionType::duration:
    return "duration";
  case OptionType::rate:
    return "rate";
  case OptionType::string:
    return "string";
  case OptionType::path:
    return "path";
  case OptionType::choice:
    return "choice";
  }
  return "unknown";
}

bool valid_instance_name(std::string_view name) {
  return !name.empty() && name.size() <= name_bound &&
         name.find_first_not_of(any_case) == std::string_view::npos;
}

bool valid_plugin_name(std::string_view name) {
  return !name.empty() && name.size() <= name_bound &&
         name.find_first_not_of(lower_case) == std::string_view::npos;
}

} // namespace osync::config
