// Knows when a barrier is due: once as many bytes were read as the kernel had queued when it was asked for.
//
// An empty queue is no barrier and a busy one is never empty; counting down is exact.
// All positions are bytes since the start. Whoever uses it makes sure that reading, counting and asking
// exclude each other, so that the bytes of a read in progress cannot be missed. Pure; at most `max_waiting`
// barriers wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace osync::inotify {

class BarrierQueue {
 public:
  static constexpr std::size_t max_waiting = 4096;

  struct Barrier {
    std::uint64_t token = 0;
    std::uint64_t position = 0; ///< due when everything before it was delivered
  };

  /// `bytes` were taken out of the kernel's queue.
  void count_read(std::uint64_t bytes) noexcept { read_ += bytes; }
  /// How many there were in all.
  [[nodiscard]] std::uint64_t read() const noexcept { return read_; }

  /// A barrier behind the `queued` bytes that the kernel holds now. False: too many wait. Throws
  /// std::bad_alloc.
  [[nodiscard]] bool request(std::uint64_t token, std::uint64_t queued);

  /// Moves the barriers that lie within what was read to the end of `due`, ordered by position. Throws
  /// std::bad_alloc, losing nothing.
  void take_read(std::deque<Barrier>& due);

  /// The same for all barriers, as due now: the kernel's queue was found empty.
  void take_all(std::deque<Barrier>& due);

 private:
  std::deque<Barrier> waiting_; ///< positions ascend: read + queued never shrinks
  std::uint64_t read_ = 0;
};

} // namespace osync::inotify
