// Reading the bytes of regular files that are open.
// Thread-safety: functions without state.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "osync/types.h"

namespace osync::source {

/// Reads from `offset` until `into` is full or the file ends. `got` is the number of bytes. Returns 0 or the
/// errno.
[[nodiscard]] int read_fully(int fd, std::uint64_t offset, std::span<std::byte> into,
                             std::size_t& got) noexcept;

/// Whether a file of `size` bytes really has a hole, told by SEEK_HOLE. Asked where fewer blocks are
/// allocated than the size needs, which is also so for files that are compressed or kept inside their inode.
[[nodiscard]] bool has_hole(int fd, std::uint64_t size) noexcept;

/// A range of a file that holds data.
struct DataRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0; ///< equal to begin: no data at or after the offset asked for
};

/// The first data at or after `offset` and before `size`; where the file system cannot tell holes, all is
/// data. Returns 0 or the errno.
[[nodiscard]] int next_data(int fd, std::uint64_t offset, std::uint64_t size, DataRange& range) noexcept;

/// XXH3-128 of the whole content, holes as zeros, read through `scratch`. `bytes` is how many there were.
/// Returns 0, the errno, or ECANCELED once `interrupted` is set.
[[nodiscard]] int digest_content(int fd, std::span<std::byte> scratch, const std::atomic<bool>& interrupted,
                                 Digest& digest, std::uint64_t& bytes);

} // namespace osync::source
