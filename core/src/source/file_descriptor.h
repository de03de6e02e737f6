// An open file descriptor with one owner.
// Thread-safety: distinct objects may be used from distinct threads; get() of one object from several while
// none moves it.
#pragma once

#include <unistd.h>

#include <utility>

namespace osync::source {

class FileDescriptor {
 public:
  FileDescriptor() noexcept = default;
  /// Takes ownership of `fd`; negative: none.
  explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { close(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }

 private:
  void close() noexcept {
    // Only descriptors that were read from are held here: close(2) has no write-back error to report, and on
    // Linux the descriptor is gone even where it fails.
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int fd_ = -1;
};

} // namespace osync::source
