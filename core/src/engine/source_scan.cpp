// The backlog: the sweep that puts watches on all directories, and the scan that reads or compares them one by one,
// depth first, in pieces.
#include <algorithm>

#include "engine/sink_credit.h"
#include "engine/source_engine.h"

namespace osync::engine {
namespace {

constexpr std::uint32_t sweeps_at_once = 2;
constexpr std::uint32_t cursors_bound = 64;
constexpr std::size_t pieces_bound = 16;         ///< listing pieces sent and not answered
constexpr std::size_t wanted_bound = 16'384;     ///< wanted entries waiting to be read before the scan goes on
constexpr std::uint32_t transfer_entries = 256;
constexpr std::uint32_t compare_entries = 1024;

} // namespace

// ---- sweep ------------------------------------------------------------------------------------------------------

void SourceEngine::hand_out_sweeps() {
  while (sweeps_open_ < sweeps_at_once && !sweep_stack_.empty()) {
    const NodeRef node = sweep_stack_.back();
    sweep_stack_.pop_back();
    if (!alive(node) || !tree_.attached(node.index)) continue;
    if (tree_[node.index].swept || (tree_[node.index].synced && tree_[node.index].watched)) continue;
    SweepJob job{next_job_++, {tree_.path(node.index), tree_[node.index].id}};
    OpenJob open;
    open.kind = OpenJob::Kind::sweep;
    open.node = node;
    jobs_.emplace(job.id, std::move(open));
    ++sweeps_open_;
    outputs_.jobs.push_back({std::move(job), false});
  }
}

void SourceEngine::on_sweep(const OpenJob& job, SweepResult result, Time now) {
  --sweeps_open_;
  if (!alive(job.node)) return;
  const NodeIndex node = job.node.index;
  if (!result.status.ok()) return; // the scan meets the same error, and reports it
  tree_[node].swept = true;
  note_watch(node, result.watch, true);
  for (std::string& name : result.mounts) {
    std::string path = tree_.attached(node) ? tree_.path(node, name) : name;
    note_mount(std::move(path));
  }
  for (FoundDirectory& found : result.directories) {
    // The sweep only makes directories known. Whether they are there, and where, is for looks and scans to say.
    if (tree_.find(found.id) != no_node || tree_.child(node, found.name) != no_node) continue;
    const NodeIndex child = tree_.add(found.id, now);
    tree_.attach(child, node, std::move(found.name), now);
    sweep_stack_.push_back(ref(child));
  }
}

/// Said once a path; at most 100 are listed.
void SourceEngine::note_mount(std::string path) {
  if (mounts_seen_.size() >= 100 || !mounts_seen_.insert(path).second) return;
  say(LogLevel::warning, "not entered, and left alone on the replica, because it is another file system "
                         "(one_file_system: true), a mount that came or went, or a replica itself: " + path);
  figures_.mounts_skipped.push_back(std::move(path));
}

/// Something was mounted on or unmounted from a path below the root, which no watcher reports.
void SourceEngine::mount_changed(const std::string& path, bool mounted, Time now) {
  NodeIndex node = root_node;
  std::size_t begin = 0;
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', begin)) {
    node = tree_.child(node, std::string_view(path).substr(begin, slash - begin));
    if (node == no_node) return; // the scan will meet it
    begin = slash + 1;
  }
  say(LogLevel::warning, std::string(mounted ? "something was mounted on " : "something was unmounted from ") + path);
  if (!mounted) mounts_seen_.erase(path);
  mark_entry(node, std::string_view(path).substr(begin), true, epoch_, 0, now, now);
}

void SourceEngine::note_watch(NodeIndex node, const Status& watch, bool asked) {
  if (!asked) return;
  Node& self = tree_[node];
  if (watch.ok()) {
    self.watched = true;
    return;
  }
  if (self.unwatchable) return;
  self.unwatchable = true;
  if (unwatched_.empty())
    say(LogLevel::error, watch.to_string() + "; directories without a watch are polled instead, every " +
                             std::to_string(std::chrono::duration_cast<std::chrono::seconds>(settings_.poll_interval).count()) +
                             " s, beginning with " + (tree_.attached(node) ? tree_.path(node) : self.name));
  unwatched_.push_back(node);
}

void SourceEngine::poll_unwatched(Time now) {
  if (unwatched_.empty() || now - last_poll_ < settings_.poll_interval) return;
  last_poll_ = now;
  for (const NodeIndex node : unwatched_)
    if (tree_[node].placed) rescan(node);
}

