// Reading a directory to its end, with errors told from the end. Threads: one a reader.
#pragma once

#include <dirent.h>

#include <cerrno>
#include <string_view>

#include "fd.h"

namespace osync::sink_fs {

class DirectoryReader {
 public:
  /// Takes over a descriptor opened O_RDONLY. ok() is false where the C library had no memory.
  explicit DirectoryReader(Fd directory) noexcept : stream_(fdopendir(directory.get())) {
    if (stream_ != nullptr) (void)directory.release(); // the stream closes it
  }
  ~DirectoryReader() {
    if (stream_ != nullptr) closedir(stream_);
  }
  DirectoryReader(const DirectoryReader&) = delete;
  DirectoryReader& operator=(const DirectoryReader&) = delete;

  [[nodiscard]] bool ok() const noexcept { return stream_ != nullptr; }
  [[nodiscard]] int fd() const noexcept { return dirfd(stream_); }
  void rewind() noexcept { rewinddir(stream_); }

  /// The next entry but "." and ".."; nullptr at the end (error() is 0) or on an error.
  [[nodiscard]] const dirent* next() noexcept {
    while (true) {
      errno = 0;
      const dirent* entry = readdir(stream_);
      error_ = entry == nullptr ? errno : 0;
      if (entry == nullptr) return nullptr;
      const std::string_view name(entry->d_name);
      if (name != "." && name != "..") return entry;
    }
  }
  [[nodiscard]] int error() const noexcept { return error_; }

 private:
  DIR* stream_;
  int error_ = 0;
};

} // namespace osync::sink_fs
