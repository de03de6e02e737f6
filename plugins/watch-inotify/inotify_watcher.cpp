#include "inotify_watcher.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <new>
#include <string>

#include "kernel_watches.h"

namespace osync::inotify {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// The root is kept open, so the kernel never says that it was deleted: it is asked so often.
constexpr seconds root_check_interval{1};
/// Counting the queue, the kernel holds up writers for some nanoseconds an event.
constexpr milliseconds queue_check_interval{100};
/// Listing the kernel's watches holds up watch() for some microseconds a watch.
constexpr seconds lost_search_interval{10};
constexpr seconds overflow_message_interval{10};
/// How many records are translated before watch() gets another chance at the table.
constexpr unsigned piece_records = 256;
/// The longest wait, so that adding it to a point in time cannot overflow.
constexpr milliseconds max_timeout{24 * 3600 * 1000};

} // namespace

InotifyWatcher::InotifyWatcher(Logger& logger, Settings settings)
    : logger_(logger), settings_(settings), out_of_memory_(Code::limit, "watch-inotify: out of memory"),
      stopped_(Code::closed, "the watcher was stopped"),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(read_buffer_bytes)),
      alarm_(settings.queue_warning) {}

Status InotifyWatcher::start(int root_fd, const ObjectId& root) noexcept {
  try {
    return begin(root_fd, root);
  } catch (const std::exception&) {
    return out_of_memory_;
  }
}

Status InotifyWatcher::begin(int root_fd, const ObjectId& root) {
  if (started_ || queue_.fd() >= 0) return {Code::invalid, "watch-inotify: start() was called before"};
  limits_ =
      KernelLimits::read(); // before the instance is made, which keeps the limit of that moment (inotify(7))
  if (Status status = queue_.open(); !status.ok()) return status;
  if (Status status = add(root_fd, root); !status.ok()) return status;
  translator_.emplace(table_, root);
  root_fd_ = root_fd;
  started_ = true;
  return {};
}

Status InotifyWatcher::watch(int directory_fd, const ObjectId& directory) noexcept {
  try {
    return add(directory_fd, directory);
  } catch (const std::exception&) {
    return out_of_memory_;
  }
}

Status InotifyWatcher::add(int directory_fd, const ObjectId& directory) {
  if (!directory.valid()) return {Code::invalid, "watch-inotify: a watch needs a valid identity"};
  int error = 0;
  std::size_t held = 0;
  {
    const std::lock_guard lock(table_mutex_);
    const std::int32_t wd = queue_.add_watch(directory_fd);
    if (wd >= 0) {
      const bool known = table_.directory_of(wd).has_value();
      try {
        table_.add(wd, directory);
      } catch (const std::bad_alloc&) {
        if (!known) queue_.remove_watch(wd);
        throw;
      }
      return {};
    }
    error = errno;
    held = table_.size();
  }
  return watch_failure(error, held);
}

void InotifyWatcher::unwatch(const ObjectId& directory) noexcept {
  const std::lock_guard lock(table_mutex_);
  const std::optional<std::int32_t> wd = table_.descriptor_of(directory);
  if (!wd) return;
  table_.remove(*wd); // what is still queued of it is dropped from now on
  queue_.remove_watch(*wd);
}

Status InotifyWatcher::request_barrier(std::uint64_t token) noexcept {
  try {
    return queue_.request_barrier(token);
  } catch (const std::exception&) {
    return out_of_memory_;
  }
}

void InotifyWatcher::wake() noexcept {
  closed_ = true;
  queue_.signal();
}

WatchQueueReport InotifyWatcher::queue_report() noexcept {
  WatchQueueReport report;
  report.queued_bytes = queue_.queued_bytes();
  report.capacity_events = limits_.queued_events;
  report.events = delivered_;
  report.overflows = overflows_;
  report.watch_limit = limits_.watches;
  const std::lock_guard lock(table_mutex_);
  report.watches = table_.size();
  return report;
}

Status InotifyWatcher::next_batch(milliseconds timeout, std::vector<WatchEvent>& events) noexcept {
  const std::size_t before = events.size();
  Status status;
  try {
    status = pull(timeout, events);
  } catch (const std::exception&) {
    status = out_of_memory_;
  }
  const std::size_t added = events.size() - before;
  delivered_ += added;
  // Events count more than an error, which comes again with the next call.
  if (!status.ok() && status.code() != Code::closed && added > 0) return {};
  return status;
}

