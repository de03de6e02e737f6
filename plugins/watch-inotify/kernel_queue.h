// The inotify instance: its queue, its watches, and the barriers that are counted down along it.
//
// Threads: read(), take_read() and wait() belong to the puller; everything else may be called from any
// thread. Reading and asking for a barrier exclude each other, so that a barrier can come late but never
// early: the bytes of a read in progress are neither in the kernel's count nor in ours.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>

#include "barrier_queue.h"
#include "osync/status.h"

namespace osync::inotify {

class KernelQueue {
 public:
  KernelQueue() = default;
  ~KernelQueue();
  KernelQueue(const KernelQueue&) = delete;
  KernelQueue& operator=(const KernelQueue&) = delete;

  /// Makes the instance. Errors: limit (instances, descriptors). Once, before everything else.
  Status open();

  /// Takes what is queued, as much as fits (at least record_max_bytes), without waiting: `length` is 0 where
  /// nothing is; then all barriers asked for so far move to `due`. Errors: those of read(2). Throws
  /// std::bad_alloc only where nothing was taken.
  Status read(std::span<std::byte> buffer, std::size_t& length, std::deque<BarrierQueue::Barrier>& due);

  /// Moves the barriers that lie within the bytes taken so far to `due`. Throws std::bad_alloc, losing
  /// nothing.
  void take_read(std::deque<BarrierQueue::Barrier>& due);

  /// Waits until something is queued, signal() was called or `timeout` has passed. Errors: those of poll(2).
  Status wait(std::chrono::milliseconds timeout) noexcept;
  /// Ends a wait(), now or the next one.
  void signal() noexcept;

  /// Errors: would_block (too many barriers wait). Throws std::bad_alloc.
  Status request_barrier(std::uint64_t token);

  /// Bytes unread in the kernel; 0 where it cannot tell.
  [[nodiscard]] std::uint64_t queued_bytes() const noexcept;

  /// Watches the directory open at `directory_fd`; its descriptor, or -1 with errno.
  [[nodiscard]] std::int32_t add_watch(int directory_fd) noexcept;
  /// Ends a watch; one that has ended already is no error.
  void remove_watch(std::int32_t wd) noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_ = -1;
  int signal_fd_ = -1;
  std::mutex mutex_; ///< guards barriers_, and reads of fd_
  BarrierQueue barriers_;
};

} // namespace osync::inotify
