// Reading protobuf's base-128 varints from bytes that may end anywhere (protobuf's encoding guide, "Base 128
// Varints"). Thread-safety: stateless.
#pragma once

#include <cstdint>

namespace osync::wire {

/// Reads one varint at `at`, moving it on; false where the bytes end within it or it is longer than 10 bytes.
[[nodiscard]] inline bool read_varint(const char*& at, const char* end, std::uint64_t& value) noexcept {
  value = 0;
  for (unsigned shift = 0; shift < 70 && at != end; shift += 7) {
    const auto byte = static_cast<std::uint8_t>(*at++);
    if (shift < 64) value |= static_cast<std::uint64_t>(byte & 0x7fu) << shift;
    if ((byte & 0x80u) == 0) return true;
  }
  return false;
}

} // namespace osync::wire
