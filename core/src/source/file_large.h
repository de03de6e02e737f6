// One large file while it is shipped in chunks: where its data is, the digest of what was read, and in the
// end whether it is still the file that was opened.
//
// The directory is held open, not named: when it is moved meanwhile, nothing read here becomes wrong.
// Thread-safety: one job at a time.
#pragma once

#include <cstdint>
#include <string>

#include "engine/source_jobs.h"
#include "osync/status.h"
#include "source/attributes_status.h"
#include "source/file_content.h"
#include "source/file_descriptor.h"
#include "source/file_hash.h"
#include "source/reader_payload.h"

namespace osync::source {

class LargeFile {
 public:
  /// `before` was read before the first byte; `path` is for messages.
  LargeFile(FileDescriptor directory, std::string name, std::string path, FileDescriptor file,
            FileStatus before);

  /// Reads data at or after `offset`, up to the next hole, the end that the file had when it was opened,
  /// `max_bytes` or one buffer of the pool. Errors: invalid (offset goes back), and those of pread(2) and
  /// lseek(2). A file that ends early ends the data; check() then answers stale.
  [[nodiscard]] Status read(std::uint64_t offset, std::uint32_t max_bytes, PayloadPool& pool,
                            std::size_t small, engine::FileChunk& chunk);

  /// Errors: stale (written to, or its name is gone or another file's), and those of statx(2).
  [[nodiscard]] Status check() const;

  /// XXH3-128 over, for each chunk in order, its offset (8 bytes, little-endian) and its bytes.
  [[nodiscard]] Digest digest() const noexcept { return hash_.digest(); }

 private:
  void add_to_digest(std::uint64_t offset, std::span<const std::byte> bytes) noexcept;

  FileDescriptor directory_;
  std::string name_;
  std::string path_;
  FileDescriptor file_;
  FileStatus before_;
  RunningHash hash_;
  std::uint64_t next_offset_ = 0;
  DataRange data_; ///< the data being read
  bool ended_early_ = false;
};

} // namespace osync::source
