#include "queue_alarm.h"

#include <algorithm>

namespace osync::inotify {

bool QueueAlarm::update(std::uint64_t queued_bytes, std::uint64_t capacity, std::uint64_t bytes_read,
                        std::uint64_t records_read) noexcept {
  if (capacity == 0) return false;
  // Before anything was read, a record with a name of up to 15 bytes is the best guess.
  const double average =
      records_read == 0 ? 32.0 : static_cast<double>(bytes_read) / static_cast<double>(records_read);
  const double events = static_cast<double>(queued_bytes) / std::max(average, 1.0);
  fill_ = static_cast<unsigned>(std::min(100.0, events * 100.0 / static_cast<double>(capacity)));
  if (fill_ * 2 < percent_) told_ = false;
  if (fill_ < percent_ || told_) return false;
  told_ = true;
  return true;
}

} // namespace osync::inotify