// ---- scan -------------------------------------------------------------------------------------------------------

bool SourceEngine::may_scan(bool live, Time now) const {
  if (session_state_ != Session::ready || paused_all_) return false;
  if (live) return live_scans_open_ < 2 * settings_.workers && live_bulk_lane_.bytes < settings_.read_ahead;
  return !paused_backlog_ && !(stopping_ && !draining_) && now >= backlog_held_until_ &&
         scans_open_ < 2 * settings_.workers && due_backlog_.size() < wanted_bound &&
         backlog_lane_.bytes + backlog_requested_bytes_ < settings_.read_ahead;
}

void SourceEngine::hand_out_scans(bool live, Time now) {
  std::vector<NodeRef>& stack = live ? live_scan_stack_ : scan_stack_;
  std::vector<NodeRef> kept; // compare scans that have to wait for answers
  while (!stack.empty() && may_scan(live, now)) {
    const NodeRef node = stack.back();
    stack.pop_back();
    if (!alive(node)) continue;
    Node& self = tree_[node.index];
    const bool waits_here = (self.scan_open ? scans_.at(node.index).live : self.scan_live) == live;
    if (!self.scan_queued || !waits_here) continue; // in the other class's stack since
    self.scan_queued = false;
    if (!self.placed || self.lost || self.failed || !tree_.placed(node.index)) continue;
    if (!self.scan_open && !self.scan_needed) continue;
    const bool compare = self.scan_open ? scans_[node.index].mode == ScanMode::compare : !(self.fresh && !self.synced);
    const bool opens_cursor = !self.scan_open;
    if ((compare && pieces_.size() >= pieces_bound) || (opens_cursor && cursors_open_ >= cursors_bound)) {
      self.scan_queued = true;
      kept.push_back(node);
      continue;
    }
    if (!self.scan_open) start_scan(node.index);
    continue_scan(scans_[node.index]);
  }
  stack.insert(stack.end(), kept.rbegin(), kept.rend());
}

/// Invariant 2: the mark is cleared here, before the first read; what is reported from now on marks again.
void SourceEngine::start_scan(NodeIndex node) {
  Node& self = tree_[node];
  Scan scan;
  scan.node = ref(node);
  scan.mode = self.fresh && !self.synced ? ScanMode::transfer : ScanMode::compare;
  scan.id = next_scan_++;
  scan.epoch = self.scan_counted ? self.scan_epoch : epoch_;
  scan.live = self.scan_live;
  scan.doubt = self.scan_doubt || (!initial_pass_done_ && !replica_is_ours_);
  self.scan_doubt = false;
  if (!self.scan_counted) counts_.add(scan.epoch, scan.live);
  self.scan_needed = self.scan_counted = false; // the count passes over to the scan
  self.scan_open = true;
  self.overrides.reset();
  // What is open now was begun before this scan's reading and may enter the stream after it (RULES.md 1): again.
  if (self.entries)
    for (auto& [name, entry] : *self.entries)
      if (entry.open) {
        if (!self.overrides) self.overrides = std::make_unique<std::set<std::string, std::less<>>>();
        self.overrides->insert(name);
        if (!entry.dirty) {
          entry.dirty = true;
          entry.live = entry.open_live;
          entry.epoch = entry.open_epoch;
          entry.due = Time(0);
          counts_.add(entry.epoch, entry.live);
        }
      }
  scans_[node] = std::move(scan);
}

void SourceEngine::continue_scan(Scan& scan) {
  const NodeIndex node = scan.node.index;
  ScanJob job;
  job.id = next_job_++;
  job.directory = {tree_.path(node), tree_[node].id};
  job.mode = scan.mode;
  job.cursor = scan.cursor;
  job.watch = settings_.directory_watches && !tree_[node].watched && !tree_[node].unwatchable;
  job.max_entries = scan.mode == ScanMode::transfer ? transfer_entries : compare_entries;
  job.max_bytes = stream_.piece_bytes();
  job.since = sink_.compare_contents ? Timestamp{} : settings_.since;
  scan.job_open = true;
  if (scan.cursor != 0) --cursors_open_;
  scan.cursor = 0;
  OpenJob open;
  open.kind = OpenJob::Kind::scan;
  open.node = scan.node;
  open.mode = scan.mode;
  open.scan = scan.id;
  open.self = job.watch;
  open.live = scan.live;
  if (scan.live) {
    ++live_scans_open_;
  } else {
    open.budget = scan.mode == ScanMode::transfer ? job.max_bytes / 4 : 16u << 10; // what is usual, not what is possible
    backlog_requested_bytes_ += open.budget;
    ++scans_open_;
  }
  jobs_.emplace(job.id, std::move(open));
  outputs_.jobs.push_back({std::move(job), scan.live});
}

