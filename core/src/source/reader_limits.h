// The bounds of the source's reader, each with its name.
#pragma once

#include <cstdint>

namespace osync::source {

struct ReaderLimits {
  std::uint32_t inline_bytes = 256u << 10; ///< larger regular files are opened and read in chunks
  std::uint32_t piece_bytes =
      1u << 20; ///< most that one job's `max_bytes` may ask for; size of a payload buffer
  std::uint32_t piece_entries = 4096;      ///< most that one job's `max_entries` may ask for
  std::uint32_t small_payload = 64u << 10; ///< contents of less are copied out of the payload buffer
  std::uint32_t idle_buffers = 8;          ///< unused payload buffers that are kept
  std::uint32_t max_open_files = 64;       ///< large files open at once (two descriptors each)
  std::uint32_t max_cursors = 128;         ///< directories being scanned (one descriptor and 64 KiB each)
  std::uint32_t xattr_bytes = 1u << 20;    ///< extended attributes of one entry, names and values
  std::uint64_t digest_bytes = 64u << 20;  ///< a compare piece ends after so many digested bytes
};

} // namespace osync::source
