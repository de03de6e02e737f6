#include "engine/sink_engine.h"

#include <algorithm>
#include <utility>

namespace osync::engine {
namespace {

constexpr Time shortest_durability_interval = std::chrono::milliseconds(10);
constexpr Time longest_durability_interval = std::chrono::hours(1);

/// Refusals that pass by themselves.
bool is_temporary(Code code) noexcept {
  return code == Code::would_block || code == Code::timeout || code == Code::closed || code == Code::limit;
}

} // namespace

SinkEngine::SinkEngine(SinkSettings settings, ReplicaState state, SinkCapabilities capabilities)
    : settings_(std::move(settings)), state_(std::move(state)),
      capabilities_(std::move(capabilities)), compare_{capabilities_, state_.suspect_since},
      order_(settings_.order, settings_.without_order_rules), listings_(settings_.listings),
      links_(settings_.link_bound) {}

// ---- inputs
// -----------------------------------------------------------------------------------------------------

void SinkEngine::connected(Time now) {
  if (phase_ == Phase::ending || (phase_ == Phase::over && end_.end_process)) return;
  if (phase_ != Phase::offline) disconnected(now);
  phase_ = Phase::registering;
  if (!claim_outstanding_) send_register(); // else the identity to register with is not certain yet
  pump(now);
}

void SinkEngine::disconnected(Time now) {
  messages_.clear();
  registered_ = false;
  if (phase_ == Phase::ending) {
    drop_waiting(); // nobody is told any more; what is being applied is still made durable
  } else if (phase_ != Phase::over || !end_.end_process) {
    drop_session();
    phase_ = Phase::offline;
  }
  pump(now);
}

void SinkEngine::received(SourceMessage message, Time now) {
  if (auto* frame = std::get_if<Frame>(&message))
    on_frame(std::move(*frame), now);
  else if (const auto* request = std::get_if<SyncRequest>(&message))
    on_sync_request(*request);
  else if (const auto* farewell = std::get_if<Farewell>(&message))
    on_farewell(*farewell);
  else if (const auto* welcome = std::get_if<Welcome>(&message))
    on_welcome(*welcome, now);
  else if (const auto* refuse = std::get_if<Refuse>(&message))
    on_refuse(*refuse, now);
  pump(now);
}

void SinkEngine::job_done(SinkJobResult result, Time now) {
  if (auto* applied = std::get_if<ApplyDone>(&result))
    on_applied(std::move(*applied), now);
  else if (auto* inspected = std::get_if<InspectDone>(&result))
    on_inspected(std::move(*inspected), now);
  else if (const auto* synced = std::get_if<SyncDone>(&result))
    on_synced(*synced, now);
  pump(now);
}

void SinkEngine::claimed(const Status& status, Time now) {
  claim_outstanding_ = false;
  if (status.ok()) {
    state_.content = ReplicaState::Content::own_identity;
    state_.identity = admission_.identity;
    state_.adopted = admission_.adopted;
    compare_contents_ |= admission_.compare_contents;
  } else {
    say(LogLevel::error, "cannot claim the replica: " + status.to_string());
  }
  if (phase_ == Phase::registering) {
    send_register();
  } else if (phase_ == Phase::claiming) {
    if (status.ok())
      send_ready(now);
    else
      end_session({SinkEnd::Reason::failed, status, true}, status, now);
  }
  pump(now);
}

void SinkEngine::tick(Time now) { pump(now); }

void SinkEngine::stop(Time now, bool immediate) {
  if (phase_ == Phase::over) {
    end_.end_process = true;
    if (unsynced()) phase_ = Phase::ending;
  } else if (phase_ == Phase::ending) {
    end_.end_process = true;
  } else {
    begin_ending({SinkEnd::Reason::stopped, {}, true});
  }
  if (immediate && phase_ == Phase::ending) drop_waiting();
  pump(now);
}

// ---- the session
// ------------------------------------------------------------------------------------------------

void SinkEngine::send_register() {
  Register message;
  message.build = settings_.build;
  message.pipeline = settings_.pipeline;
  message.replica_name = settings_.replica_name;
  if (state_.content == ReplicaState::Content::own_identity) message.identity = state_.identity;
  message.take_over = settings_.take_over;
  messages_.emplace_back(std::move(message));
  registered_ = true;
}

void SinkEngine::on_welcome(const Welcome& message, Time now) {
  if (phase_ == Phase::ending || phase_ == Phase::over || phase_ == Phase::offline) return ignore("Welcome");
  if (phase_ != Phase::registering || !registered_)
    return fail_session({Code::corrupt, "the source sent Welcome in a session that has begun"}, now);
  if (message.version != protocol_version) {
    const Status status(Code::unsupported,
                        "the source speaks protocol version " + std::to_string(message.version) + " (osync " +
                            message.build + "), this side version " + std::to_string(protocol_version) +
                            " (osync " + settings_.build + "): install the same version on both");
    say(LogLevel::error, std::string(status.message()));
    return end_session({SinkEnd::Reason::refused, status, true}, status, now);
  }
  if (message.session == 0 || message.source == Uuid{})
    return fail_session({Code::corrupt, "the source's Welcome names no session or no source"}, now);
  session_ = message.session;
  durability_interval_ = std::clamp(Time(std::chrono::milliseconds(message.durability_interval_ms)),
                                    shortest_durability_interval, longest_durability_interval);
  admission_ =
      decide_admission({state_, message.source, settings_.new_replica, settings_.adopt, settings_.take_over});
  if (!admission_.refusal.ok()) {
    say(LogLevel::error, "refused: " + std::string(admission_.refusal.message()));
    return end_session({SinkEnd::Reason::refused, admission_.refusal, true}, admission_.refusal, now);
  }
  phase_ = Phase::settling;
}

void SinkEngine::on_refuse(const Refuse& message, Time now) {
  if (phase_ == Phase::ending || phase_ == Phase::over || phase_ == Phase::offline) return ignore("Refuse");
  const Code code = message.code == Code::ok ? Code::conflict : message.code;
  const Status status(code, "the source refused this replica: " + message.reason);
  say(is_temporary(code) ? LogLevel::warning : LogLevel::error, std::string(status.message()));
  registered_ = false; // there is no session to unregister from
  end_session({SinkEnd::Reason::refused, status, !is_temporary(code)}, status, now);
}

void SinkEngine::on_farewell(const Farewell& message) {
  const bool in_session =
      phase_ == Phase::settling || phase_ == Phase::claiming || phase_ == Phase::streaming;
  if (!in_session || message.session != session_) return ignore("Farewell");
  say(LogLevel::info, "the source ends the session: " + message.reason);
  begin_ending({SinkEnd::Reason::farewell, {}, message.end});
}

// Nothing may be in progress while the sink is claimed, and READY waits for all that older sessions left
// behind.
void SinkEngine::begin_claim() {
  if (phase_ != Phase::settling || !jobs_idle() || !stages_.empty()) return;
  phase_ = Phase::claiming;
  claim_wanted_ = true;
}

void SinkEngine::cancel_claim() { claim_wanted_ = false; }

std::optional<ClaimRequest> SinkEngine::claim_request() {
  if (!claim_wanted_) return std::nullopt;
  claim_wanted_ = false;
  claim_outstanding_ = true;
  return ClaimRequest{admission_.identity, admission_.adopted};
}

void SinkEngine::send_ready(Time now) {
  Ready message;
  message.session = session_;
  message.identity = state_.identity;
  message.window = settings_.window;
  message.empty = admission_.empty;
  message.adopted = state_.adopted;
  message.compare_contents = compare_contents_;
  message.capabilities = capabilities_;
  messages_.emplace_back(std::move(message));
  phase_ = Phase::streaming;
  ready_sent_ = true;
  ++counters_.sessions;
  last_acknowledge_ = last_report_ = now;
}

// What was handed out goes on, but its results belong to an older generation.
void SinkEngine::drop_session() {
  ++generation_;
  cancel_claim();
  order_.drop_waiting();
  listings_.clear();
  links_.clear();
  progress_.reset();
  failures_.clear();
  session_figures_ = TransferReport();
  session_ = 0;
  ready_sent_ = acknowledge_now_ = report_changed_ = dropped_ = false;
  all_compared_at_.reset();
  sync_wanted_ = acknowledged_applied_ = acknowledged_durable_ = acknowledged_freed_ = 0;
}

void SinkEngine::begin_ending(SinkEnd end) {
  cancel_claim();
  phase_ = Phase::ending;
  end_ = std::move(end);
}

void SinkEngine::drop_waiting() {
  if (order_.waiting() == 0) return;
  order_.drop_waiting();
  dropped_ = true;
}

void SinkEngine::finish_ending(Time now) {
  if (phase_ != Phase::ending || !order_.idle() || !jobs_idle() || claim_outstanding_ || unsynced()) return;
  if (end_.reason == SinkEnd::Reason::farewell && end_.status.ok() && (dropped_ || !registered_))
    end_.status =
        Status(Code::closed, dropped_ ? "the source went away before all that it had sent was applied"
                                      : "the source went away before it was told that all is durable");
  if (ready_sent_ && registered_) acknowledge(now);
  SinkEnd end = std::move(end_);
  end_session(std::move(end), {}, now);
}

void SinkEngine::end_session(SinkEnd end, Status unregister, Time now) {
  if (registered_) {
    if (ready_sent_) report(now, true);
    messages_.emplace_back(Unregister{session_, std::move(unregister)});
    registered_ = false;
  }
  drop_session();
  end_ = std::move(end);
  phase_ = Phase::over;
}

void SinkEngine::fail_session(Status status, Time now) {
  ++failed_sessions_;
  say(LogLevel::error, "the session ends: " + status.to_string());
  const bool give_up = failed_sessions_ >= settings_.failed_sessions;
  end_session({SinkEnd::Reason::failed, status, give_up || (phase_ == Phase::ending && end_.end_process)},
              status, now);
}

bool SinkEngine::jobs_idle() const noexcept { return jobs_.empty() && !sync_; }

// Everything that may have become possible.
void SinkEngine::pump(Time now) {
  hand_out_work();
  discard_stages();
  begin_claim();
  sync_if_due(now);
  finish_ending(now);
  discard_stages(); // what the session left that has just ended
  acknowledge_if_due(now);
  report_if_due(now);
}

// ---- outputs
// ----------------------------------------------------------------------------------------------------

std::vector<SinkMessage> SinkEngine::take_messages() { return std::exchange(messages_, {}); }

std::vector<SinkJob> SinkEngine::take_jobs() { return std::exchange(ready_jobs_, {}); }

std::vector<SinkNote> SinkEngine::take_notes() {
  std::vector<SinkNote> notes(std::make_move_iterator(notes_.begin()), std::make_move_iterator(notes_.end()));
  notes_.clear();
  return notes;
}

std::optional<Time> SinkEngine::next_wakeup() const {
  std::optional<Time> next = sync_due();
  const auto consider = [&next](Time time) { next = next ? std::min(*next, time) : time; };
  if (acknowledge_wanted()) consider(last_acknowledge_ + settings_.acknowledge_interval);
  if (ready_sent_ && registered_ && report_changed_) consider(last_report_ + settings_.report_interval);
  return next;
}

std::optional<SinkEnd> SinkEngine::finished() const {
  if (phase_ != Phase::over || !jobs_idle() || !stages_.empty() || claim_outstanding_ || !messages_.empty())
    return std::nullopt;
  return end_;
}

SinkCounters SinkEngine::counters() const {
  SinkCounters counters = counters_;
  counters.received = progress_.received();
  counters.applied = progress_.applied();
  counters.durable = progress_.durable();
  counters.window_used = progress_.used();
  counters.items_waiting = order_.waiting();
  counters.jobs_running = jobs_.size() + (sync_ ? 1 : 0);
  counters.stages_open = stages_.size();
  counters.listings_open = listings_.listings();
  return counters;
}

// The newest lines are the ones that explain why things are as they are.
void SinkEngine::say(LogLevel level, std::string text) {
  if (notes_.size() >= note_bound) notes_.pop_front();
  notes_.push_back({level, std::move(text)});
}

void SinkEngine::ignore(const char* what) {
  if (++counters_.ignored_messages == 1)
    say(LogLevel::debug, std::string("a message of no current session is ignored: ") + what);
}

} // namespace osync::engine