Status InotifyWatcher::pull(milliseconds timeout, std::vector<WatchEvent>& events) {
  if (!started_) return {Code::invalid, "watch-inotify: next_batch() before start()"};
  const std::size_t before = events.size();
  const Clock::time_point deadline = Clock::now() + std::clamp(timeout, milliseconds(0), max_timeout);
  std::uint32_t budget = settings_.batch_events;
  batch_.begin(events);
  while (!closed_) {
    const Clock::time_point now = Clock::now();
    check_root(now);
    check_queue(now);
    deliver_lost(budget);
    if (Status status = drain(budget); !status.ok()) return status;
    report_overflows(now);
    if (events.size() > before || budget == 0) return {};
    if (search_lost_ && now >= next_lost_search_) {
      find_lost_watches();
      next_lost_search_ = now + lost_search_interval;
      continue;
    }
    if (now >= deadline) return {};
    const auto slice = std::min<Clock::duration>(deadline - now, root_check_interval);
    if (Status status = queue_.wait(std::chrono::ceil<milliseconds>(slice)); !status.ok()) return status;
  }
  return stopped_;
}

/// Takes what is queued, until nothing is or the budget is spent.
Status InotifyWatcher::drain(std::uint32_t& budget) {
  while (budget > 0) {
    if (rest_.empty()) {
      if (Status status = fill(); !status.ok()) return status;
      if (rest_.empty()) break;
    }
    translate_piece(budget);
    if (rest_.empty() && queue_emptied_) break;
  }
  deliver_barriers();
  return {};
}

Status InotifyWatcher::fill() {
  std::size_t length = 0;
  if (Status status = queue_.read({buffer_.get(), read_buffer_bytes}, length, due_); !status.ok())
    return status;
  rest_ = {buffer_.get(), length};
  queue_emptied_ = length + record_max_bytes <= read_buffer_bytes; // another record would have fitted
  queue_.take_read(due_);
  return {};
}

void InotifyWatcher::translate_piece(std::uint32_t& budget) {
  const std::lock_guard lock(table_mutex_);
  for (unsigned count = 0; count < piece_records && budget > 0 && !rest_.empty(); ++count, --budget) {
    deliver_barriers();
    RawRecord record;
    std::size_t size = rest_.size();
    if (decode_record(rest_, record, size) == Decoded::record) {
      translator_->translate(record, batch_);
      ++records_;
    } else {
      batch_.rescan({}, true);
      logger_.error(
          "watch-inotify: the kernel's event records could not be decoded; the whole source is looked at "
          "again; please report this with the kernel's version");
    }
    rest_ = rest_.subspan(size);
    position_ += size;
  }
  overflows_ = translator_->overflows();
}

void InotifyWatcher::deliver_barriers() {
  while (!due_.empty() && due_.front().position <= position_) {
    batch_.barrier(due_.front().token);
    due_.pop_front();
  }
}

void InotifyWatcher::deliver_lost(std::uint32_t& budget) {
  if (lost_.empty()) return;
  const std::lock_guard lock(table_mutex_);
  for (; !lost_.empty() && budget > 0; --budget) {
    translator_->lost(lost_.back(), batch_);
    lost_.pop_back();
  }
}

void InotifyWatcher::find_lost_watches() {
  std::vector<std::int32_t> ours;
  {
    const std::lock_guard lock(table_mutex_);
    ours = table_.descriptors(); // before the kernel is asked: what is added meanwhile is not in question
  }
  search_lost_ = false;
  const Result<std::vector<std::int32_t>> kernels = kernel_watches(queue_.fd());
  if (!kernels.ok()) {
    logger_.warning(
        "watch-inotify: after an overflow, directories that lost their watch could not be found: " +
        kernels.status().to_string());
    return;
  }
  std::erase_if(ours, [&](std::int32_t wd) { return std::ranges::binary_search(kernels.value(), wd); });
  lost_ = std::move(ours);
}

void InotifyWatcher::check_root(Clock::time_point now) {
  if (now < next_root_check_) return;
  next_root_check_ = now + root_check_interval;
  struct stat root;
  if (fstat(root_fd_, &root) == 0 && root.st_nlink == 0) translator_->root_gone(batch_);
}

void InotifyWatcher::check_queue(Clock::time_point now) {
  if (now < next_queue_check_) return;
  next_queue_check_ = now + queue_check_interval;
  if (!alarm_.update(queue_.queued_bytes(), limits_.queued_events, position_, records_)) return;
  logger_.warning(
      "watch-inotify: the kernel's event queue is about " + std::to_string(alarm_.fill_percent()) +
      " % full (fs.inotify.max_queued_events is " + std::to_string(limits_.queued_events) +
      "): changes come quicker than they are taken; when it overflows, the whole source is looked at again; "
      "raise the limit with `sysctl -w fs.inotify.max_queued_events=N` and restart osync");
}

void InotifyWatcher::report_overflows(Clock::time_point now) {
  const std::uint64_t count = translator_->overflows();
  if (count != overflows_seen_) search_lost_ = true;
  overflows_seen_ = count;
  if (count == overflows_told_ || now < next_overflow_message_) return; // what is not told now is told later
  logger_.warning("watch-inotify: " + overflow_message(count - overflows_told_, limits_.queued_events));
  next_overflow_message_ = now + overflow_message_interval;
  overflows_told_ = count;
}

} // namespace osync::inotify
