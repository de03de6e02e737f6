#include "source/job_pool.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <utility>

namespace osync::source {

JobPool::JobPool(Run run, Deliver deliver, unsigned workers, std::size_t capacity)
    : run_(std::move(run)), deliver_(std::move(deliver)), capacity_(std::max<std::size_t>(capacity, 1)),
      backlog_bound_(std::max(workers, 2u) - 1) {
  const unsigned count = std::max(workers, 1u);
  workers_.reserve(count);
  try {
    for (unsigned worker = 0; worker < count; ++worker)
      workers_.emplace_back([this, worker] { work(worker); });
  } catch (...) {
    stop(); // a joinable std::thread must not be destroyed
    throw;
  }
}

JobPool::~JobPool() { stop(); }

bool JobPool::submit(engine::SourceJob&& job, JobPriority priority) {
  bool begin = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue(priority).size() >= capacity_) return false;
    queue(priority).push_back(std::move(job));
    begin = may_begin(); // else the worker that makes it possible takes it: waking another one would be in vain
  }
  if (begin) changed_.notify_one();
  return true;
}

bool JobPool::full(JobPriority priority) const {
  const std::lock_guard lock(mutex_);
  return stopping_ || queues_[static_cast<std::size_t>(priority)].size() >= capacity_;
}

void JobPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (auto& one : queues_) one.clear();
  }
  changed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void JobPool::work(unsigned worker) {
  // At most 15 bytes (pthread_setname_np(3)); a name that cannot be set only makes debugging harder.
  static_cast<void>(
      pthread_setname_np(pthread_self(), ("osync-read-" + std::to_string(worker % 1000)).c_str()));
  JobPriority priority = JobPriority::live; // of the job that was done last; live jobs are not counted
  while (auto job = next(priority)) {
    auto result = run_(*job);
    if (result) deliver_(std::move(*result));
  }
}

bool JobPool::may_begin() const {
  const auto& [live, backlog] = queues_;
  return !live.empty() || (!backlog.empty() && backlog_running_ < backlog_bound_);
}

std::optional<engine::SourceJob> JobPool::next(JobPriority& priority) {
  std::unique_lock lock(mutex_);
  if (priority == JobPriority::backlog) --backlog_running_; // nobody is woken for it: this worker is there
  changed_.wait(lock, [this] { return stopping_ || may_begin(); });
  if (stopping_) return std::nullopt;
  priority = queue(JobPriority::live).empty() ? JobPriority::backlog : JobPriority::live;
  if (priority == JobPriority::backlog) ++backlog_running_;
  std::optional<engine::SourceJob> job(std::move(queue(priority).front()));
  queue(priority).pop_front();
  // One more worker for what else may begin: a backlog job can become possible without a new submission.
  const bool more = may_begin();
  lock.unlock();
  if (more) changed_.notify_one();
  return job;
}

} // namespace osync::source
