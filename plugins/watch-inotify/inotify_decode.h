// Takes the records of inotify(7) out of the bytes that read(2) gave, trusting none of them.
//
// Pure: no system call, no state, any thread. Never reads outside the bytes given; a record's name is a view
// into them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace osync::inotify {

/// One struct inotify_event as the kernel wrote it.
struct RawRecord {
  std::int32_t wd = 0; ///< -1: no watch (overflow)
  std::uint32_t mask = 0;
  std::uint32_t cookie = 0;
  std::string_view name; ///< without its padding; empty: the watched directory itself
};

/// The fixed part of a record: wd, mask, cookie, length of what follows.
inline constexpr std::size_t record_header_bytes = 16;
/// A record with the longest name: NAME_MAX and its NUL, padded to a multiple of the header (inotify(7)).
inline constexpr std::size_t record_max_bytes = record_header_bytes + 256;

enum class Decoded : std::uint8_t {
  record,    ///< `record` holds the first one, `size` is its length in bytes
  end,       ///< no bytes are left
  malformed, ///< cut off, or a name without its NUL: nothing from here on can be trusted
};

/// Decodes the first record of `bytes`. `record` and `size` are set only with Decoded::record; `record.name`
/// lives as long as `bytes`.
[[nodiscard]] Decoded decode_record(std::span<const std::byte> bytes, RawRecord& record,
                                    std::size_t& size) noexcept;

} // namespace osync::inotify
