// The pending tree: the one place that knows what is to do for one replica.
//
// A node stands for a directory of the source, found by its identity. Its parent and name are a belief (where it was
// last seen), checked whenever they are used. `placed` says that the stream to the replica has a directory for it at
// that same path, or, where it is detached, has put it aside under the number `limbo`; only below nodes that are placed
// up to the root may operations be sent. A node that is placed is attached elsewhere only together with the operation
// that moves the replica's directory, so its path is always where the stream left it. Entries of a node that are to be looked at are kept
// by name in the node, so a directory that moves takes with it all that is pending below it.
//
// Memory: about 150 bytes a node and its name, plus about 120 bytes an entry that is pending. Nodes exist for all
// directories under a watcher that needs them (inotify); otherwise only while something is pending.
// Pure; the engine's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/time.h"
#include "osync/types.h"

namespace osync::engine {

using NodeIndex = std::uint32_t;
inline constexpr NodeIndex no_node = 0xffffffff;
inline constexpr NodeIndex root_node = 0;

/// Counts flushes and checkpoints: work carries the epoch in which it was reported, so that "all that was reported
/// before this moment" can be waited for while new work goes on arriving.
using Epoch = std::uint32_t;

/// An entry that is to be looked at (dirty), or whose operation is between its first read and the stream (open).
struct PendingEntry {
  bool dirty = false;
  bool open = false;
  bool queued = false;          ///< waits its turn to be read
  bool live = false;            ///< reported by an event; false: found by a scan or comparison (backlog)
  bool open_live = false;       ///< the same of the open operation
  bool absent_on_replica = false; ///< the replica said so in answer to a listing
  bool unexplained_removal = false;
  bool want_content = false;    ///< a link of a group whose content must be sent through this name
  bool recount = false;         ///< marked only to see how many links it has now; what the replica has is right
  bool open_recount = false;    ///< the same of the open operation
  bool failed = false;          ///< its last attempt failed; waits for its retry and holds up no flush
  std::uint8_t hints = 0;       ///< WatchEvent::Hint of all events since the last read began
  std::uint8_t attempts = 0;    ///< failed or torn ones in a row
  Epoch epoch = 0;              ///< of the dirty mark
  Epoch open_epoch = 0;         ///< of the open operation
  Time since{0};                ///< first report that is not yet answered by an operation
  Time due{0};                  ///< not to be read earlier
};

struct Node {
  ObjectId id;
  NodeIndex parent = no_node; ///< no_node for the root, and for a node that is detached (not known where)
  NodeIndex first_child = no_node;
  NodeIndex next_sibling = no_node;
  NodeIndex previous_sibling = no_node;
  std::uint32_t generation = 0; ///< changes when the slot is used for another directory
  std::uint32_t placement = 0;  ///< counts how often it lost its place on the replica
  std::uint64_t limbo = 0;      ///< detached and placed: the number under which the replica has put it aside
  std::string name;

  bool used = false;
  bool watched = false;     ///< the watcher accepted it
  bool unwatchable = false; ///< refused by the watcher (limit): polled
  bool swept = false;
  bool placed = false;
  bool fresh = false;       ///< the replica's directory was new when it was placed: nothing there to compare with
  bool synced = false;      ///< scanned to its end since it was placed
  bool scan_needed = false;
  bool scan_queued = false; ///< on the scan stack
  bool scan_open = false;   ///< a scan is under way: jobs, cursor, or unanswered listing pieces
  bool scan_counted = false; ///< its needed scan holds up flushes
  bool scan_doubt = false;  ///< events may have been lost: what its scan finds missing was not reported
  bool scan_live = false;   ///< its needed scan answers a live change: the directory itself has arrived
  bool self_dirty = false;  ///< the directory's own attributes are to be read
  bool self_open = false;
  bool self_queued = false;
  bool lost = false;        ///< its path did not lead to it; its parent is being looked at
  bool failed = false;      ///< could not be listed; waits for its retry
  std::uint8_t attempts = 0;
  Epoch scan_epoch = 0;
  Epoch self_epoch = 0;
  Epoch self_open_epoch = 0;
  std::uint64_t attributes_job = 0; ///< the newest job whose reading of the directory's attributes entered the stream
  Time detached_at{0};
  std::uint64_t detached_order = 0; ///< key into PendingTree::detached()

  std::unique_ptr<std::map<std::string, PendingEntry, std::less<>>> entries;
  /// Names that were opened by looks while a scan was open: the scan's own reading of them is not to be used.
  std::unique_ptr<std::set<std::string, std::less<>>> overrides;
};

class PendingTree {
 public:
  explicit PendingTree(const ObjectId& root);

