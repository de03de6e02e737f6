// The layout of a message's header around the envelope:
//
//   "OSY1" | envelope (protobuf, begins with its version) | XXH3-64 of all before, 8 bytes little-endian
//
// It is the same in all protocol versions, so that a peer of another version can be told so.
// Thread-safety: free functions without state. Bounds: max_header_bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "osync/status.h"

namespace osync::wire {

inline constexpr std::string_view magic = "OSY1";
inline constexpr std::size_t checksum_bytes = 8;

/// XXH3-64 (seed 0).
[[nodiscard]] std::uint64_t checksum(std::span<const std::byte> bytes) noexcept;

/// Ends a header that holds the magic and the envelope by appending their checksum.
void seal(std::string& header);

/// The envelope's bytes, in `header`. Errors: corrupt (length, magic, checksum).
[[nodiscard]] Result<std::string_view> unseal(std::string_view header);

/// The version in an envelope's first field. Errors: corrupt.
[[nodiscard]] Result<std::uint32_t> envelope_version(std::string_view envelope);

} // namespace osync::wire
