// The watcher on inotify(7): one instance, one watch for every directory.
//
// Threads: next_batch() from the puller's thread; the rest as osync/watcher.h says. A watch is added and
// entered in the table under one lock, and records are looked up under the same lock, so that no record can
// be read of a watch that is not in the table yet. Lock order: the table's lock and the queue's are never
// held together. Bounds: `batch_events` records a batch, read_buffer_bytes, BarrierQueue::max_waiting, the
// kernel's limit on watches.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "event_batch.h"
#include "inotify_translate.h"
#include "kernel_limits.h"
#include "kernel_queue.h"
#include "osync/logger.h"
#include "osync/watcher.h"
#include "queue_alarm.h"
#include "watch_table.h"

namespace osync::inotify {

class InotifyWatcher final : public Watcher {
 public:
  struct Settings {
    std::uint32_t batch_events = 16384; ///< records of the kernel taken in one next_batch()
    unsigned queue_warning = 75;        ///< percent of the kernel's queue
  };
  static constexpr std::size_t read_buffer_bytes = 64u << 10;

  /// Throws std::bad_alloc. `logger` outlives the object.
  InotifyWatcher(Logger& logger, Settings settings);

  [[nodiscard]] bool needs_directory_watches() const noexcept override { return true; }
  Status start(int root_fd, const ObjectId& root) noexcept override;
  Status watch(int directory_fd, const ObjectId& directory) noexcept override;
  void unwatch(const ObjectId& directory) noexcept override;
  Status next_batch(std::chrono::milliseconds timeout, std::vector<WatchEvent>& events) noexcept override;
  Status request_barrier(std::uint64_t token) noexcept override;
  void wake() noexcept override;
  [[nodiscard]] WatchQueueReport queue_report() noexcept override;

 private:
  using Clock = std::chrono::steady_clock;

  Status begin(int root_fd, const ObjectId& root);
  Status add(int directory_fd, const ObjectId& directory);

  // All below: the puller's thread. An exception leaves everything that was not delivered to be taken again.
  Status pull(std::chrono::milliseconds timeout, std::vector<WatchEvent>& events);
  Status drain(std::uint32_t& budget);
  Status fill();
  void translate_piece(std::uint32_t& budget);
  void deliver_barriers();
  void deliver_lost(std::uint32_t& budget);
  void find_lost_watches();
  void check_root(Clock::time_point now);
  void check_queue(Clock::time_point now);
  void report_overflows(Clock::time_point now);

  Logger& logger_;
  const Settings settings_;
  const Status out_of_memory_; ///< made before it is needed
  const Status stopped_;
  KernelLimits limits_;
  KernelQueue queue_;
  int root_fd_ = -1;
  bool started_ = false;

  std::mutex table_mutex_; ///< guards table_, and changes of the kernel's set of watches
  WatchTable table_;

  std::unique_ptr<std::byte[]> buffer_;
  std::span<const std::byte> rest_;       ///< of buffer_: read, not yet translated
  bool queue_emptied_ = true;             ///< the last read took all there was
  std::uint64_t position_ = 0;            ///< bytes translated since the start
  std::uint64_t records_ = 0;             ///< the same in records
  std::deque<BarrierQueue::Barrier> due_; ///< ordered by position
  std::vector<std::int32_t> lost_;        ///< watches that the kernel no longer has, to be reported
  bool search_lost_ = false;              ///< an overflow may have swallowed the end of watches
  EventBatch batch_;
  std::optional<Translator> translator_;
  QueueAlarm alarm_;
  std::uint64_t overflows_seen_ = 0;
  std::uint64_t overflows_told_ = 0;
  Clock::time_point next_root_check_{};
  Clock::time_point next_queue_check_{};
  Clock::time_point next_lost_search_{};
  Clock::time_point next_overflow_message_{};

  std::atomic<bool> closed_ = false;
  std::atomic<std::uint64_t> delivered_ = 0;
  std::atomic<std::uint64_t> overflows_ = 0;
};

} // namespace osync::inotify
