// Fences: waiting until everything that was reported before some moment is durable. flush, checkpoints, `--once`,
// drain and stop are all fences; they differ in whether the backlog counts, and in what happens then.
#include <algorithm>

#include "engine/source_engine.h"

namespace osync::engine {

void SourceEngine::add_fence(Fence::Kind kind, std::uint64_t token, Time now) {
  Fence fence;
  fence.kind = kind;
  fence.token = token;
  fence.barrier = next_barrier_++;
  fence.asked = now;
  if (kind == Fence::Kind::stop) { // "the live changes already seen": no barrier
    fence.barrier_passed = true;
    fence.epoch = epoch_++;
  } else {
    outputs_.barriers.push_back(fence.barrier);
  }
  fences_.push_back(fence);
}

void SourceEngine::flush(std::uint64_t token, Time now) { add_fence(Fence::Kind::flush, token, now); }

void SourceEngine::on_barrier(std::uint64_t barrier, Time now) {
  if (barrier == detached_barrier_) {
    detached_barrier_ = 0;
    search_detached(detached_asked_, now);
  }
  for (Fence& fence : fences_) {
    if (fence.barrier != barrier || fence.barrier_passed) continue;
    if (fence.kind != Fence::Kind::checkpoint) // directories without a watch have no events: read them again
      for (const NodeIndex node : unwatched_)
        if (tree_[node].placed) rescan(node);
    fence.barrier_passed = true;
    fence.epoch = epoch_++;
    search_detached(fence.asked, now);
    break;
  }
  advance_fences(now);
}

void SourceEngine::advance_fences(Time now) {
  for (std::size_t i = 0; i < fences_.size();) {
    Fence& fence = fences_[i];
    // A checkpoint makes doubts about older changes void: then comparisons for lost events must be over too.
    const bool with_backlog =
        fence.kind != Fence::Kind::stop && (fence.kind != Fence::Kind::checkpoint || initial_pass_done_);
    if (!fence.cleared && fence.barrier_passed && session_state_ == Session::ready &&
        counts_.clear(fence.epoch, with_backlog)) {
      fence.cleared = true;
      fence.sequence = stream_.last_sequence();
      const bool all_compared = with_backlog && initial_pass_done_ && !all_compared_said_;
      if (fence.kind != Fence::Kind::checkpoint || all_compared) request_sync(fence.sequence, all_compared);
    }
    if (!fence.cleared || stream_.durable() < fence.sequence) {
      ++i;
      continue;
    }
    const Fence reached = fence;
    fences_.erase(fences_.begin() + static_cast<std::ptrdiff_t>(i));
    fence_reached(reached, now);
  }
}

void SourceEngine::fence_reached(const Fence& fence, Time now) {
  switch (fence.kind) {
  case Fence::Kind::flush: outputs_.flushed.push_back(fence.token); return;
  case Fence::Kind::verify: return verify_settled(now);
  case Fence::Kind::checkpoint:
    checkpoint_under_way_ = false;
    outputs_.checkpoints.push_back({fence.asked, initial_pass_done_ && failures_.empty(), pass_entries_});
    return;
  case Fence::Kind::once:
  case Fence::Kind::drain:
  case Fence::Kind::stop: break;
  }
  outputs_.checkpoints.push_back({fence.asked, initial_pass_done_ && failures_.empty(), pass_entries_});
  Farewell farewell;
  farewell.session = session_;
  farewell.end = fence.kind != Fence::Kind::stop;
  farewell.reason = fence.kind == Fence::Kind::once    ? "everything is durable (--once)"
                    : fence.kind == Fence::Kind::drain ? "drained"
                                                       : "the source was stopped";
  outputs_.messages.emplace_back(std::move(farewell));
  farewell_sent_ = true;
  static_cast<void>(now);
}

/// Something sent before these fences was found to be in the stream in vain, and is marked again with the oldest epoch:
/// they wait for that too.
void SourceEngine::reopen_fences(std::uint64_t sequence) {
  for (Fence& fence : fences_)
    if (fence.cleared && fence.sequence >= sequence) fence.cleared = false;
}

void SourceEngine::stop(bool drain, Time now) {
  if (stopping_ && (draining_ == drain || !drain)) {
    if (draining_ && !drain) draining_ = false; // stop overrules drain
    else return;
  }
  stopping_ = true;
  draining_ = drain;
  paused_all_ = false; // else it would never end
  if (drain) paused_backlog_ = false;
  if (session_state_ != Session::ready && !drain) return finish(Exit::done, Status());
  add_fence(drain ? Fence::Kind::drain : Fence::Kind::stop, 0, now);
}

void SourceEngine::pause(bool backlog_only, Time) {
  paused_backlog_ = true;
  if (!backlog_only) paused_all_ = true;
}

void SourceEngine::resume(bool accept_deletions, Time now) {
  paused_all_ = paused_backlog_ = false;
  if (!accept_deletions) return;
  deletions_accepted_ = true;
  for (const NodeRef node : held_nodes_)
    if (alive(node)) need_scan(node.index, epoch_);
  held_nodes_.clear();
  figures_.held_deletions = 0;
  hold_said_ = false;
  static_cast<void>(now);
}

void SourceEngine::finish(Exit exit, Status status) {
  if (exit_ != Exit::running) return;
  exit_ = exit;
  exit_status_ = std::move(status);
  if (!exit_status_.ok()) {
    say(LogLevel::error, exit_status_.to_string());
    if (session_state_ != Session::none && !farewell_sent_) {
      outputs_.messages.emplace_back(Farewell{session_, settings_.end_with_sink, std::string(exit_status_.message())});
      farewell_sent_ = true;
    }
  }
}

void SourceEngine::record_failure(std::string path, const Status& status) {
  constexpr std::size_t listed_bound = 10'000;
  const auto found = failures_.find(path);
  if (found == failures_.end() && failures_.size() >= listed_bound) {
    ++failures_unlisted_;
    return;
  }
  Failure& failure = found == failures_.end() ? failures_[path] : found->second;
  if (failure.attempts == 0)
    say(LogLevel::warning, "failed, and tried again later: " + path + ": " + std::string(status.message()));
  failure.code = status.code();
  failure.message = std::string(status.message());
  ++failure.attempts;
}

void SourceEngine::fire_timers(Time now) {
  while (!timers_.empty() && timers_.top().due <= now) {
    const Timer timer = timers_.top();
    timers_.pop();
    if (!alive(timer.node)) continue;
    const NodeIndex node = timer.node.index;
    if (!timer.name.empty()) {
      enqueue(node, timer.name, now);
      continue;
    }
    Node& self = tree_[node];
    if (!self.failed) continue;
    self.failed = false;
    if (self.scan_needed && !self.scan_counted) {
      self.scan_counted = true; // with its old epoch, as in take_due()
      counts_.add(self.scan_epoch, self.scan_live);
    }
    if (self.scan_needed) push_scan(node);
  }
}

} // namespace osync::engine
