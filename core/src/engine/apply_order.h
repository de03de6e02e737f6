// The order in which a sink applies the stream: side by side where that makes no difference, else one after
// the other.
//
// Two items wait for each other when they
//  - are about the same directory;
//  - are about a directory and one below it, and the upper one names the entry that leads down to the lower
//  one
//    (whatever it does with that name, it can bring, change or take away all that is below), or closes its
//    directory to those who pass through it;
//  - link to a file, and touch the name that is linked to or an entry on the path to it;
//  - write, publish or discard the same stage;
//  - set attributes of a file with several names, and set attributes of any file or list files: those may be
//  other
//    names of the same file;
//  - are a listing and a group that sets the attributes of one of the directories listed.
// A group that moves a directory waits for all that came before, and all that comes after waits for it.
// Everything that is handed out together as a chain runs in one thread, in order: items that wait only for
// others of their own chain can be in it, which saves handing them over one by one.
//
// A group that *opens* a directory to passers-by (one whose mode had no x for its owner) does not hold back
// groups below: an unprivileged sink may then report a failure that the source repeats. With the root's
// attributes in every group that would otherwise put all of the stream into one file.
//
// Cost: a few hash look-ups a group by the depth of its directory, whatever the number of its operations; the
// names of a group are hashed once, when something is in progress below its directory. Pure; one user at a
// time. Bounds: `look_ahead` items and `path_nodes` path components are ordered at a time, the rest waits in
// a queue, which the credit window bounds.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/sink_path_tree.h"
#include "osync/operation.h"

namespace osync::engine {

class ApplyOrder {
 public:
  struct Limits {
    std::uint32_t appliers = 2;        ///< works handed out at a time
    std::size_t look_ahead = 1024;     ///< items
    std::size_t path_nodes = 1u << 16; ///< components of all directories and link targets in the look-ahead
    std::uint32_t chain_operations = 256; ///< a chain ends when it has so many
    std::uint64_t chain_bytes = 1u << 20;
  };

  /// Rules that can be left out, for tests that show what each is good for.
  enum Rule : unsigned {
    same_directory = 1,
    ancestors = 2,
    descendants = 4,
    link_targets = 8,
    stages = 16,
    linked_attributes = 32,
    listed_directories = 64,
    closed_directories = 128,
    moves = 256,
  };

  /// What one thread is to do next: the groups one after the other, or one listing piece.
  struct Work {
    std::uint64_t id = 0;
    std::vector<std::shared_ptr<const OperationGroup>> groups;
    std::uint64_t listing = 0; ///< sequence number of the piece, or 0
  };

  explicit ApplyOrder(const Limits& limits, unsigned without_rules = 0);

  /// The next item of the stream; sequence numbers ascend.
  void add(std::shared_ptr<const OperationGroup> group);
  /// Likewise, a listing piece.
  void add_listing(std::uint64_t sequence, std::string directory);

  /// Work for one more thread; nothing while `appliers` are busy or nothing can be done yet.
  [[nodiscard]] std::optional<Work> next();
  /// All of a work is done. False: no such work was handed out.
  [[nodiscard]] bool done(std::uint64_t work);
  /// Forgets everything that was not handed out.
  void drop_waiting();

  [[nodiscard]] std::size_t waiting() const noexcept { return queue_.size() + admitted_ - running_items_; }
  [[nodiscard]] std::size_t running() const noexcept { return works_.size(); }
  [[nodiscard]] bool idle() const noexcept { return waiting() == 0 && works_.empty(); }

 private:
  using Slot = std::uint32_t;
  static constexpr Slot none = PathTree::none;

  struct Arrival {
    std::uint64_t sequence = 0;
    std::shared_ptr<const OperationGroup> group; ///< null: a listing piece
    std::string directory;                       ///< of a listing piece
  };

  enum class State : std::uint8_t { free, waiting, running };

  struct Item {
    State state = State::free;
    bool sets_directory = false;   ///< has attributes for its directory
    bool closes_directory = false; ///< of which the mode keeps its owner from passing through
    bool uses_attributes = false;  ///< of files: sets them, or lists them
    bool sets_linked = false;      ///< sets attributes of a file with several names
    bool moves = false;            ///< a directory, with all that is below it
    std::uint64_t sequence = 0;
    std::shared_ptr<const OperationGroup> group;
    PathTree::Index node = PathTree::none;
    Slot previous = none, next = none; ///< of the same directory
    std::uint32_t blockers = 0;        ///< items that have to be done first
    std::uint64_t chain = 0;           ///< the chain that `blockers_in_chain` counts for
    std::uint32_t blockers_in_chain = 0;
    std::vector<Slot> waiters;            ///< items of which this one is a blocker
    std::vector<PathTree::Index> targets; ///< nodes of its link targets
    std::vector<std::uint64_t> stages;
    std::vector<std::uint32_t> name_index; ///< hashes of its names; empty: not made yet
  };

  using Ready = std::pair<std::uint64_t, Slot>; ///< sequence number first: a heap of these serves the oldest

  // Admission: where an item finds what it has to wait for.
  void admit_more();
  void admit(Arrival arrival);
  [[nodiscard]] Slot take_slot();
  void scan_operations(Item& item);
  void wait_for(Slot earlier, Slot later);
  void wait_for_same_directory(Slot slot);
  void wait_for_ancestors(Slot slot, PathTree::Index from, bool own_directory);
  void wait_for_descendants(Slot slot);
  void wait_for_listed_directories(Slot slot);
  void wait_for_subtree(Slot slot, PathTree::Index top);
  void wait_for_attributes(Slot slot);
  void wait_for_moves(Slot slot);
  void add_stage(Slot slot, std::uint64_t stage);
  void add_target(Slot slot, const std::string& path);
  [[nodiscard]] bool reaches(Item& upper, const PathTree::Node& way_down, const Item& lower,
                             bool direct_child);
  [[nodiscard]] static bool names(Item& item, std::string_view name);
  static void index_names(Item& item);

  // Handing out and taking back.
  void build_chain(Slot first, Work& work, std::vector<Slot>& slots);
  void take(Slot slot, std::uint64_t chain, std::vector<Slot>& slots);
  void push(std::vector<Ready>& heap, Slot slot) const;
  [[nodiscard]] static Slot pop(std::vector<Ready>& heap);
  void complete(Slot slot);
  void unlink(Slot slot);
  [[nodiscard]] bool without(Rule rule) const noexcept { return (without_ & rule) != 0; }

  Limits limits_;
  unsigned without_;
  PathTree tree_;
  std::deque<Arrival> queue_; ///< not admitted yet
  std::deque<Item> items_;    ///< by slot; a deque, so that references stay valid while it grows
  std::vector<Slot> free_;
  std::vector<Ready> ready_;                            ///< heap
  std::unordered_map<std::uint64_t, Slot> stage_users_; ///< the last item of each stage
  Slot last_move_ = none;             ///< the last group that moves directories
  Slot linked_setter_ = none;         ///< the last group that sets attributes of a linked file
  std::vector<Slot> attribute_users_; ///< since then: groups that set attributes of files, and listings
  std::unordered_map<std::uint64_t, std::vector<Slot>> works_;
  std::size_t admitted_ = 0;
  std::size_t running_items_ = 0;
  std::uint64_t waiting_operations_ = 0, waiting_bytes_ = 0;
  std::uint64_t last_work_ = 0;
  std::vector<PathTree::Index> subtree_stack_;
  std::vector<Ready> extension_; ///< heap of items that the chain under construction makes possible
};

} // namespace osync::engine
