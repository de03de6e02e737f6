// The names of one open directory, read with getdents64(2) straight into one buffer: a cursor over any number
// of entries, none of which is kept.
//
// Thread-safety: one thread at a time. Bound: 64 KiB a stream.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "osync/status.h"
#include "osync/types.h"

namespace osync::source {

/// One entry, valid until the stream moves on.
struct DirectoryEntry {
  const char* name = nullptr; ///< ended by NUL
  std::size_t length = 0;
  std::uint64_t inode = 0; ///< d_ino; below a mount point and in overlay not always what stat(2) says
  FileType type = FileType::unknown; ///< as the directory says; unknown where the file system does not
  [[nodiscard]] std::string_view text() const noexcept { return {name, length}; }
};

class DirectoryStream {
 public:
  DirectoryStream();

  /// Makes `entry` the entry at the cursor, "." and ".." left out; null at the end. `fd` is the open
  /// directory, the same in all calls; `path` is for messages. Errors: not_found (the directory was removed),
  /// io, corrupt.
  [[nodiscard]] Status peek(int fd, const std::string& path, const DirectoryEntry*& entry);

  /// Moves past the entry that peek() gave.
  void advance() noexcept { have_entry_ = false; }

 private:
  static constexpr std::size_t buffer_bytes = 64u << 10;

  [[nodiscard]] Status fill(int fd, const std::string& path);
  [[nodiscard]] Status decode(const std::string& path);

  std::unique_ptr<std::byte[]> buffer_;
  std::size_t size_ = 0;
  std::size_t at_ = 0;
  bool have_entry_ = false;
  bool end_ = false;
  DirectoryEntry entry_;
};

} // namespace osync::source