SourceEngine::Scan* SourceEngine::find_scan(NodeRef node, std::uint64_t id) {
  if (!alive(node)) return nullptr;
  const auto found = scans_.find(node.index);
  return found == scans_.end() || found->second.id != id ? nullptr : &found->second;
}

/// The source root is empty although it was not before: an unmounted disk, most likely.
static bool emptied_root(NodeIndex node, bool had_entries, bool first, bool end, std::size_t entries) {
  return node == root_node && had_entries && first && end && entries == 0;
}

void SourceEngine::on_scan_piece(JobId id, const OpenJob& job, ReadResult result, Time now) {
  --(job.live ? live_scans_open_ : scans_open_);
  backlog_requested_bytes_ -= job.budget;
  Scan* scan = find_scan(job.node, job.scan);
  if (scan == nullptr) { // given up meanwhile
    if (result.cursor != 0) outputs_.jobs.push_back({CloseCursorJob{result.cursor}, false});
    return;
  }
  const NodeIndex node = job.node.index;
  scan->job_open = false;
  if (!result.status.ok()) {
    scan_failed(node, result.status, now);
    return;
  }
  note_watch(node, result.watch, job.self);
  if (emptied_root(node, settings_.had_entries, !scan->started, result.end, result.entries.size())) {
    finish(Exit::refused, Status(Code::not_found, "the source root is empty, and was not when it was last replicated; "
                                                  "nothing was deleted. Mount it, or delete the state directory if "
                                                  "it is meant to be empty"));
    return;
  }
  scan->started = true;
  Item item;
  item.kind = Item::Kind::scan;
  item.live = scan->live;
  item.node = job.node;
  item.scan = job.scan;
  item.job = id;
  item.since = now;
  item.directory_attributes = std::move(result.directory_attributes);
  item.payload = std::move(result.payload);
  item.operations.reserve(result.entries.size());
  for (EntryRead& read : result.entries) on_entry(node, read, item, true, job.live, scan->epoch, now);
  if (!initial_pass_done_) pass_entries_ += result.entries.size();
  scan = find_scan(job.node, job.scan); // looking at entries may have shown that the directory moved
  if (scan == nullptr) {
    if (result.cursor != 0) outputs_.jobs.push_back({CloseCursorJob{result.cursor}, false});
    return;
  }
  item.epoch = scan->epoch;
  ++scan->pieces_open;
  scan->ended = result.end;
  if (!result.end) {
    scan->cursor = result.cursor;
    ++cursors_open_;
    push_scan(node);
  }
  push_item(std::move(item));
}

