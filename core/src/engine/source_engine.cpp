#include "engine/source_engine.h"

#include <algorithm>

namespace osync::engine {

SourceEngine::SourceEngine(SourceSettings settings, const ObjectId& root, Policy& policy, const Rules& rules)
    : settings_(std::move(settings)), policy_(policy), rules_(rules), tree_(root),
      hot_files_(settings_.settle, settings_.longest_damping) {
  pass_since_ = settings_.since;
  tree_[root_node].generation = 0;
  if (settings_.directory_watches) sweep_stack_.push_back(ref(root_node)); // while the sink is still on its way
}

void SourceEngine::job_done(SourceJobResult result, Time now) {
  const JobId id = std::visit([](const auto& done) { return done.id; }, result);
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  const OpenJob job = std::move(found->second);
  jobs_.erase(found);
  if (auto* sweep = std::get_if<SweepResult>(&result)) return on_sweep(job, std::move(*sweep), now);
  if (auto* list = std::get_if<ListResult>(&result)) return on_list_piece(id, job, std::move(*list), now);
  if (auto* links = std::get_if<LinksFound>(&result)) return on_links_found(job, std::move(*links), now);
  if (auto* opened = std::get_if<FileOpened>(&result)) return on_opened(job, std::move(*opened), now);
  if (auto* chunk = std::get_if<FileChunk>(&result)) return on_chunk(job, std::move(*chunk), now);
  if (auto* closed = std::get_if<FileClosed>(&result)) return on_closed(job, std::move(*closed), now);
  auto& read = std::get<ReadResult>(result);
  if (job.kind == OpenJob::Kind::scan) on_scan_piece(id, job, std::move(read), now);
  else on_look(id, job, std::move(read), now);
}

void SourceEngine::advance(Time now) {
  if (exit_ != Exit::running) return;
  if (now >= backlog_held_until_) backlog_held_until_ = Time(0);
  fire_timers(now);
  poll_unwatched(now);
  hand_out_looks(now);
  emit(now);
  hand_out_looks(now); // what was sent may have placed directories
  hand_out_scans(true, now);
  hand_out_scans(false, now);
  verify_periodically(now);
  hand_out_verify(now);
  hand_out_transfers(now);
  hand_out_sweeps();
  hand_out_link_search();
  collect_detached(now);
  ask_for_detached(now);
  emit(now);
  if (session_state_ != Session::ready) return;
  if (!initial_pass_done_ && counts_.backlog() == 0 && tree_[root_node].synced) {
    initial_pass_done_ = true;
    settings_.replica_entries = pass_entries_;
    say(LogLevel::info, "the backlog is done: " + std::to_string(pass_entries_) + " entries compared or sent");
  }
  if (deletions_accepted_ && counts_.backlog() == 0) deletions_accepted_ = false;
  if (settings_.once && initial_pass_done_ && counts_.backlog() == 0 && !once_fence_set_ && !stopping_) {
    once_fence_set_ = true;
    add_fence(Fence::Kind::once, 0, now);
  }
  if (!checkpoint_under_way_ && !stopping_ && now - last_checkpoint_ >= settings_.checkpoint_interval) {
    checkpoint_under_way_ = true;
    last_checkpoint_ = now;
    add_fence(Fence::Kind::checkpoint, 0, now);
  }
  advance_fences(now);
}

SourceOutputs SourceEngine::take_outputs() { return std::exchange(outputs_, SourceOutputs{}); }

Time SourceEngine::next_wakeup() const {
  Time next = Time::max();
  // A time that has passed without anything coming of it would make the driver spin.
  if (session_state_ == Session::ready && !checkpoint_under_way_ && !stopping_)
    next = last_checkpoint_ + settings_.checkpoint_interval;
  if (!timers_.empty()) next = std::min(next, timers_.top().due);
  if (!unwatched_.empty()) next = std::min(next, last_poll_ + settings_.poll_interval);
  if (settings_.bandwidth > 0 && bandwidth_tokens_ < 0 && (!live_lane_.items.empty() || !live_bulk_lane_.items.empty() || !backlog_lane_.items.empty()))
    next = std::min(next, bandwidth_time_ + std::chrono::duration_cast<Time>(std::chrono::duration<double>(
                              -bandwidth_tokens_ / static_cast<double>(settings_.bandwidth))) + Time(1));
  if (backlog_held_until_ != Time(0)) next = std::min(next, backlog_held_until_);
  if (settings_.verify_every != Time(0) && last_pass_ != Time(0) && session_state_ == Session::ready && !periodic_pass_ &&
      initial_pass_done_ && counts_.backlog() == 0 && !paused_backlog_ && !stopping_)
    next = std::min(next, last_pass_ + settings_.verify_every);
  if (detached_search_ends_ != Time(0)) next = std::min(next, detached_search_ends_);
  return next;
}

SourceStatus SourceEngine::status(Time now) const {
  SourceStatus status = figures_;
  using Phase = SourceStatus::Phase;
  status.phase = exit_ != Exit::running          ? Phase::ended
                 : stopping_                      ? Phase::stopping
                 : paused_all_ || paused_backlog_ ? Phase::paused
                 : session_state_ == Session::ready ? Phase::transferring
                                                    : Phase::waiting;
  status.connected = session_state_ == Session::ready;
  status.initial_pass_done = initial_pass_done_;
  status.directories_known = tree_.size();
  status.directories_polled = unwatched_.size();
  status.live_pending = counts_.live();
  status.backlog_pending = counts_.backlog();
  status.in_flight_bytes = stream_.in_flight();
  status.window = stream_.window();
  status.delivery_rate = stream_.delivery_rate();
  status.sequence = stream_.last_sequence();
  status.applied = stream_.applied();
  status.durable = stream_.durable();
  status.failures = failures_.size() + failures_unlisted_;
  Time oldest = now;
  for (const auto& [sequence, since] : live_in_flight_) oldest = std::min(oldest, since);
  for (const Lane* lane : {&live_lane_, &live_bulk_lane_})
    for (const Item& item : lane->items) oldest = std::min(oldest, item.since);
  for (const Due& due : due_live_)
    if (alive(due.node) && tree_[due.node.index].entries)
      if (const auto found = tree_[due.node.index].entries->find(due.name); found != tree_[due.node.index].entries->end())
        oldest = std::min(oldest, found->second.since);
  status.lag = now - oldest;
  return status;
}

std::vector<FailureReport> SourceEngine::failures() const {
  std::vector<FailureReport> list;
  list.reserve(failures_.size());
  for (const auto& [path, failure] : failures_) list.push_back({path, failure.code, failure.message, failure.attempts});
  return list;
}

std::string SourceEngine::waiting_for() const {
  if (session_state_ != Session::ready) return "the sink is away";
  if (paused_all_) return "paused";
  if (paused_backlog_ && counts_.backlog() > 0) return "the backlog is paused";
  if (backlog_held_until_ != Time(0) && counts_.backlog() > 0 && !due_backlog_.empty()) return "the replica is full";
  std::string text;
  if (counts_.live() > 0) text = std::to_string(counts_.live()) + " live changes to send";
  if (counts_.backlog() > 0)
    text += (text.empty() ? "" : ", ") + std::to_string(counts_.backlog()) + " directories or entries of backlog";
  if (text.empty() && stream_.durable() < stream_.last_sequence()) text = "what was sent to become durable";
  return text;
}

std::string SourceEngine::dump() const {
  std::string text;
  tree_.for_all([&](NodeIndex index) {
    const Node& node = tree_[index];
    text += "\n" + std::to_string(index) + " id " + std::to_string(node.id.low) + " " +
            (tree_.attached(index) ? "/" + tree_.path(index) : "detached " + node.name);
    const auto flag = [&](bool set, const char* name) { text += set ? std::string(" ") + name : std::string(); };
    flag(node.placed, "placed");
    flag(node.synced, "synced");
    flag(node.scan_needed, "scan-needed");
    flag(node.scan_counted, "counted");
    flag(node.scan_queued, "scan-queued");
    flag(node.scan_open, "scan-open");
    flag(node.self_dirty, "self-dirty");
    flag(node.self_queued, "self-queued");
    flag(node.self_open, "self-open");
    flag(node.lost, "lost");
    flag(node.failed, "failed");
    if (!node.entries) return;
    for (const auto& [name, entry] : *node.entries) {
      text += "\n    " + name;
      flag(entry.dirty, "dirty");
      flag(entry.open, "open");
      flag(entry.queued, "queued");
      flag(entry.live, "live");
      flag(entry.failed, "failed");
      flag(entry.want_content, "want-content");
      text += " due " + std::to_string(entry.due.count());
    }
  });
  return text + "\njobs " + std::to_string(jobs_.size()) + " live due " + std::to_string(due_live_.size()) +
         " backlog due " + std::to_string(due_backlog_.size()) + " ready " + std::to_string(live_lane_.items.size()) + "+" +
         std::to_string(live_bulk_lane_.items.size()) + "+" + std::to_string(backlog_lane_.items.size()) + " transfers " + std::to_string(transfers_.size()) + " pieces " +
         std::to_string(pieces_.size()) + " open " + std::to_string(live_jobs_open_) + "/" +
         std::to_string(backlog_looks_open_) + "/" + std::to_string(scans_open_) + "/" + std::to_string(sweeps_open_);
}

void SourceEngine::say(LogLevel level, std::string text) { outputs_.log.push_back({level, std::move(text)}); }

} // namespace osync::engine
