// A file descriptor that closes itself. Threads: like a plain value.
#pragma once

#include <unistd.h>

#include <utility>

namespace osync::sink_fs {

class Fd {
 public:
  Fd() noexcept = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  /// Closes what was held. For descriptors that were written to and whose close matters use close_checked().
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }
  /// Closes and says what close(2) said (NFS and quotas report late): 0 or an errno. EINTR means closed on
  /// Linux.
  [[nodiscard]] int close_checked() noexcept;

 private:
  int fd_ = -1;
};

} // namespace osync::sink_fs