void SourceEngine::on_list_piece(JobId id, const OpenJob& job, ListResult result, Time now) {
  --(job.live ? live_scans_open_ : scans_open_);
  backlog_requested_bytes_ -= job.budget;
  Scan* scan = find_scan(job.node, job.scan);
  if (scan == nullptr) {
    if (result.cursor != 0) outputs_.jobs.push_back({CloseCursorJob{result.cursor}, false});
    return;
  }
  const NodeIndex node = job.node.index;
  scan->job_open = false;
  if (!result.status.ok()) {
    scan_failed(node, result.status, now);
    return;
  }
  note_watch(node, result.watch, job.self);
  if (emptied_root(node, settings_.had_entries && !initial_pass_done_, !scan->started, result.end,
                   result.entries.size())) {
    finish(Exit::refused, Status(Code::not_found, "the source root is empty, and was not when it was last replicated; "
                                                  "nothing was deleted. Mount it, or delete the state directory if "
                                                  "it is meant to be empty"));
    return;
  }
  const bool first = !scan->started;
  scan->started = true;
  Item item;
  item.kind = Item::Kind::listing;
  item.live = scan->live;
  item.node = job.node;
  item.scan = job.scan;
  item.job = id;
  item.since = now;
  item.epoch = scan->epoch;
  item.piece.listing = scan->id;
  item.piece.first = first;
  item.piece.last = result.end;
  for (const ListedEntry& entry : result.entries) {
    if (entry.attributes.type != FileType::directory || entry.mount) {
      if (const NodeIndex former = tree_.child(node, entry.name); former != no_node && tree_[former].placed && !entry.mount)
        mark_entry(node, entry.name, scan->live, scan->epoch, WatchEvent::existence, now, now); // a look decides
      else
        forget_name(node, entry.name, now);
      met_in_listing(node, entry, scan->epoch, now);
      met_name(entry.attributes.inode, node, entry.name);
      continue;
    }
    item.listed_directories.emplace_back(entry.name, entry.id);
    static_cast<void>(found_directory(node, entry.name, entry.id, now)); // an unresolved one is looked at later
  }
  scan = find_scan(job.node, job.scan); // beliefs have changed, perhaps also of this directory
  if (scan == nullptr) {
    if (result.cursor != 0) outputs_.jobs.push_back({CloseCursorJob{result.cursor}, false});
    return;
  }
  item.piece.entries = std::move(result.entries);
  item.cost = credit_cost(item.piece);
  figures_.entries_compared += item.piece.entries.size();
  if (!initial_pass_done_) pass_entries_ += item.piece.entries.size();
  ++scan->pieces_open;
  scan->ended = result.end;
  if (!result.end) {
    scan->cursor = result.cursor;
    ++cursors_open_;
    push_scan(node);
  }
  push_item(std::move(item));
  if (!result.end) return;
  // The directory's own attributes, which its parent's listing does not compare (its times change with its entries).
  Item attributes;
  attributes.kind = Item::Kind::scan;
  attributes.live = scan->live;
  attributes.node = job.node;
  attributes.scan = job.scan;
  attributes.job = id;
  attributes.since = now;
  attributes.epoch = scan->epoch;
  attributes.directory_attributes = std::move(result.directory_attributes);
  ++scan->pieces_open;
  push_item(std::move(attributes));
}

void SourceEngine::scan_failed(NodeIndex node, const Status& status, Time now) {
  Node& self = tree_[node];
  const Epoch epoch = scans_[node].epoch;
  if (status.code() == Code::stale || status.code() == Code::not_found) {
    self.lost = true; // so that it is not pushed before its parent was looked at
    need_scan(node, epoch, scans_[node].live);
    close_scan(node, false, now);
    mark_parent(node, epoch, now);
    return;
  }
  record_failure(tree_.path(node), status);
  retry_scan(node, epoch, now);
}

/// The directory is scanned again later; until then that holds up no flush.
void SourceEngine::retry_scan(NodeIndex node, Epoch epoch, Time now) {
  Node& self = tree_[node];
  if (self.failed) return; // its timer runs
  self.failed = true;
  self.attempts = static_cast<std::uint8_t>(std::min(self.attempts + 1, 16));
  need_scan(node, epoch);
  close_scan(node, false, now);
  if (self.scan_counted) counts_.remove(self.scan_epoch, self.scan_live); // it waits, and holds up no flush
  self.scan_counted = false;
  const Time delay = std::min(settings_.first_retry * (1 << (self.attempts - 1)), settings_.longest_retry);
  timers_.push({now + delay, ref(node), {}});
}

void SourceEngine::finish_scan_piece(NodeRef node, std::uint64_t id, Time now) {
  Scan* scan = find_scan(node, id);
  if (scan == nullptr) return;
  --scan->pieces_open;
  if (scan->pieces_open == 0 && scan->ended && !scan->job_open) close_scan(node.index, true, now);
}

void SourceEngine::close_scan(NodeIndex node, bool complete, Time now) {
  const auto found = scans_.find(node);
  if (found == scans_.end()) return;
  const Scan scan = found->second;
  scans_.erase(found);
  if (scan.cursor != 0) {
    --cursors_open_;
    outputs_.jobs.push_back({CloseCursorJob{scan.cursor}, false});
  }
  Node& self = tree_[node];
  self.scan_open = self.fresh = self.scan_queued = false;
  self.overrides.reset();
  if (complete) {
    self.synced = true;
    self.attempts = 0;
    ++figures_.directories_scanned;
    if (!failures_.empty()) failures_.erase(tree_.attached(node) ? tree_.path(node) : std::string());
    // Directories believed here that the scan did not meet are somewhere else, or gone.
    std::vector<std::string> unmet;
    for (NodeIndex child = self.first_child; child != no_node; child = tree_[child].next_sibling)
      if (!tree_[child].placed && tree_.find_entry(node, tree_[child].name) == nullptr)
        unmet.push_back(tree_[child].name);
    for (const std::string& name : unmet) mark_entry(node, name, scan.live, scan.epoch, WatchEvent::existence, now, now);
  }
  if (self.scan_needed) push_scan(node);
  counts_.remove(scan.epoch, scan.live);
}

