// The source engine's bookkeeping of what is to do: marks on entries and directories, and what becomes of them when
// directories move, vanish or come back.
#include <algorithm>
#include <cassert>
#include <utility>

#include "engine/source_engine.h"

namespace osync::engine {

void SourceEngine::set_live(PendingEntry& entry) {
  if (entry.live) return;
  if (entry.dirty && !entry.failed) {
    counts_.remove(entry.epoch, false);
    counts_.add(entry.epoch, true);
  }
  entry.live = true;
  entry.queued = false; // it waits in the other queue, where it will be passed over
}

/// Invariant 1: from here on the entry counts as possibly different until an operation read after now is sent.
void SourceEngine::mark_entry(NodeIndex node, std::string_view name, bool live, Epoch epoch, std::uint8_t hints,
                              Time now, Time due) {
  unsettle_suspect(node, name);
  PendingEntry& entry = tree_.entry(node, name);
  entry.recount = false;
  if (entry.dirty && entry.failed) { // news about a failed entry: it counts again
    entry.failed = false;
    entry.epoch = std::min(entry.epoch, epoch);
    entry.due = due;
    counts_.add(entry.epoch, entry.live);
  }
  if (!entry.dirty) {
    entry.dirty = true;
    entry.live = live;
    entry.queued = false;
    entry.epoch = epoch;
    entry.since = now;
    entry.due = due;
    entry.hints = static_cast<std::uint8_t>(entry.open ? entry.hints | hints : hints);
    counts_.add(epoch, live);
  } else {
    if (live) set_live(entry);
    entry.hints |= hints;
    entry.due = std::min(entry.due, due);
    if (epoch < entry.epoch) {
      counts_.add(epoch, entry.live);
      counts_.remove(entry.epoch, entry.live);
      entry.epoch = epoch;
    }
  }
  enqueue(node, name, now);
}

/// Puts a marked entry (or, with an empty name, the directory's own mark) where it waits for its turn: the queue of
/// its class, or a timer. Marks that cannot be worked on now are queued again when that changes.
void SourceEngine::enqueue(NodeIndex node, std::string_view name, Time now) {
  Node& self = tree_[node];
  if (name.empty()) {
    if (!self.self_dirty || self.self_open || self.self_queued || self.lost || !self.placed) return;
    self.self_queued = true;
    due_live_.push_back({ref(node), {}});
    return;
  }
  PendingEntry* entry = tree_.find_entry(node, name);
  if (entry == nullptr || !entry->dirty || entry->open || entry->queued || self.lost || !self.placed) return;
  if (entry->due > now) {
    timers_.push({entry->due, ref(node), std::string(name)});
    return;
  }
  entry->queued = true;
  (entry->live ? due_live_ : due_backlog_).push_back({ref(node), std::string(name)});
}

void SourceEngine::requeue_node(NodeIndex node, Time now) {
  enqueue(node, {}, now);
  if (tree_[node].entries)
    for (const auto& [name, entry] : *tree_[node].entries) enqueue(node, name, now);
  if (tree_[node].scan_needed || tree_[node].scan_open) push_scan(node);
}

void SourceEngine::mark_self(NodeIndex node, Epoch epoch, Time now) {
  Node& self = tree_[node];
  if (!self.self_dirty) {
    self.self_dirty = true;
    self.self_epoch = epoch;
    counts_.add(epoch, true);
  }
  enqueue(node, {}, now);
}

/// The path of `node` did not lead to it: what is pending stays with it, and the entry that should be it is looked at.
void SourceEngine::mark_parent(NodeIndex node, Epoch epoch, Time now) {
  if (node == root_node) {
    finish(Exit::refused, Status(Code::not_found, "the source root is gone, was moved or is another directory now; "
                                                  "nothing was deleted on the replica. Mount or restore it and "
                                                  "start again"));
    return;
  }
  Node& self = tree_[node];
  self.lost = true;
  if (self.parent == no_node) return;
  mark_entry(self.parent, std::string(self.name), true, epoch, WatchEvent::existence, now, now);
}

void SourceEngine::need_scan(NodeIndex node, Epoch epoch, bool live) {
  Node& self = tree_[node];
  const bool counted = self.scan_needed && self.scan_counted;
  const Epoch former_epoch = self.scan_epoch;
  const bool former_live = self.scan_live;
  self.scan_live = live || (self.scan_needed && self.scan_live);
  if (counted) self.scan_epoch = std::min(epoch, self.scan_epoch);
  if (!self.scan_needed || (!counted && !self.failed)) {
    self.scan_counted = true;
    self.scan_epoch = epoch;
  }
  self.scan_needed = true;
  if (self.scan_counted) counts_.add(self.scan_epoch, self.scan_live);
  if (counted) counts_.remove(former_epoch, former_live);
  if (self.scan_live != former_live && !self.scan_open) self.scan_queued = false; // it waits in the other class's stack
  push_scan(node);
}

/// Events about the directory were lost. Looks may have sent entries of it that are gone again, so that it has to be compared
/// even where the replica had nothing of it before.
void SourceEngine::rescan(NodeIndex node) {
  tree_[node].fresh = false;
  tree_[node].scan_doubt = true;
  need_scan(node, epoch_);
}

void SourceEngine::push_scan(NodeIndex node) {
  Node& self = tree_[node];
  if (self.scan_queued || self.failed || self.lost || !self.placed) return;
  if (self.scan_open) { // to be continued, unless it waits for a job or has been read to its end
    const Scan& scan = scans_.at(node);
    if (scan.job_open || scan.ended) return;
  }
  const bool live = self.scan_open ? scans_.at(node).live : self.scan_live;
  self.scan_queued = true;
  (live ? live_scan_stack_ : scan_stack_).push_back(ref(node));
}

/// Clears the marks of a directory whose whole content will be scanned anyway once it has a place again; returns the
/// oldest epoch among them and `epoch`, which that scan has to carry.
Epoch SourceEngine::drop_marks(NodeIndex node, Epoch epoch, Time now) {
  Node& self = tree_[node];
  if (self.self_dirty) {
    counts_.remove(self.self_epoch, true);
    epoch = std::min(epoch, self.self_epoch);
    self.self_dirty = false;
  }
  if (!self.entries) return epoch;
  for (auto item = self.entries->begin(); item != self.entries->end();) {
    PendingEntry& entry = item->second;
    // Perhaps nobody will read this name again: what was written through it is read through the others.
    if ((entry.hints & of_the_file) != 0) mark_other_names(node, item->first, false, entry.dirty ? entry.epoch : entry.open_epoch, now);
    if (entry.dirty) {
      if (!entry.failed) {
        counts_.remove(entry.epoch, entry.live);
        epoch = std::min(epoch, entry.epoch);
      }
      entry.dirty = entry.failed = false;
    }
    if (entry.open) epoch = std::min(epoch, entry.open_epoch);
    item = entry.open ? std::next(item) : self.entries->erase(item);
  }
  if (self.entries->empty()) self.entries.reset();
  return epoch;
}

/// The replica has no directory for `top` any more, at least not where it belongs: everything below has to be scanned
/// once it is placed again. Operations below it that are under way become void when they reach the stream.
void SourceEngine::unplace(NodeIndex top, Epoch since, Time now) {
  std::vector<NodeIndex> nodes;
  tree_.for_subtree(top, [&](NodeIndex node) { nodes.push_back(node); });
  for (const NodeIndex node : nodes) {
    Node& self = tree_[node];
    if (const std::uint64_t number = std::exchange(self.limbo, 0); number != 0) release_limbo({number}, now);
    if (!self.placed && !self.scan_needed) continue; // nothing known below it yet
    Epoch epoch = drop_marks(node, since, now);
    if (const auto scan = scans_.find(node); scan != scans_.end()) {
      epoch = std::min(epoch, scan->second.epoch);
      close_scan(node, false, now);
    }
    abandon_transfers_in(node, now);
    self.placed = self.fresh = self.synced = self.failed = false;
    ++self.placement;
    need_scan(node, epoch);
  }
}

void SourceEngine::detach(NodeIndex node, Time now) {
  if (tree_[node].parent == no_node) return;
  unplace(node, epoch_, now);
  tree_.detach(node, now);
}

/// The name is known to be no directory, or another one: a directory believed there is somewhere else or gone.
void SourceEngine::forget_name(NodeIndex node, std::string_view name, Time now) {
  if (const NodeIndex child = tree_.child(node, name); child != no_node) detach(child, now);
}

/// The stream has (or the replica said that it has) a directory for `node` at its believed path.
void SourceEngine::placed_directory(NodeIndex node, bool fresh, Epoch epoch, bool live, Time now) {
  Node& self = tree_[node];
  const bool was_placed = self.placed;
  const bool waited = !was_placed || self.lost; // then nothing of it is queued
  self.placed = true;
  self.lost = false;
  if (!self.synced && !self.scan_open) {
    if (!was_placed) self.fresh = fresh;
    need_scan(node, epoch, live);
  }
  if (waited) requeue_node(node, now);
}

/// Events were lost: any directory that is known may differ. Directories that are not known are found by scanning
/// their parents.
void SourceEngine::rescan_everything(Time) {
  ++figures_.rescans;
  tree_.for_all([&](NodeIndex node) {
    if (tree_[node].placed) rescan(node);
    tree_[node].swept = tree_[node].swept && tree_[node].watched;
  });
}

void SourceEngine::erase_node(NodeIndex top, Time now) {
  tree_.erase(top, [&](NodeIndex node) {
    Node& self = tree_[node];
    links_in_removed_directory(node);
    if (self.watched && !former_names_.any_in(self.id)) outputs_.unwatch.push_back(self.id);
    static_cast<void>(drop_marks(node, epoch_, now));
    links_.remove_all(ref(node));
    if (self.self_open) counts_.remove(self.self_open_epoch, true);
    if (self.entries)
      for (const auto& [name, entry] : *self.entries)
        if (entry.open) counts_.remove(entry.open_epoch, entry.open_live);
    if (scans_.contains(node)) close_scan(node, false, now);
    for (auto& [key, transfer] : transfers_)
      if (transfer.node.index == node) transfer.abandoned = true;
    if (self.scan_needed && self.scan_counted) counts_.remove(self.scan_epoch, self.scan_live);
    self.scan_needed = false;
    if (self.unwatchable) std::erase(unwatched_, node);
  });
}

void SourceEngine::watched(const WatchEvent& event, Time now) {
  ++figures_.events;
  switch (event.kind) {
  case WatchEvent::Kind::barrier: on_barrier(event.token, now); return;
  case WatchEvent::Kind::root_gone: mark_parent(root_node, epoch_, now); return;
  case WatchEvent::Kind::rescan: {
    const NodeIndex node = tree_.find(event.directory);
    if (!event.directory.valid() || (node == root_node && event.recursive)) rescan_everything(now);
    else if (node != no_node && event.recursive)
      tree_.for_subtree(node, [&](NodeIndex below) { rescan(below); });
    else if (node != no_node) rescan(node);
    return;
  }
  case WatchEvent::Kind::watch_lost:
    if (const NodeIndex node = tree_.find(event.directory); node != no_node) {
      tree_[node].watched = tree_[node].swept = false;
      if (tree_[node].placed) rescan(node); // in case it lives on, or its identity is used again
    }
    return;
  case WatchEvent::Kind::entry: break;
  }
  if (!tree_[root_node].placed) return; // no sink was ready yet: all of the tree will be read after this
  if ((event.hints & of_the_file) != 0 && !former_names_.empty()) wake_names_behind(event, now);
  const NodeIndex node = tree_.find(event.directory);
  if (node == no_node) return; // jobs name their directories beforehand, so this one was forgotten on purpose
  if (event.name.empty()) {
    if (tree_[node].placed) mark_self(node, epoch_, now); // otherwise its attributes come when it is placed
    return;
  }
  const bool directory = (event.hints & WatchEvent::is_directory) != 0;
  if (!valid_name(event.name) || (node == root_node && event.name == ".osync")) return;
  if (!rules_.empty() && tree_.attached(node) && rules_.excludes(tree_.path(node, event.name), directory)) return;
  // A file that is being written is left alone for a moment, so that its writer's next event finds it waiting; one
  // that was closed, moved or got new attributes is complete.
  const bool complete = event.token != 0 || directory ||
                        (event.hints & (WatchEvent::closed | WatchEvent::attributes)) != 0;
  const Time settle = complete ? Time(0) : settings_.settle;
  const Time damping = hot_files_.delay(ref(node), event.name, now);
  const std::uint8_t hints = static_cast<std::uint8_t>(event.hints | (event.token != 0 ? renamed : 0));
  mark_entry(node, event.name, true, epoch_, hints, now, now + std::max(settle, damping));
  want_place(node, epoch_, now);
}

/// A live change below a directory that the scan has not reached: its ancestors are brought over first.
void SourceEngine::want_place(NodeIndex node, Epoch epoch, Time now) {
  while (node != no_node && node != root_node && !tree_[node].placed) {
    const Node& self = tree_[node];
    if (self.parent == no_node) return;
    if (const PendingEntry* known = tree_.find_entry(self.parent, self.name); known != nullptr && known->live) return;
    mark_entry(self.parent, std::string(self.name), true, epoch, 0, now, now);
    node = self.parent;
  }
}

} // namespace osync::engine
