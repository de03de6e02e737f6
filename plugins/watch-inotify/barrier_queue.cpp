#include "barrier_queue.h"

#include <algorithm>

namespace osync::inotify {

bool BarrierQueue::request(std::uint64_t token, std::uint64_t queued) {
  if (waiting_.size() >= max_waiting) return false;
  const std::uint64_t position = read_ + queued;
  waiting_.push_back({token, position});
  return true;
}

void BarrierQueue::take_read(std::deque<Barrier>& due) {
  while (!waiting_.empty() && waiting_.front().position <= read_) {
    due.push_back(waiting_.front());
    waiting_.pop_front();
  }
}

void BarrierQueue::take_all(std::deque<Barrier>& due) {
  while (!waiting_.empty()) {
    due.push_back({waiting_.front().token, std::min(waiting_.front().position, read_)});
    waiting_.pop_front();
  }
}

} // namespace osync::inotify
