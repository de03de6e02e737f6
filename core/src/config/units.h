// Sizes, times and rates as they stand in the pipeline file: whole numbers with a unit, and back.
//
// Sizes take B, KiB, MiB, GiB; times ms, s, min, h, d; rates a size and "/s". A lone 0 needs no unit. Signs,
// spaces, fractions, leading zeros and values beyond 2^63 - 1 (bytes, nanoseconds) are refused: 010 is octal
// to some readers and ten to others. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace osync::config {

/// Bytes, from for example "64MiB"; nothing where `text` is no size.
[[nodiscard]] std::optional<std::int64_t> parse_size(std::string_view text);

/// Nanoseconds, from for example "15min".
[[nodiscard]] std::optional<std::int64_t> parse_duration(std::string_view text);

/// Bytes a second, from for example "50MiB/s".
[[nodiscard]] std::optional<std::int64_t> parse_rate(std::string_view text);

/// A whole decimal number, a '-' in front allowed.
[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view text);

/// In the largest unit that divides the value, so that parsing gives the same value. `bytes` is at least 0.
[[nodiscard]] std::string format_size(std::int64_t bytes);
[[nodiscard]] std::string format_rate(std::int64_t bytes_a_second);

/// As format_size; what is no whole number of milliseconds is shown with a fraction of them. At least 0.
[[nodiscard]] std::string format_duration(std::int64_t nanoseconds);

} // namespace osync::config