  [[nodiscard]] Node& operator[](NodeIndex index) { return nodes_[index]; }
  [[nodiscard]] const Node& operator[](NodeIndex index) const { return nodes_[index]; }
  /// no_node when the identity is not known.
  [[nodiscard]] NodeIndex find(const ObjectId& id) const;
  /// The believed child of `parent` called `name`, or no_node. Linear in the children seen; kept short by an index.
  [[nodiscard]] NodeIndex child(NodeIndex parent, std::string_view name) const;
  /// A new detached node.
  NodeIndex add(const ObjectId& id, Time now);
  /// Believes `node` to be `parent`/`name`. A node that was believed there is detached first (returned), else no_node.
  /// Requires that `parent` is not `node` or below it.
  NodeIndex attach(NodeIndex node, NodeIndex parent, std::string name, Time now);
  /// Forgets where `node` is; it keeps its children and what is pending.
  void detach(NodeIndex node, Time now);
  /// Removes a detached node and all below it. `gone` is called for each, before it is removed.
  template <class Gone>
  void erase(NodeIndex node, Gone gone);

  [[nodiscard]] bool is_below(NodeIndex node, NodeIndex ancestor) const; ///< or the same
  /// Whether parents lead from `node` to the root.
  [[nodiscard]] bool attached(NodeIndex node) const;
  /// The uppermost node above `node` (or itself): the root where it is attached, else one that is detached.
  [[nodiscard]] NodeIndex top(NodeIndex node) const;
  /// Whether `node` is attached, and it and all its ancestors are placed.
  [[nodiscard]] bool placed(NodeIndex node) const;
  /// The believed path below top(node): from the root where it is attached. Empty for top(node) itself.
  [[nodiscard]] std::string path(NodeIndex node) const;
  /// path(node)/name.
  [[nodiscard]] std::string path(NodeIndex node, std::string_view name) const;

  /// The entry, made if necessary.
  PendingEntry& entry(NodeIndex node, std::string_view name);
  [[nodiscard]] PendingEntry* find_entry(NodeIndex node, std::string_view name);
  /// Removes the entry if it is neither dirty nor open.
  void release_entry(NodeIndex node, std::string_view name);

  /// Calls `visit` for `top` and every node below it, parents first.
  template <class Visit>
  void for_subtree(NodeIndex top, Visit visit);
  /// Calls `visit` for every used node, in the order of their indices.
  template <class Visit>
  void for_all(Visit visit) const;

  [[nodiscard]] std::size_t size() const noexcept { return by_id_.size(); }
  /// Detached nodes in the order in which they became so.
  [[nodiscard]] const std::map<std::uint64_t, NodeIndex>& detached() const noexcept { return detached_; }

 private:
  struct ChildKey {
    NodeIndex parent;
    std::uint64_t name_hash;
    friend bool operator==(const ChildKey&, const ChildKey&) = default;
  };
  struct ChildKeyHash {
    std::size_t operator()(const ChildKey& key) const noexcept {
      return static_cast<std::size_t>(key.name_hash ^ (key.parent * 0x9e3779b97f4a7c15ULL));
    }
  };
  [[nodiscard]] static ChildKey child_key(NodeIndex parent, std::string_view name) {
    return {parent, std::hash<std::string_view>{}(name)};
  }
  void unlink_child(NodeIndex node);
  void note_detached(NodeIndex node, Time now);
  void free_slot(NodeIndex node);

  std::deque<Node> nodes_;
  std::vector<NodeIndex> free_;
  std::map<std::uint64_t, NodeIndex> detached_;
  std::uint64_t next_detached_ = 1;
  std::unordered_map<ObjectId, NodeIndex> by_id_;
  std::unordered_multimap<ChildKey, NodeIndex, ChildKeyHash> children_;
};

template <class Visit>
void PendingTree::for_subtree(NodeIndex top, Visit visit) {
  NodeIndex node = top;
  while (true) {
    visit(node);
    if (nodes_[node].first_child != no_node) {
      node = nodes_[node].first_child;
      continue;
    }
    while (node != top && nodes_[node].next_sibling == no_node) node = nodes_[node].parent;
    if (node == top) return;
    node = nodes_[node].next_sibling;
  }
}

template <class Visit>
void PendingTree::for_all(Visit visit) const {
  for (NodeIndex node = 0; node < nodes_.size(); ++node)
    if (nodes_[node].used) visit(node);
}

template <class Gone>
void PendingTree::erase(NodeIndex top, Gone gone) {
  std::vector<NodeIndex> doomed;
  for_subtree(top, [&](NodeIndex node) { doomed.push_back(node); });
  for (const NodeIndex node : doomed) gone(node);
  for (auto node = doomed.rbegin(); node != doomed.rend(); ++node) free_slot(*node);
}

} // namespace osync::engine
