// Decides when the operator is told that the kernel's queue fills up: once when it is fuller than the
// threshold, and again only after it fell under half of the threshold. Pure; one thread.
#pragma once

#include <cstdint>

namespace osync::inotify {

class QueueAlarm {
 public:
  /// `percent` (1 .. 100) of the capacity is the threshold.
  explicit QueueAlarm(unsigned percent) noexcept : percent_(percent) {}

  /// Takes the fill level: `queued_bytes` in the kernel, of at most `capacity` events (0: unknown, never
  /// alarms), where `bytes_read` bytes made up `records_read` records so far. Whether the operator is to be
  /// told now.
  [[nodiscard]] bool update(std::uint64_t queued_bytes, std::uint64_t capacity, std::uint64_t bytes_read,
                            std::uint64_t records_read) noexcept;

  /// How full the queue was at the last update, in percent (an estimate: the kernel tells bytes, and limits
  /// events).
  [[nodiscard]] unsigned fill_percent() const noexcept { return fill_; }

 private:
  unsigned percent_;
  unsigned fill_ = 0;
  bool told_ = false;
};

} // namespace osync::inotify
