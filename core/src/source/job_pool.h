// The worker threads that run the source's jobs: live work before backlog, and always one worker that backlog
// does not occupy.
//
// Thread-safety: submit() and full() from one thread, the engine's driver; results are delivered in the
// workers' threads. stop() from the thread that made the pool. Bounds: `capacity` queued jobs of either
// priority.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/source_jobs.h"

namespace osync::source {

enum class JobPriority : std::uint8_t { live, backlog };

class JobPool {
 public:
  /// Does one job; called from several workers at once. Must not throw (SourceReader::run).
  using Run = std::function<std::optional<engine::SourceJobResult>(const engine::SourceJob&)>;
  /// Takes one result; called from several workers at once. Must not throw and not wait for the pool.
  using Deliver = std::function<void(engine::SourceJobResult)>;

  /// Starts `workers` threads (at least 1). With n workers at most n - 1 run backlog at once; a single one
  /// takes live jobs first. Throws std::system_error where threads cannot be started.
  JobPool(Run run, Deliver deliver, unsigned workers, std::size_t capacity);
  /// As stop().
  ~JobPool();
  JobPool(const JobPool&) = delete;
  JobPool& operator=(const JobPool&) = delete;

  /// Queues a job; jobs of one priority are begun in the order of submission. False: the queue of that
  /// priority is full, or the pool was stopped, and `job` is untouched.
  [[nodiscard]] bool submit(engine::SourceJob&& job, JobPriority priority);

  /// Whether submit() would be refused now. Room never goes away but by submitting.
  [[nodiscard]] bool full(JobPriority priority) const;

  /// Ends: running jobs are finished and delivered, queued ones dropped without a result; returns when all
  /// threads have ended. Nothing is delivered afterwards. May be called again.
  void stop();

 private:
  void work(unsigned worker);
  /// Ends the job before, of `priority`, and waits for another one that this worker may begin. None: the pool stops.
  std::optional<engine::SourceJob> next(JobPriority& priority);
  [[nodiscard]] bool may_begin() const; ///< with mutex_ held
  std::deque<engine::SourceJob>& queue(JobPriority priority) {
    return queues_[static_cast<std::size_t>(priority)];
  }

  const Run run_;
  const Deliver deliver_;
  const std::size_t capacity_;
  const unsigned backlog_bound_; ///< workers that may run backlog at once
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::array<std::deque<engine::SourceJob>, 2> queues_;
  unsigned backlog_running_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

} // namespace osync::source
