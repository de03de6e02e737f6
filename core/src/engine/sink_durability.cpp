// SinkEngine: what is durable, and what the source is told: acknowledgements and transfer reports.
#include "engine/sink_engine.h"

#include <algorithm>
#include <utility>

namespace osync::engine {

// ---- sync
// -------------------------------------------------------------------------------------------------------

void SinkEngine::on_sync_request(const SyncRequest& message) {
  if (message.session != session_ || phase_ != Phase::streaming) return ignore("SyncRequest");
  if (message.all_compared && compare_.suspect_since) all_compared_at_ = message.sequence;
  const std::uint64_t wanted = std::max(message.sequence, progress_.applied());
  if (progress_.durable() >= wanted)
    acknowledge_now_ = true;
  else
    sync_wanted_ = std::max(sync_wanted_, wanted);
}

// Time::min() stands for at once. Nothing may be in progress while the sink is claimed.
std::optional<Time> SinkEngine::sync_due() const {
  const bool clears = all_compared_at_ && progress_.applied() >= *all_compared_at_;
  if (sync_ || (!unsynced() && !clears) || phase_ == Phase::claiming || claim_outstanding_) return std::nullopt;
  if (phase_ == Phase::ending) return order_.idle() ? std::optional<Time>(Time::min()) : std::nullopt;
  if (clears || (sync_wanted_ != 0 && progress_.applied() >= sync_wanted_)) return Time::min();
  // Much that is not written back makes file systems stop everybody who writes until all of it is (ext4 does when the
  // free blocks are fewer than twice those promised), and the last sync long. Written early, it goes on beside.
  if (unsynced_bytes_ >= settings_.sync_bytes) return Time::min();
  return unsynced_since_.value_or(Time::min()) + (unsynced_since_ ? durability_interval_ : Time(0));
}

void SinkEngine::sync_if_due(Time now) {
  const std::optional<Time> due = sync_due();
  if (due && *due <= now) begin_sync();
}

// The job begins after this, so it covers all that is applied now.
void SinkEngine::begin_sync() {
  const bool clears = all_compared_at_ && progress_.applied() >= *all_compared_at_;
  sync_ = OpenSync{++last_job_, generation_, progress_.applied(), completed_, clears};
  unsynced_since_.reset();
  unsynced_bytes_ = 0;
  ready_jobs_.emplace_back(SyncJob{sync_->id, clears});
}

void SinkEngine::on_synced(const SyncDone& done, Time now) {
  if (!sync_ || sync_->id != done.id) {
    say(LogLevel::error,
        "a result came for sync " + std::to_string(done.id) + ", which is not in progress: ignored");
    return;
  }
  const OpenSync sync = *sync_;
  sync_.reset();
  if (!done.status.ok()) return sync_failed(done.status, now);
  ++counters_.syncs;
  synced_ = sync.completed;
  failed_sessions_ = 0;
  if (sync.generation != generation_) return;
  progress_.make_durable(sync.applied);
  if (sync.clears_suspicion) {
    compare_.suspect_since.reset();
    all_compared_at_.reset();
  }
  if (progress_.durable() >= sync_wanted_) sync_wanted_ = 0;
  acknowledge_now_ = report_changed_ = true;
}

// What was not durable may be lost although its attributes look right (RULES.md 3): the source sends it
// again, and what it does not remember is found by its content.
void SinkEngine::sync_failed(const Status& status, Time now) {
  ++counters_.syncs_failed;
  compare_contents_ = true;
  unsynced_since_ = now;
  if (phase_ == Phase::ending) synced_ = completed_; // it ends, and says that it was in vain
  Status failure(Code::io, "the replica could not be made durable: " + std::string(status.message()),
                 std::string(status.path()), status.sys_errno());
  if (phase_ == Phase::streaming || phase_ == Phase::ending)
    fail_session(std::move(failure), now);
  else
    say(LogLevel::error, std::string(failure.message()));
}

// ---- acknowledgements
// -------------------------------------------------------------------------------------------

bool SinkEngine::acknowledge_wanted() const {
  if (!ready_sent_ || !registered_) return false;
  return acknowledge_now_ || !failures_.empty() || progress_.applied() != acknowledged_applied_ ||
         progress_.durable() != acknowledged_durable_;
}

// At once where the source may be waiting for it: nothing else is under way, or half of the window is free
// again. Else there is more to say shortly.
void SinkEngine::acknowledge_if_due(Time now) {
  if (!acknowledge_wanted()) return;
  const bool half_free = progress_.freed() - acknowledged_freed_ >= settings_.window / 2;
  if (acknowledge_now_ || order_.idle() || half_free || failures_.size() >= failures_in_message ||
      now - last_acknowledge_ >= settings_.acknowledge_interval)
    acknowledge(now);
}

// Failures come before or with the number that covers them: else their items would be taken for applied.
void SinkEngine::acknowledge(Time now) {
  while (true) {
    Acknowledge message;
    message.session = session_;
    message.received = progress_.received();
    const std::size_t count = std::min(failures_.size(), failures_in_message);
    message.failures.assign(std::make_move_iterator(failures_.begin()),
                            std::make_move_iterator(failures_.begin() + static_cast<std::ptrdiff_t>(count)));
    failures_.erase(failures_.begin(), failures_.begin() + static_cast<std::ptrdiff_t>(count));
    const bool last = failures_.empty();
    message.applied = last ? progress_.applied() : acknowledged_applied_;
    message.durable = last ? progress_.durable() : acknowledged_durable_;
    messages_.emplace_back(std::move(message));
    ++counters_.acknowledgements;
    if (last) break;
  }
  acknowledged_applied_ = progress_.applied();
  acknowledged_durable_ = progress_.durable();
  acknowledged_freed_ = progress_.freed();
  acknowledge_now_ = false;
  last_acknowledge_ = now;
}

// ---- transfer reports
// -------------------------------------------------------------------------------------------

void SinkEngine::report_if_due(Time now) {
  if (ready_sent_ && registered_ && report_changed_ && now - last_report_ >= settings_.report_interval)
    report(now, false);
}

void SinkEngine::report(Time now, bool final) {
  TransferReport message = session_figures_;
  message.session = session_;
  message.applied = progress_.applied();
  message.durable = progress_.durable();
  message.final = final;
  messages_.emplace_back(message);
  report_changed_ = false;
  last_report_ = now;
}

} // namespace osync::engine
