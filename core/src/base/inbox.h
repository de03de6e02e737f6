// The one way into an engine's thread: other threads post, the engine's thread takes everything at once.
//
// Not bounded by itself: what can be in it is bounded by whoever posts (jobs in progress, credit, the watcher's batch
// size), which is said where the inbox is made.
// Thread-safety: post() and wake() from any thread; wait_and_take() from one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

namespace osync {

template <class T>
class Inbox {
 public:
  void post(T item) {
    bool notify = false;
    {
      const std::lock_guard lock(mutex_);
      items_.push_back(std::move(item));
      notify = std::exchange(waiting_, false); // the others that post until it has woken need not
    }
    if (notify) ready_.notify_one();
  }

  /// Ends a wait early, now or the next one.
  void wake() {
    {
      const std::lock_guard lock(mutex_);
      woken_ = true;
    }
    ready_.notify_one();
  }

  /// Waits until something is there, `until` has passed, or wake(); then moves everything to the end of `items`.
  void wait_and_take(std::chrono::steady_clock::time_point until, std::vector<T>& items) {
    std::unique_lock lock(mutex_);
    while (items_.empty() && !woken_) {
      waiting_ = true;
      if (ready_.wait_until(lock, until) == std::cv_status::timeout) break;
    }
    waiting_ = false;
    woken_ = false;
    if (items.empty()) {
      items.swap(items_);
    } else {
      for (T& item : items_) items.push_back(std::move(item));
      items_.clear();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<T> items_;
  bool waiting_ = false;
  bool woken_ = false;
};

} // namespace osync
