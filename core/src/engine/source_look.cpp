// Looks: reading single entries as they are now, because an event, a comparison or a failure asked for it.
#include <algorithm>
#include <utility>

#include "engine/source_engine.h"

namespace osync::engine {
namespace {

constexpr std::size_t names_in_a_look = 128;

} // namespace

void SourceEngine::hand_out_looks(Time now) {
  if (session_state_ != Session::ready || paused_all_) return;
  while (live_jobs_open_ < 2 * settings_.workers && live_lane_.bytes < settings_.read_ahead && issue_look(true, now)) {}
  const bool backlog = !paused_backlog_ && !(stopping_ && !draining_) && now >= backlog_held_until_;
  while (backlog && backlog_looks_open_ < 2 * settings_.workers &&
         backlog_lane_.bytes + backlog_requested_bytes_ < settings_.read_ahead && issue_look(false, now)) {}
}

/// Takes one due mark into `job` if it still stands. Invariant 2: the mark is cleared here, before the first read.
bool SourceEngine::take_due(const Due& due, OpenJob& job, Time now) {
  if (!alive(due.node)) return false;
  const NodeIndex node = due.node.index;
  Node& self = tree_[node];
  if (due.name.empty()) {
    self.self_queued = false;
    if (!self.self_dirty || self.self_open || self.lost || !tree_.placed(node)) return false;
    self.self_dirty = false;
    self.self_open = job.self = true;
    self.self_open_epoch = self.self_epoch; // the count passes over to the open operation
    return true;
  }
  PendingEntry* entry = tree_.find_entry(node, due.name);
  if (entry == nullptr || entry->live != job.live) return false;
  entry->queued = false;
  if (!entry->dirty || entry->open || self.lost || !tree_.placed(node)) return false;
  if (entry->due > now) { // put off meanwhile
    enqueue(node, due.name, now);
    return false;
  }
  if (entry->failed) { // fences that wait now wait for what follows from it too, since it is a failure no more
    entry->failed = false;
    counts_.add(entry->epoch, entry->live);
  }
  entry->dirty = false;
  entry->open = true;
  entry->open_epoch = entry->epoch;
  entry->open_live = entry->live;
  entry->open_recount = std::exchange(entry->recount, false);
  if (self.scan_open) {
    if (!self.overrides) self.overrides = std::make_unique<std::set<std::string, std::less<>>>();
    self.overrides->insert(due.name);
  }
  job.names.push_back(due.name);
  return true;
}

/// Hands out one look at due entries of one directory; false when nothing is due.
bool SourceEngine::issue_look(bool live, Time now) {
  auto& queue = live ? due_live_ : due_backlog_;
  OpenJob open;
  open.kind = OpenJob::Kind::look;
  open.live = live;
  bool any = false;
  bool content = false; // files of link groups: read their content through this name
  bool recount = false; // or see only how many links they have
  while (!queue.empty() && open.names.size() < names_in_a_look) {
    const Due& next = queue.front();
    if (any && (next.node.index != open.node.index || next.node.generation != open.node.generation)) break;
    const PendingEntry* entry = alive(next.node) ? tree_.find_entry(next.node.index, next.name) : nullptr;
    const bool wants_content = entry != nullptr && entry->want_content;
    const bool only_recount = entry != nullptr && entry->recount;
    if (any && (wants_content != content || only_recount != recount)) break;
    const Due due = std::move(queue.front());
    queue.pop_front();
    if (!take_due(due, open, now)) continue;
    content = wants_content;
    recount = only_recount;
    open.node = due.node;
    any = true;
  }
  if (!any) return false;
  open.placement = tree_[open.node.index].placement;
  ReadJob job;
  job.id = next_job_++;
  job.directory = {tree_.path(open.node.index), tree_[open.node.index].id};
  job.names = open.names;
  job.max_bytes = stream_.piece_bytes();
  job.include_linked = content;
  job.count_links = recount;
  if (live) ++live_jobs_open_;
  else {
    open.budget = job.max_bytes / 4;
    backlog_requested_bytes_ += open.budget;
    ++backlog_looks_open_;
  }
  jobs_.emplace(job.id, std::move(open));
  outputs_.jobs.push_back({std::move(job), live});
  return true;
}

/// The entry's open operation is over, sent or void. A mark that came meanwhile takes its turn.
void SourceEngine::close_entry(NodeIndex node, std::string_view name, Time now) {
  PendingEntry* entry = tree_.find_entry(node, name);
  if (entry == nullptr || !entry->open) return;
  entry->open = false;
  entry->absent_on_replica = entry->want_content = false;
  counts_.remove(entry->open_epoch, entry->open_live);
  if (entry->dirty) enqueue(node, name, now);
  else tree_.release_entry(node, name);
}

/// The open operation is void and has to be done again, not before `due`. A mark that came meanwhile stands.
void SourceEngine::reopen_entry(NodeIndex node, std::string_view name, bool live, Epoch epoch, Time now, Time due) {
  PendingEntry& entry = tree_.entry(node, name);
  if (!entry.dirty) {
    entry.dirty = true;
    entry.failed = entry.queued = false;
    entry.live = entry.open ? entry.open_live : live;
    entry.epoch = entry.open ? entry.open_epoch : epoch;
    entry.due = due;
    if (entry.since == Time(0)) entry.since = now;
    if (!entry.open) counts_.add(entry.epoch, entry.live); // else the open operation's count passes back to the mark
    entry.open = false;
  } else if (entry.open) {
    entry.open = false;
    counts_.remove(entry.open_epoch, entry.open_live);
  }
  enqueue(node, name, now);
}

/// The entry's operation failed: said, counted, and tried again later, without holding up what waits for the rest.
void SourceEngine::retry_entry(NodeIndex node, std::string_view name, bool live, Epoch epoch, const Status& status,
                               Time now) {
  record_failure(tree_.path(node, name), status);
  PendingEntry& entry = tree_.entry(node, name);
  const std::uint8_t attempts = static_cast<std::uint8_t>(std::min(entry.attempts + 1, 16));
  if (entry.open) close_entry(node, name, now); // may release it
  PendingEntry& again = tree_.entry(node, name);
  again.attempts = attempts;
  if (again.dirty && !again.failed) return enqueue(node, name, now); // news about it: tried at once
  const Time delay = std::min(settings_.first_retry * (1 << (attempts - 1)), settings_.longest_retry);
  if (!again.dirty) {
    again.dirty = true;
    again.live = live;
    again.queued = false;
    again.epoch = epoch;
    again.since = now;
  }
  again.failed = true;
  again.due = now + delay;
  enqueue(node, name, now);
}

void SourceEngine::look_failed(NodeIndex node, const OpenJob& job, const Status& status, Time now) {
  const bool misled = status.code() == Code::stale || status.code() == Code::not_found;
  if (misled) tree_[node].lost = true; // before the marks, so that they wait
  for (const std::string& name : job.names) {
    const PendingEntry* entry = tree_.find_entry(node, name);
    const Epoch epoch = entry != nullptr && entry->open ? entry->open_epoch : epoch_;
    if (misled) reopen_entry(node, name, job.live, epoch, now, now);
    else retry_entry(node, name, job.live, epoch, status, now);
  }
  if (job.self) {
    Node& self = tree_[node];
    self.self_open = false;
    if (misled) mark_self(node, self.self_open_epoch, now);
    else record_failure(tree_.path(node), status);
    counts_.remove(self.self_open_epoch, true);
  }
  if (misled) mark_parent(node, epoch_, now);
}

void SourceEngine::on_look(JobId id, const OpenJob& job, ReadResult result, Time now) {
  if (job.live) --live_jobs_open_;
  else {
    --backlog_looks_open_;
    backlog_requested_bytes_ -= job.budget;
  }
  if (!alive(job.node)) return;
  const NodeIndex node = job.node.index;
  if (!tree_.placed(node) || tree_[node].placement != job.placement) {
    // Moved or displaced meanwhile: a scan at its new place covers it.
    Item item;
    item.node = job.node;
    item.placement = job.placement;
    item.live = job.live;
    item.self = job.self;
    for (const std::string& name : job.names) {
      item.operations.emplace_back();
      item.operations.back().name = name;
    }
    void_item(item, now);
    return;
  }
  if (!result.status.ok()) return look_failed(node, job, result.status, now);
  Item item;
  item.kind = Item::Kind::look;
  item.live = job.live;
  item.self = job.self;
  item.node = job.node;
  item.placement = job.placement;
  item.job = id;
  item.since = now;
  item.directory_attributes = std::move(result.directory_attributes);
  item.payload = std::move(result.payload);
  item.operations.reserve(result.entries.size());
  for (EntryRead& read : result.entries) {
    const PendingEntry* entry = tree_.find_entry(node, read.operation.name);
    if (entry == nullptr || !entry->open) continue; // the directory was displaced while these were gone through
    if (entry->since != Time(0)) item.since = std::min(item.since, entry->since);
    on_entry(node, read, item, false, job.live, entry->open_epoch, now);
  }
  if (alive(job.node)) push_item(std::move(item));
}

/// Turns what was read of one entry into an operation of `item`, or into something else to do.
void SourceEngine::on_entry(NodeIndex node, EntryRead& read, Item& item, bool from_scan, bool live, Epoch epoch,
                            Time now) {
  const std::string& name = read.operation.name;
  if (read.outcome != EntryRead::Outcome::absent) met_name(read.operation.attributes.inode, node, name);
  if (!from_scan) met_written_name(node, read);
  const auto later = [&](Time due) {
    if (from_scan) mark_entry(node, name, live, epoch, 0, now, due);
    else reopen_entry(node, name, live, epoch, now, due);
  };
  switch (read.outcome) {
  case EntryRead::Outcome::mount:
    if (!(read.excluded && settings_.delete_excluded)) {
      forget_name(node, name, now);
      if (!read.excluded) note_mount(tree_.path(node, name));
      if (!from_scan) close_entry(node, name, now);
      return;
    }
    [[fallthrough]]; // what the rules leave out is absent for the replica
  case EntryRead::Outcome::absent: {
    if (from_scan) return;
    if (const PendingEntry* entry = tree_.find_entry(node, name); entry != nullptr)
      link_name_lost(node, name, entry->hints, epoch, now);
    if (settings_.delete_extra == false) {
      forget_name(node, name, now);
      return close_entry(node, name, now);
    }
    Operation removal;
    removal.kind = OperationKind::remove;
    removal.name = name;
    item.operations.push_back(std::move(removal));
    item.notes.emplace_back();
    return;
  }
  case EntryRead::Outcome::large:
    if (from_scan) return later(now);
    forget_link(node, read, epoch, now);
    return start_transfer(node, read, live, epoch, now);
  case EntryRead::Outcome::linked:
    return on_linked(node, read, item, from_scan, live, epoch, now);
  case EntryRead::Outcome::torn: {
    if (from_scan) return later(now + settings_.settle);
    PendingEntry& entry = tree_.entry(node, name);
    if (++entry.attempts <= settings_.torn_retries) {
      const int doublings = std::min<int>(entry.attempts, 6);
      return later(now + std::min(settings_.settle * (1 << doublings), settings_.longest_damping));
    }
    entry.attempts = 0;
    read.operation.possibly_torn = true;
    ++figures_.possibly_torn;
    say(LogLevel::warning, "changes faster than it can be read; the copy is possibly torn: " + tree_.path(node, name));
    break;
  }
  case EntryRead::Outcome::failed:
    if (read.status.code() == Code::stale) return later(now + settings_.settle); // changed type while looked at
    return retry_entry(node, name, live, epoch, read.status, now);
  case EntryRead::Outcome::not_done: return later(now);
  case EntryRead::Outcome::ready: break;
  }
  Note note;
  if (read.operation.kind == OperationKind::make_directory) {
    forget_link(node, read, epoch, now);
    const PendingEntry* reported = tree_.find_entry(node, name);
    const bool came = reported != nullptr && (reported->hints & WatchEvent::existence) != 0;
    const bool absent = reported != nullptr && reported->absent_on_replica;
    static_cast<void>(found_directory(node, name, read.id, now)); // else settled when this enters the stream
    note.id = read.id;
    note.fresh = from_scan || absent;
    note.arrived = live && (from_scan || came);
    note.displaces = !from_scan && came && !absent;
  } else {
    forget_link(node, read, epoch, now);
    if (read.operation.attributes.links > 1) note.id = read.id;
    if (!from_scan) hot_files_.transferred(ref(node), name, now);
  }
  item.operations.push_back(std::move(read.operation));
  item.notes.push_back(note);
}

} // namespace osync::engine
