#include "kernel_queue.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>

#include "inotify_translate.h"
#include "kernel_limits.h"

namespace osync::inotify {

KernelQueue::~KernelQueue() {
  if (fd_ >= 0) close(fd_);
  if (signal_fd_ >= 0) close(signal_fd_);
}

Status KernelQueue::open() {
  fd_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd_ < 0) return init_failure(errno);
  signal_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (signal_fd_ < 0) return Status::from_errno(errno, "eventfd (wake the watcher)");
  return {};
}

Status KernelQueue::read(std::span<std::byte> buffer, std::size_t& length,
                         std::deque<BarrierQueue::Barrier>& due) {
  length = 0;
  const std::lock_guard lock(mutex_);
  ssize_t count = 0;
  do count = ::read(fd_, buffer.data(), buffer.size());
  while (count < 0 && errno == EINTR);
  if (count < 0 && errno != EAGAIN) return Status::from_errno(errno, "read (inotify events)");
  if (count <= 0) {
    barriers_.take_all(due);
    return {};
  }
  length = static_cast<std::size_t>(count);
  barriers_.count_read(length);
  return {};
}

void KernelQueue::take_read(std::deque<BarrierQueue::Barrier>& due) {
  const std::lock_guard lock(mutex_);
  barriers_.take_read(due);
}

Status KernelQueue::wait(std::chrono::milliseconds timeout) noexcept {
  struct pollfd descriptors[] = {{fd_, POLLIN, 0}, {signal_fd_, POLLIN, 0}};
  const auto bound = std::clamp<std::int64_t>(timeout.count(), 0, std::numeric_limits<int>::max());
  if (poll(descriptors, std::size(descriptors), static_cast<int>(bound)) < 0 && errno != EINTR)
    return Status::from_errno(errno, "poll (inotify events)");
  std::uint64_t signals = 0;
  if ((descriptors[1].revents & POLLIN) != 0 && ::read(signal_fd_, &signals, sizeof(signals)) < 0 &&
      errno != EAGAIN)
    return Status::from_errno(errno, "read (wake the watcher)");
  return {};
}

void KernelQueue::signal() noexcept {
  const std::uint64_t one = 1;
  // Can fail only with EAGAIN, when 2^64 - 2 signals are waiting: then the wait ends anyway (eventfd(2)).
  [[maybe_unused]] const ssize_t written = write(signal_fd_, &one, sizeof(one));
}

Status KernelQueue::request_barrier(std::uint64_t token) {
  {
    const std::lock_guard lock(mutex_);
    // The kernel's answer is an int; as unsigned it holds for queues of up to 4 GiB, more than 10^8 events.
    unsigned queued = 0;
    if (ioctl(fd_, FIONREAD, &queued) != 0)
      return Status::from_errno(errno, "ioctl FIONREAD (inotify barrier)");
    if (!barriers_.request(token, queued))
      return {Code::would_block, "watch-inotify: " + std::to_string(BarrierQueue::max_waiting) +
                                     " barriers wait already; ask again when some were delivered"};
  }
  signal();
  return {};
}

std::uint64_t KernelQueue::queued_bytes() const noexcept {
  unsigned queued = 0;
  return ioctl(fd_, FIONREAD, &queued) == 0 ? queued : 0;
}

std::int32_t KernelQueue::add_watch(int directory_fd) noexcept {
  char path[32];
  std::snprintf(path, sizeof(path), "/proc/self/fd/%d", directory_fd);
  return inotify_add_watch(fd_, path, watch_mask);
}

void KernelQueue::remove_watch(std::int32_t wd) noexcept {
  // EINVAL: the kernel has ended it already (directory deleted, file system unmounted). Nothing else can
  // happen.
  [[maybe_unused]] const int result = inotify_rm_watch(fd_, wd);
}

} // namespace osync::inotify