// ---- comparison -------------------------------------------------------------------------------------------------

void SourceEngine::on_answer(const ListingAnswer& answer, Time now) {
  const auto found = pieces_.find(answer.sequence);
  if (found == pieces_.end()) return protocol_error("an answer to a listing that was not sent");
  PieceUnderWay& piece = found->second;
  const NodeRef node = piece.node;
  Scan* scan = find_scan(node, piece.scan);
  if (scan == nullptr) {
    if (answer.last) pieces_.erase(found);
    return;
  }
  const Epoch epoch = piece.epoch;
  if (!answer.status.ok()) {
    pieces_.erase(found);
    if (answer.status.code() == Code::not_found && node.index != root_node) {
      unplace(node.index, epoch, now);
      mark_parent(node.index, epoch, now);
    } else {
      scan_failed(node.index, answer.status, now);
    }
    return;
  }
  const auto& overrides = tree_[node.index].overrides;
  for (const ListingAnswer::Want& want : answer.wants) {
    piece.wanted.insert(want.name);
    mark_entry(node.index, want.name, piece.live, epoch, 0, now, now);
    if (want.absent && !(overrides && overrides->contains(want.name)))
      tree_.entry(node.index, want.name).absent_on_replica = true;
  }
  on_extras(node.index, answer, piece, now);
  if (!answer.last) return;
  on_listed_directories(node.index, piece, now);
  const std::uint64_t id = piece.scan;
  pieces_.erase(found);
  finish_scan_piece(node, id, now);
}

void SourceEngine::on_listed_directories(NodeIndex node, PieceUnderWay& piece, Time now) {
  for (auto& [name, id] : piece.directories) {
    if (piece.wanted.contains(name)) continue; // placed when its operation is sent
    const auto& overrides = tree_[node].overrides;
    if (overrides && overrides->contains(name)) continue; // a look decides
    const NodeIndex child = tree_.find(id);
    if (child == no_node || tree_[child].parent != node || tree_[child].name != name) {
      // Known somewhere else since, or not yet: let a look find out.
      mark_entry(node, name, false, piece.epoch, WatchEvent::existence, now, now);
      continue;
    }
    placed_directory(child, false, piece.epoch, piece.live, now);
  }
}

/// Names that the replica has and the source did not list. They are looked at, and removed when they really are absent;
/// many at once without a reported deletion are held (INTERFACE.md, safety defaults).
void SourceEngine::on_extras(NodeIndex node, const ListingAnswer& answer, const PieceUnderWay& piece, Time now) {
  if (answer.extras.empty() || !settings_.delete_extra.value_or(!sink_.adopted)) return;
  constexpr Time hold_period = std::chrono::minutes(1);
  std::uint64_t count = 0;
  std::vector<const ListingAnswer::Extra*> extras;
  for (const ListingAnswer::Extra& extra : answer.extras) {
    const std::string path = tree_.path(node, extra.name);
    if (!settings_.delete_excluded && rules_.excludes(path, extra.directory)) continue;
    const PendingEntry* pending = tree_.find_entry(node, extra.name);
    const bool reported = (pending != nullptr && pending->live) || !piece.doubt;
    if (!reported) count += extra.entries;
    extras.push_back(&extra);
  }
  while (!recent_extras_.empty() && now - recent_extras_.front().first > hold_period) recent_extras_.pop_front();
  std::uint64_t sum = count;
  for (const auto& [time, entries] : recent_extras_) sum += entries;
  const double share = static_cast<double>(settings_.replica_entries) * settings_.hold_above_percent / 100;
  const bool hold = !deletions_accepted_ && sum >= settings_.hold_above_entries && static_cast<double>(sum) > share;
  if (hold) {
    held_nodes_.push_back(ref(node));
    figures_.held_deletions += count;
    if (!hold_said_)
      say(LogLevel::error, "deletions held: the replica has at least " + std::to_string(sum) +
                               " entries that the source lacks, and no deletion of them was seen; the first are in " +
                               (node == root_node ? std::string("the root") : tree_.path(node)) +
                               ". Nothing of them is deleted until `osync resume --accept-deletions`");
    hold_said_ = true;
    return;
  }
  if (count > 0) recent_extras_.emplace_back(now, count);
  for (const ListingAnswer::Extra* extra : extras) mark_entry(node, extra->name, false, piece.epoch, 0, now, now);
}

} // namespace osync::engine
