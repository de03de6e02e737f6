// Directories that move, vanish and come back. What the replica has of them moves along: one operation, however much is
// below, and nothing of it is read again.
//
// A node that is placed is attached elsewhere only here, together with the operation that does the same on the replica, so
// the path of a node is always where the stream has left its directory (RULES.md 7: "writes the path where the stream left
// the directory"). Until then reads below it fail with stale or not_found, and wait (`lost`). A directory that is found to
// be absent, or another one's name, is *put aside*: the replica keeps it in its limbo under a number, from which it can be
// taken back while it is not certain that it is gone. It is when all changes from before a barrier have been looked at.
#include <algorithm>

#include "engine/source_engine.h"

namespace osync::engine {
namespace {

/// How long directories that are put aside wait, beyond the barrier, for changes that are still being looked at.
constexpr Time longest_search = std::chrono::milliseconds(300);

} // namespace

/// A look or a scan has found the directory `id` at parent/name. Returns its node where that agrees with what the stream
/// has done, or with nothing; no_node where an operation has to settle it first.
NodeIndex SourceEngine::found_directory(NodeIndex parent, const std::string& name, const ObjectId& id, Time now) {
  NodeIndex node = tree_.find(id);
  if (node == no_node) node = tree_.add(id, now);
  Node& self = tree_[node];
  if (node != root_node && self.parent == parent && self.name == name) {
    if (self.lost) {
      self.lost = false;
      requeue_node(node, now);
    }
    return node;
  }
  const NodeIndex former = tree_.child(parent, name);
  if (self.placed || (former != no_node && tree_[former].placed) || tree_.is_below(parent, node)) return no_node;
  if (self.parent != no_node) // what is left at the old name has to be found out
    mark_entry(self.parent, std::string(self.name), true, epoch_, WatchEvent::existence, now, now);
  if (former != no_node) detach(former, now);
  attach(node, parent, name, now);
  return node;
}

void SourceEngine::attach(NodeIndex node, NodeIndex parent, const std::string& name, Time now) {
  tree_.attach(node, parent, name, now);
  tree_[node].lost = false;
  if (settings_.directory_watches && !tree_[node].swept) sweep_stack_.push_back(ref(node));
}

/// What a name is now decides what becomes of the directory that the stream has there. Returns the number under which it is
/// put aside, or 0 where there is none.
std::uint64_t SourceEngine::vacate(NodeIndex parent, std::string_view name, Time now) {
  const NodeIndex former = tree_.child(parent, name);
  if (former == no_node) return 0;
  if (!tree_[former].placed || settings_.delete_extra == false) {
    detach(former, now);
    return 0;
  }
  stop_reading_below(former, true, now);
  tree_.detach(former, now);
  tree_[former].limbo = next_transfer_++;
  return tree_[former].limbo;
}

/// Listings name their directory, so that they cannot go on elsewhere; everything else that is being read is found by its
/// identity, and goes on at the new path. Where it has none for now (`all`), nothing goes on.
void SourceEngine::stop_reading_below(NodeIndex top, bool all, Time now) {
  std::vector<NodeIndex> scanning;
  for (const auto& [node, scan] : scans_)
    if ((all || scan.mode == ScanMode::compare) && tree_.is_below(node, top)) scanning.push_back(node);
  for (const NodeIndex node : scanning) {
    need_scan(node, scans_.at(node).epoch, scans_.at(node).live);
    close_scan(node, false, now);
  }
  if (!all) return;
  std::vector<std::uint64_t> transfers;
  for (const auto& [key, transfer] : transfers_)
    if (!transfer.abandoned && alive(transfer.node) && tree_.is_below(transfer.node.index, top)) transfers.push_back(key);
  for (const std::uint64_t key : transfers)
    abandon_transfer(key, Status(Code::closed, "its directory is being moved"), now);
}

/// Makes of `operation`, which says that the directory `node` is at parent/name, one that moves it there, if the stream has
/// it somewhere; the name is vacant. Believes it there from now on. False: it belongs above `parent`, which is out of date.
bool SourceEngine::settle_directory(NodeIndex node, NodeIndex parent, Operation& operation, Sent& sent, Time now) {
  if (tree_.is_below(parent, node)) return false;
  const NodeIndex top = tree_.top(node);
  const bool known = tree_[node].placed && settings_.delete_extra != false &&
                     (top == root_node ? tree_.placed(node) : tree_[top].limbo != 0);
  Sent::Moved moved;
  moved.index = static_cast<std::uint32_t>(sent.names.size());
  moved.node = ref(node);
  if (tree_[node].parent != no_node) {
    moved.from = ref(tree_[node].parent);
    moved.from_name = tree_[node].name;
  }
  moved.limbo = tree_[node].limbo;
  if (known) {
    operation.kind = OperationKind::move_directory;
    operation.target = tree_.path(node);
    operation.stage = top == root_node ? 0 : tree_[top].limbo;
    stop_reading_below(node, false, now);
    ++figures_.moves_sent;
  } else {
    unplace(node, epoch_, now);
  }
  if (moved.from.index != no_node)
    mark_entry(moved.from.index, moved.from_name, true, epoch_, WatchEvent::existence, now, now);
  attach(node, parent, operation.name, now);
  tree_[node].limbo = 0;
  if (!known) return true;
  sent.moved.push_back(std::move(moved));
  const bool rules_see_paths = !rules_.empty() && !rules_.base_names_only(); // other names may be excluded now (RULES.md 11)
  tree_.for_subtree(node, [&](NodeIndex below) {
    tree_[below].lost = false;
    if (rules_see_paths) {
      tree_[below].fresh = false;
      need_scan(below, epoch_);
    }
    requeue_node(below, now);
  });
  return true;
}

/// The replica could not move a directory: what it has at either end is not what the stream believes.
void SourceEngine::move_failed(const Sent::Moved& moved, Time now) {
  if (alive(moved.node)) unplace(moved.node.index, Epoch{0}, now);
  if (moved.limbo != 0) release_limbo({moved.limbo}, now);
  if (!alive(moved.from) || !tree_[moved.from.index].placed) return;
  const NodeIndex successor = tree_.child(moved.from.index, moved.from_name);
  if (successor != no_node) unplace(successor, Epoch{0}, now); // it may hold what was to be moved
  mark_entry(moved.from.index, moved.from_name, true, Epoch{0}, WatchEvent::existence, now, now);
}

// ---- directories that are nowhere -----------------------------------------------------------------------------------

/// What is pending below a detached directory holds up fences until it is found again, or a barrier shows that it is gone.
void SourceEngine::ask_for_detached(Time now) {
  const auto& detached = tree_.detached();
  if (detached_barrier_ != 0 || detached_search_ends_ != Time(0) || detached.empty() ||
      tree_[detached.begin()->second].detached_at >= now)
    return;
  detached_barrier_ = next_barrier_++;
  detached_asked_ = now;
  outputs_.barriers.push_back(detached_barrier_);
}

/// All events from before `asked` have been seen. What they reported may still be on its way to be looked at.
void SourceEngine::search_detached(Time asked, Time now) {
  if (tree_.detached().empty() || detached_search_ends_ != Time(0)) return;
  detached_search_asked_ = asked;
  detached_search_ends_ = now + longest_search;
}

bool SourceEngine::live_changes_looked_at() const {
  return due_live_.empty() && live_jobs_open_ == 0 && live_scans_open_ == 0 && live_scan_stack_.empty() &&
         live_lane_.items.empty() && live_bulk_lane_.items.empty();
}

/// Directories that were not found again although everything reported before the barrier has been looked at.
void SourceEngine::collect_detached(Time now) {
  if (detached_search_ends_ == Time(0) || (!live_changes_looked_at() && now < detached_search_ends_)) return;
  detached_search_ends_ = Time(0);
  std::vector<NodeIndex> gone;
  for (const auto& [order, node] : tree_.detached()) {
    if (tree_[node].detached_at >= detached_search_asked_) break;
    gone.push_back(node);
  }
  std::vector<std::uint64_t> numbers;
  for (const NodeIndex node : gone) {
    if (tree_[node].limbo != 0) numbers.push_back(tree_[node].limbo);
    erase_node(node, now);
  }
  release_limbo(numbers, now);
}

void SourceEngine::release_limbo(const std::vector<std::uint64_t>& numbers, Time now) {
  constexpr std::size_t numbers_in_an_item = 256;
  if (session_state_ != Session::ready) return; // it ends with the session
  for (std::size_t begin = 0; begin < numbers.size(); begin += numbers_in_an_item) {
    Item item;
    item.kind = Item::Kind::stage;
    item.live = true;
    item.since = now;
    for (std::size_t i = begin; i < std::min(numbers.size(), begin + numbers_in_an_item); ++i) {
      Operation discard;
      discard.kind = OperationKind::discard_stage;
      discard.stage = numbers[i];
      item.operations.push_back(std::move(discard));
      item.notes.emplace_back();
    }
    push_item(std::move(item));
  }
}

} // namespace osync::engine
