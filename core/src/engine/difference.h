// How an entry of the replica differs from the source's.
#pragma once

#include <cstdint>
#include <string_view>

namespace osync::engine {

/// Why a listed entry is wanted; the first reason found, in this order.
enum class Difference : std::uint8_t { // values are part of the wire format: append only
  none,
  absent,     ///< the replica has nothing of that name
  unreadable, ///< the replica's entry could not be looked at
  type,
  device, ///< another device number
  target, ///< of a symlink
  size,
  mtime,
  mode,
  owner,
  content, ///< the digest differs
  xattrs,
  suspect, ///< the attributes fit, but the bytes may never have reached the disk (RULES.md 3)
  links,   ///< names of one file here are names of two files there, or the reverse
};

[[nodiscard]] std::string_view difference_name(Difference difference) noexcept;

inline constexpr Difference last_difference = Difference::links;

} // namespace osync::engine
