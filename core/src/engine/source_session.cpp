// The session with the sink: registration, acknowledgements, failures, and what a lost connection makes pending again.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "engine/source_engine.h"

namespace osync::engine {
namespace {

constexpr Epoch oldest_epoch = 0; ///< of work that every flush has to wait for
constexpr Time first_space_retry = std::chrono::seconds(1);

std::string version_text(std::uint32_t version, const std::string& build) {
  return std::to_string(version) + " (osync " + build + ")";
}

} // namespace

void SourceEngine::connected(Time) { connected_ = true; }

void SourceEngine::disconnected(Time now) {
  connected_ = false;
  if (session_state_ != Session::none) say(LogLevel::warning, "the connection to the sink is lost; waiting for it");
  lose_session(now);
  if (farewell_sent_) finish(failures_.empty() && held_nodes_.empty() ? Exit::done : Exit::failures, Status());
}

void SourceEngine::received(SinkMessage message, Time now) {
  if (const auto* registration = std::get_if<Register>(&message)) return on_register(*registration, now);
  if (session_state_ == Session::none) return; // left over from a session that was given up
  if (const auto* ready = std::get_if<Ready>(&message)) return on_ready(*ready, now);
  if (const auto* leave = std::get_if<Unregister>(&message)) return on_unregister(*leave, now);
  if (session_state_ != Session::ready) return protocol_error("a message before READY");
  if (const auto* acknowledge = std::get_if<Acknowledge>(&message)) {
    if (acknowledge->session == session_) on_acknowledge(*acknowledge, now);
  } else if (const auto* answer = std::get_if<ListingAnswer>(&message)) {
    if (answer->session == session_) on_answer(*answer, now);
  } else if (auto* report = std::get_if<TransferReport>(&message)) {
    if (report->session == session_) figures_.transfer_report = *report;
  }
}

void SourceEngine::on_register(const Register& message, Time now) {
  if (session_state_ != Session::none) lose_session(now); // the sink came back before we noticed that it had gone
  connected_ = true;
  std::string reason;
  Code code = Code::invalid; // a peer that does not belong here; conflict: refused for safety
  if (message.version != protocol_version)
    reason = "the sink speaks protocol version " + version_text(message.version, message.build) + ", this source " +
             version_text(protocol_version, settings_.build) + ": install the same osync on both";
  else if (message.pipeline != settings_.pipeline)
    reason = "the sink serves pipeline \"" + message.pipeline + "\", this source \"" + settings_.pipeline + "\"";
  else if (message.replica_name != settings_.replica)
    reason = "the sink serves replica \"" + message.replica_name + "\", expected here: \"" + settings_.replica + "\"";
  else if (settings_.known_replica.replica != Uuid{} && message.identity.replica == Uuid{} && !message.take_over) {
    code = Code::conflict;
    reason = "the replica has lost its identity: this source has replicated to it before, and it is not there now. Is its "
             "disk mounted? Nothing was written; --take-over begins a new replica there";
  }
  if (!reason.empty()) {
    say(LogLevel::error, "sink refused: " + reason);
    outputs_.messages.emplace_back(Refuse{code, reason});
    if (settings_.end_with_sink || settings_.once)
      finish(settings_.end_with_sink ? Exit::refused : Exit::peer_lost, Status(code, reason));
    return;
  }
  session_ = settings_.session_seed + ++sessions_begun_;
  session_state_ = Session::welcomed;
  outputs_.messages.emplace_back(
      Welcome{session_, protocol_version, settings_.build, settings_.source, settings_.durability_interval_ms});
}

void SourceEngine::on_ready(const Ready& message, Time now) {
  if (message.session != session_ || session_state_ != Session::welcomed) return;
  const bool other_replica = message.identity.replica != settings_.known_replica.replica;
  const bool first = !tree_[root_node].placed;
  sink_ = message;
  replica_is_ours_ = message.empty || (replica_is_ours_ && !other_replica);
  sink_.compare_contents = message.compare_contents || (other_replica && !message.empty);
  session_state_ = Session::ready;
  all_compared_said_ = false;
  stream_.open(session_, message.window);
  outputs_.replica = message.identity;
  settings_.known_replica = message.identity;
  if (!message.capabilities.description.empty())
    say(LogLevel::warning, "the sink cannot keep everything: " + message.capabilities.description);
  if (first || message.empty || other_replica) {
    // Nothing, or nothing certain, is known of this replica: everything is compared or, below an empty root, sent.
    unplace(root_node, oldest_epoch, now);
    tree_[root_node].synced = false;
    links_.clear();
    initial_pass_done_ = false;
    pass_entries_ = 0;
    if (other_replica && !first) settings_.since = Timestamp{}; // it was said of the former one
    placed_directory(root_node, message.empty, oldest_epoch, false, now);
    if (settings_.directory_watches && !tree_[root_node].swept) sweep_stack_.push_back(ref(root_node));
    say(LogLevel::info, message.empty ? "the sink is ready, with an empty replica: sending everything"
                                      : "the sink is ready: comparing");
  } else {
    say(LogLevel::info, "the sink is ready again: going on");
  }
  last_backlog_frame_ = bandwidth_time_ = now;
  tree_.for_all([&](NodeIndex node) {
    if (tree_[node].placed) requeue_node(node, now);
  });
}

void SourceEngine::protocol_error(std::string what) {
  say(LogLevel::error, "protocol error of the sink: " + what + "; the session is given up");
  outputs_.messages.emplace_back(Refuse{Code::corrupt, "protocol error: " + what});
  lose_session(Time(0));
}

void SourceEngine::on_acknowledge(const Acknowledge& message, Time now) {
  for (const WireFailure& failure : message.failures) on_failure(failure, now);
  const bool in_range = stream_.acknowledge_applied(message.applied, now, [&](const Sent& sent) {
    live_in_flight_.erase(sent.sequence);
    if (failures_.empty() || sent.origin != Sent::Origin::entries || !alive(sent.node)) return;
    for (const std::string& name : sent.names) clear_failure(sent.node.index, name);
  });
  if (!in_range || !stream_.acknowledge_durable(message.durable))
    return protocol_error("acknowledged more than was sent or applied");
  if (stream_.wants_sync()) request_sync(stream_.applied());
  advance_fences(now);
}

/// What was applied has succeeded, unless the same acknowledgement made it pending again.
void SourceEngine::clear_failure(NodeIndex node, std::string_view name) {
  const PendingEntry* entry = tree_.find_entry(node, name);
  if (entry != nullptr && entry->failed) return;
  if (tree_.attached(node)) failures_.erase(tree_.path(node, name));
}

void SourceEngine::on_failure(const WireFailure& failure, Time now) {
  const Sent* found = stream_.find(failure.sequence);
  if (found == nullptr) return;
  const Sent sent = *found;
  if (sent.stage != 0 && sent.origin != Sent::Origin::stage) discard_stage(sent.node, sent.stage, true, now);
  for (const Sent::Moved& moved : sent.moved)
    if (moved.index == failure.index || failure.index == group_failure) move_failed(moved, now);
  if (!alive(sent.node)) return;
  const NodeIndex node = sent.node.index;
  const Code code = failure.status.code();
  const bool displaced = code == Code::not_found || code == Code::stale;
  if (code == Code::no_space) {
    if (backlog_held_until_ <= now)
      say(LogLevel::error, "the replica is full: " + failure.status.to_string() +
                               "; the backlog waits, removals go on. Make room there");
    backlog_held_until_ = now + first_space_retry;
  }
  if (!tree_[node].placed) return; // displaced or gone since: what is there will be scanned
  if (!tree_.placed(node)) return failed_aside(sent, failure, now);
  if (failure.index == group_failure || failure.index >= sent.names.size()) {
    if (sent.origin == Sent::Origin::stage) return; // the publish record fails too
    if (displaced && node != root_node) {
      // The replica's directory is not there. Everything of it is sent again once it is.
      unplace(node, oldest_epoch, now);
      reopen_fences(failure.sequence);
      return mark_parent(node, oldest_epoch, now);
    }
    record_failure(tree_.path(node), failure.status);
    for (const std::string& name : sent.names)
      if (PendingEntry* entry = tree_.find_entry(node, name); entry == nullptr || !entry->open)
        retry_entry(node, name, false, oldest_epoch, failure.status, now);
    if (sent.names.empty()) retry_scan(node, oldest_epoch, now); // its own attributes
    return;
  }
  const std::string& name = sent.names[failure.index];
  if (sent.origin == Sent::Origin::stage) {
    for (auto& [key, transfer] : transfers_)
      if (transfer.stage == sent.stage && !transfer.abandoned)
        return abandon_transfer(key, failure.status, now);
    return;
  }
  if (const NodeIndex child = tree_.child(node, name); child != no_node) unplace(child, oldest_epoch, now);
  link_operation_failed(sent.node, name, now);
  reopen_fences(failure.sequence);
  PendingEntry& entry = tree_.entry(node, name);
  if ((displaced || code == Code::corrupt) && entry.attempts < 4) {
    // What it built on was not there (a link's other name, a stage, the expected file): send the content instead.
    if (code == Code::corrupt)
      say(LogLevel::warning, "arrived damaged and is sent again: " + tree_.path(node, name) + ": " + failure.status.to_string());
    ++entry.attempts;
    mark_entry(node, name, false, oldest_epoch, 0, now, now);
    tree_.entry(node, name).want_content = true;
    return;
  }
  if (entry.open || (entry.dirty && !entry.failed)) { // news about it is on its way anyway
    record_failure(tree_.path(node, name), failure.status);
    return;
  }
  retry_entry(node, name, false, oldest_epoch, failure.status, now);
}

/// Something failed below a directory that has been put aside since. It is done again where the directory is found, if it is.
void SourceEngine::failed_aside(const Sent& sent, const WireFailure& failure, Time now) {
  const NodeIndex node = sent.node.index;
  const bool whole = failure.index == group_failure || failure.index >= sent.names.size();
  reopen_fences(failure.sequence);
  if (whole && sent.names.empty()) return need_scan(node, oldest_epoch);
  for (std::size_t i = 0; i < sent.names.size(); ++i) {
    if (!whole && i != failure.index) continue;
    if (const NodeIndex child = tree_.child(node, sent.names[i]); child != no_node) unplace(child, oldest_epoch, now);
    link_operation_failed(sent.node, sent.names[i], now);
    mark_entry(node, sent.names[i], false, oldest_epoch, 0, now, now);
  }
}

void SourceEngine::on_unregister(const Unregister& message, Time now) {
  const bool refused = !message.status.ok() && session_state_ == Session::welcomed;
  const std::string reason = message.status.ok() ? "it was stopped" : message.status.to_string();
  say(message.status.ok() ? LogLevel::info : LogLevel::error, "the sink leaves: " + reason);
  lose_session(now);
  if (farewell_sent_) return finish(failures_.empty() && held_nodes_.empty() ? Exit::done : Exit::failures, Status());
  if (!settings_.end_with_sink && !(refused && settings_.once)) return;
  const bool safety = message.status.code() == Code::conflict;
  finish(safety && settings_.end_with_sink ? Exit::refused : Exit::peer_lost,
         message.status.ok() ? Status(Code::closed, "the sink left before everything was done") : message.status);
}

/// Everything that was not durable is pending again, whether the sink has it or not: comparing finds out.
void SourceEngine::lose_session(Time now) {
  if (session_state_ == Session::none) return;
  session_state_ = Session::none;
  session_ = 0;
  std::vector<std::uint64_t> transfers;
  for (auto& [key, transfer] : transfers_) {
    transfer.staged = false;
    transfers.push_back(key);
  }
  for (const std::uint64_t key : transfers)
    if (transfers_.contains(key)) abandon_transfer(key, Status(Code::closed, "the connection was lost"), now);
  for (Lane* lane : {&live_lane_, &live_bulk_lane_, &backlog_lane_}) {
    for (Item& item : lane->items) {
      if (item.kind != Item::Kind::look || !alive(item.node)) continue;
      for (const Operation& operation : item.operations)
        if (PendingEntry* entry = tree_.find_entry(item.node.index, operation.name); entry != nullptr && entry->open)
          reopen_entry(item.node.index, operation.name, item.live, entry->open_epoch, now, now);
      if (item.self && tree_[item.node.index].self_open) {
        mark_self(item.node.index, tree_[item.node.index].self_open_epoch, now);
        tree_[item.node.index].self_open = false;
        counts_.remove(tree_[item.node.index].self_open_epoch, true);
      }
    }
    *lane = Lane();
  }
  pieces_.clear();
  live_in_flight_.clear();
  std::vector<NodeIndex> scanning;
  for (const auto& [node, scan] : scans_) scanning.push_back(node);
  for (const NodeIndex node : scanning) {
    need_scan(node, scans_[node].epoch, scans_[node].live);
    close_scan(node, false, now);
  }
  std::vector<NodeIndex> aside;
  for (const auto& [order, node] : tree_.detached())
    if (tree_[node].limbo != 0) aside.push_back(node);
  for (const NodeIndex node : aside) { // the replica's limbo ends with the session
    tree_[node].limbo = 0;
    unplace(node, oldest_epoch, now);
  }
  const std::vector<Sent> lost = stream_.close();
  for (const Sent& sent : lost)
    for (const Sent::Moved& moved : sent.moved) move_failed(moved, now);
  for (const Sent& sent : lost) {
    if (!alive(sent.node) || !tree_[sent.node.index].placed) continue;
    if (sent.origin != Sent::Origin::entries) need_scan(sent.node.index, oldest_epoch);
    else if (sent.names.empty()) mark_self(sent.node.index, oldest_epoch, now);
    for (const std::string& name : sent.names) mark_entry(sent.node.index, name, false, oldest_epoch, 0, now, now);
  }
  tree_.for_all([this](NodeIndex node) { tree_[node].fresh = false; }); // something may have arrived there
  links_.clear(); // which names the replica has linked is no longer certain
  sync_asked_ = 0;
  for (Fence& fence : fences_) fence.cleared = false;
}

void SourceEngine::request_sync(std::uint64_t sequence, bool all_compared) {
  if (session_state_ != Session::ready) return;
  const bool news = all_compared && !std::exchange(all_compared_said_, all_compared_said_ || all_compared);
  if (!news && (sequence <= sync_asked_ || sequence <= stream_.durable())) return;
  sync_asked_ = std::max(sync_asked_, sequence);
  outputs_.messages.emplace_back(SyncRequest{session_, sequence, news});
}

} // namespace osync::engine
