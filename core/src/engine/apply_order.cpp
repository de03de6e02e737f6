#include "engine/apply_order.h"

#include <algorithm>
#include <functional>
#include <string_view>

namespace osync::engine {
namespace {

constexpr std::size_t few_names = 16;               ///< so many are compared one by one
constexpr std::uint64_t shortest_chain = 16;        ///< operations: less is not worth handing over
constexpr std::uint64_t smallest_chain = 64u << 10; ///< bytes
constexpr std::uint32_t owner_passes = 0100;        ///< S_IXUSR: may look up names in the directory

std::uint64_t weight(const OperationGroup& group) noexcept {
  return std::max<std::uint64_t>(1, group.operations.size());
}

/// Never 0, which stands for a free place.
std::uint32_t short_hash(std::string_view name) noexcept {
  return static_cast<std::uint32_t>(std::hash<std::string_view>{}(name)) | 1u;
}

/// An even share for each applier, so that none is left without work at the end.
std::uint64_t share(std::uint64_t waiting, std::uint64_t appliers, std::uint64_t least,
                    std::uint64_t most) noexcept {
  return std::clamp(waiting / std::max<std::uint64_t>(1, appliers) + 1, std::min(least, most), most);
}

} // namespace

ApplyOrder::ApplyOrder(const Limits& limits, unsigned without_rules)
    : limits_(limits), without_(without_rules) {}

void ApplyOrder::add(std::shared_ptr<const OperationGroup> group) {
  Arrival arrival;
  arrival.sequence = group->sequence;
  arrival.group = std::move(group);
  queue_.push_back(std::move(arrival));
  admit_more();
}

void ApplyOrder::add_listing(std::uint64_t sequence, std::string directory) {
  queue_.push_back({sequence, nullptr, std::move(directory)});
  admit_more();
}

// One item is always admitted, however deep its paths are.
void ApplyOrder::admit_more() {
  while (!queue_.empty() &&
         (admitted_ == 0 || (admitted_ < limits_.look_ahead && tree_.live_nodes() < limits_.path_nodes))) {
    Arrival arrival = std::move(queue_.front());
    queue_.pop_front();
    admit(std::move(arrival));
  }
}

ApplyOrder::Slot ApplyOrder::take_slot() {
  if (!free_.empty()) {
    const Slot slot = free_.back();
    free_.pop_back();
    return slot;
  }
  items_.emplace_back();
  return static_cast<Slot>(items_.size() - 1);
}

void ApplyOrder::admit(Arrival arrival) {
  const Slot slot = take_slot();
  Item& item = items_[slot];
  item.state = State::waiting;
  item.sequence = arrival.sequence;
  item.uses_attributes = !arrival.group;
  item.group = std::move(arrival.group);
  item.node = tree_.locate(item.group ? item.group->directory : arrival.directory);
  tree_.hold(item.node);
  ++admitted_;

  wait_for_same_directory(slot);
  if (item.group) {
    scan_operations(item);
    wait_for_descendants(slot);
    for (const std::uint64_t stage : item.stages) add_stage(slot, stage);
  } else {
    wait_for_listed_directories(slot);
  }
  wait_for_ancestors(slot, item.node, true);
  wait_for_attributes(slot);
  wait_for_moves(slot);
  if (item.group)
    for (const Operation& operation : item.group->operations)
      if (operation.kind == OperationKind::make_link) add_target(slot, operation.target);

  PathTree::Node& directory = tree_.at(item.node);
  item.previous = directory.last_item;
  if (item.previous == none)
    directory.first_item = slot;
  else
    items_[item.previous].next = slot;
  directory.last_item = slot;

  if (item.group) {
    waiting_operations_ += weight(*item.group);
    waiting_bytes_ += item.group->payload.size();
  }
  if (item.blockers == 0) push(ready_, slot);
}

// What the rules need to know of a group's operations, in one pass.
void ApplyOrder::scan_operations(Item& item) {
  const OperationGroup& group = *item.group;
  item.sets_directory = group.directory_attributes.has_value();
  item.closes_directory = item.sets_directory && (group.directory_attributes->mode & owner_passes) == 0;
  for (const Operation& operation : group.operations) {
    switch (operation.kind) {
    case OperationKind::stage_data:
    case OperationKind::publish:
    case OperationKind::discard_stage:
      item.stages.push_back(operation.stage);
      break;
    case OperationKind::move_directory:
      item.moves = true;
      [[fallthrough]];
    case OperationKind::remove:
      if (operation.stage != 0) item.stages.push_back(operation.stage);
      break;
    case OperationKind::set_attributes:
      if (operation.attributes.type == FileType::directory) break;
      item.uses_attributes = true;
      item.sets_linked |= operation.attributes.links > 1;
      break;
    default:
      break;
    }
  }
}

// All waits of one item are found before the next item's, so a second one for the same pair directly follows
// the first.
void ApplyOrder::wait_for(Slot earlier, Slot later) {
  if (earlier == none || earlier == later) return;
  std::vector<Slot>& waiters = items_[earlier].waiters;
  if (!waiters.empty() && waiters.back() == later) return;
  waiters.push_back(later);
  ++items_[later].blockers;
}

void ApplyOrder::wait_for_same_directory(Slot slot) {
  if (!without(same_directory)) wait_for(tree_.at(items_[slot].node).last_item, slot);
}

// Whether `upper`, an item of the directory in which `way_down` is an entry, makes a difference to `lower`,
// which is about that entry as a directory (`direct_child`) or about something below it.
bool ApplyOrder::reaches(Item& upper, const PathTree::Node& way_down, const Item& lower, bool direct_child) {
  if (!upper.group) return direct_child && lower.sets_directory && !without(listed_directories);
  if (upper.closes_directory && !without(closed_directories)) return true;
  return !without(ancestors) && names(upper, way_down.name);
}

// Items of one directory wait for each other, so it is enough to wait for the last one that matters in each.
void ApplyOrder::wait_for_ancestors(Slot slot, PathTree::Index from, bool own_directory) {
  bool direct = own_directory;
  for (PathTree::Index below = from, above = tree_.at(from).parent; above != PathTree::none;
       below = above, above = tree_.at(above).parent, direct = false) {
    for (Slot upper = tree_.at(above).last_item; upper != none; upper = items_[upper].previous) {
      if (upper == slot || !reaches(items_[upper], tree_.at(below), items_[slot], direct)) continue;
      wait_for(upper, slot);
      break;
    }
  }
}

void ApplyOrder::wait_for_descendants(Slot slot) {
  Item& item = items_[slot];
  const PathTree::Node& directory = tree_.at(item.node);
  if (directory.live_children == 0) return;
  const std::vector<Operation>& operations = item.group->operations;
  const bool closes = item.closes_directory && !without(closed_directories);
  if (!closes && without(descendants)) return;
  if (!closes && operations.size() < directory.live_children) {
    for (const Operation& operation : operations) {
      const PathTree::Index child = tree_.live_child(item.node, operation.name);
      if (child != PathTree::none) wait_for_subtree(slot, child);
    }
    return;
  }
  for (PathTree::Index child = directory.first_child; child != PathTree::none;
       child = tree_.at(child).next_sibling)
    if (closes || names(item, tree_.at(child).name)) wait_for_subtree(slot, child);
}

// A listing compares mode and owner of the directories in it, which their own groups set.
void ApplyOrder::wait_for_listed_directories(Slot slot) {
  if (without(listed_directories)) return;
  const PathTree::Node& directory = tree_.at(items_[slot].node);
  for (PathTree::Index child = directory.first_child; child != PathTree::none;
       child = tree_.at(child).next_sibling)
    for (Slot lower = tree_.at(child).last_item; lower != none; lower = items_[lower].previous)
      if (items_[lower].sets_directory) {
        wait_for(lower, slot);
        break;
      }
}

void ApplyOrder::wait_for_subtree(Slot slot, PathTree::Index top) {
  subtree_stack_.assign(1, top);
  while (!subtree_stack_.empty()) {
    const PathTree::Node& node = tree_.at(subtree_stack_.back());
    subtree_stack_.pop_back();
    wait_for(node.last_item, slot);
    for (const Slot user : node.references) wait_for(user, slot);
    for (PathTree::Index child = node.first_child; child != PathTree::none;
         child = tree_.at(child).next_sibling)
      subtree_stack_.push_back(child);
  }
}

// The names of one file share their attributes, and nothing here tells which names those are. So a group that
// sets attributes of a file with several names is alone among all that set attributes of files, or compare
// them. (A file that has one name on the source may still have several here. Its group may then run before an
// earlier listing of one of the others; but something in between replaces that name, so the listing's answer
// only costs a needless look.)
void ApplyOrder::wait_for_attributes(Slot slot) {
  const Item& item = items_[slot];
  if (!item.uses_attributes || without(linked_attributes)) return;
  wait_for(linked_setter_, slot);
  if (item.sets_linked) {
    for (const Slot user : attribute_users_) wait_for(user, slot);
    attribute_users_.clear();
    linked_setter_ = slot;
  } else {
    attribute_users_.push_back(slot);
  }
}

// A move changes what every path below both of its ends leads to. It costs one rename, so nothing is gained by letting
// other subtrees pass it.
void ApplyOrder::wait_for_moves(Slot slot) {
  if (without(moves)) return;
  wait_for(last_move_, slot);
  if (!items_[slot].moves) return;
  for (Slot other = 0; other < items_.size(); ++other)
    if (items_[other].state != State::free && other != slot) wait_for(other, slot);
  last_move_ = slot;
}

void ApplyOrder::add_stage(Slot slot, std::uint64_t stage) {
  const auto [user, fresh] = stage_users_.try_emplace(stage, slot);
  if (fresh || user->second == slot) return;
  if (!without(stages)) wait_for(user->second, slot);
  user->second = slot;
}

void ApplyOrder::add_target(Slot slot, const std::string& path) {
  if (without(link_targets)) return;
  const PathTree::Index target = tree_.locate(path);
  std::vector<Slot>& references = tree_.at(target).references;
  if (!references.empty() && references.back() == slot) return;
  tree_.hold(target);
  wait_for_ancestors(slot, target, false);
  references.push_back(slot);
  items_[slot].targets.push_back(target);
}

// A collision of the short hashes only makes one item wait for another without need.
bool ApplyOrder::names(Item& item, std::string_view name) {
  const std::vector<Operation>& operations = item.group->operations;
  if (operations.size() <= few_names)
    return std::any_of(operations.begin(), operations.end(),
                       [name](const Operation& operation) { return operation.name == name; });
  if (item.name_index.empty()) index_names(item);
  const std::size_t mask = item.name_index.size() - 1;
  const std::uint32_t hash = short_hash(name);
  for (std::size_t place = (hash >> 1) & mask; item.name_index[place] != 0; place = (place + 1) & mask)
    if (item.name_index[place] == hash) return true;
  return false;
}

void ApplyOrder::index_names(Item& item) {
  std::size_t places = 4 * few_names;
  while (places < 2 * item.group->operations.size()) places *= 2;
  item.name_index.assign(places, 0);
  const std::size_t mask = places - 1;
  for (const Operation& operation : item.group->operations) {
    const std::uint32_t hash = short_hash(operation.name);
    std::size_t place = (hash >> 1) & mask;
    while (item.name_index[place] != 0 && item.name_index[place] != hash) place = (place + 1) & mask;
    item.name_index[place] = hash;
  }
}

void ApplyOrder::push(std::vector<Ready>& heap, Slot slot) const {
  heap.emplace_back(items_[slot].sequence, slot);
  std::push_heap(heap.begin(), heap.end(), std::greater<>());
}

ApplyOrder::Slot ApplyOrder::pop(std::vector<Ready>& heap) {
  std::pop_heap(heap.begin(), heap.end(), std::greater<>());
  const Slot slot = heap.back().second;
  heap.pop_back();
  return slot;
}

std::optional<ApplyOrder::Work> ApplyOrder::next() {
  if (works_.size() >= limits_.appliers || ready_.empty()) return std::nullopt;
  Work work;
  work.id = ++last_work_;
  std::vector<Slot> slots;
  const Slot first = pop(ready_);
  if (items_[first].group) {
    build_chain(first, work, slots);
  } else {
    work.listing = items_[first].sequence;
    take(first, work.id, slots);
  }
  works_.emplace(work.id, std::move(slots));
  return work;
}

void ApplyOrder::build_chain(Slot first, Work& work, std::vector<Slot>& slots) {
  const std::uint64_t operations =
      share(waiting_operations_, limits_.appliers, shortest_chain, limits_.chain_operations);
  const std::uint64_t bytes = share(waiting_bytes_, limits_.appliers, smallest_chain, limits_.chain_bytes);
  std::uint64_t taken_operations = 0;
  std::uint64_t taken_bytes = 0;
  extension_.clear();
  for (Slot slot = first; slot != none;) {
    const auto& group = items_[slot].group;
    taken_operations += weight(*group);
    taken_bytes += group->payload.size();
    work.groups.push_back(group);
    take(slot, work.id, slots);
    slot = none;
    if (taken_operations >= operations || taken_bytes >= bytes) break;
    // The oldest of what can follow: made possible by the chain itself, or by nothing in progress.
    const bool other = !ready_.empty() && items_[ready_.front().second].group;
    if (!extension_.empty() && (!other || extension_.front().first < ready_.front().first))
      slot = pop(extension_);
    else if (other)
      slot = pop(ready_);
  }
}

void ApplyOrder::take(Slot slot, std::uint64_t chain, std::vector<Slot>& slots) {
  Item& item = items_[slot];
  item.state = State::running;
  ++running_items_;
  slots.push_back(slot);
  if (!item.group) return;
  waiting_operations_ -= weight(*item.group);
  waiting_bytes_ -= item.group->payload.size();
  for (const Slot waiter : item.waiters) {
    Item& next = items_[waiter];
    if (next.chain != chain) {
      next.chain = chain;
      next.blockers_in_chain = 0;
    }
    if (++next.blockers_in_chain == next.blockers && next.group) push(extension_, waiter);
  }
}

bool ApplyOrder::done(std::uint64_t work) {
  const auto found = works_.find(work);
  if (found == works_.end()) return false;
  const std::vector<Slot> slots = std::move(found->second);
  works_.erase(found);
  for (const Slot slot : slots) complete(slot);
  running_items_ -= slots.size();
  admit_more();
  return true;
}

void ApplyOrder::complete(Slot slot) {
  unlink(slot);
  for (const Slot waiter : items_[slot].waiters) {
    Item& next = items_[waiter];
    if (--next.blockers == 0 && next.state == State::waiting) push(ready_, waiter);
  }
  Item& item = items_[slot];
  item.waiters.clear();
  item.state = State::free;
  free_.push_back(slot);
}

// Takes an item out of everything in which later ones look for what to wait for.
void ApplyOrder::unlink(Slot slot) {
  Item& item = items_[slot];
  PathTree::Node& directory = tree_.at(item.node);
  (item.previous == none ? directory.first_item : items_[item.previous].next) = item.next;
  (item.next == none ? directory.last_item : items_[item.next].previous) = item.previous;
  tree_.release(item.node);
  for (const PathTree::Index target : item.targets) {
    std::erase(tree_.at(target).references, slot);
    tree_.release(target);
  }
  for (const std::uint64_t stage : item.stages) {
    const auto user = stage_users_.find(stage);
    if (user != stage_users_.end() && user->second == slot) stage_users_.erase(user);
  }
  if (linked_setter_ == slot) linked_setter_ = none;
  if (last_move_ == slot) last_move_ = none;
  if (item.uses_attributes) std::erase(attribute_users_, slot);
  item.sets_directory = item.closes_directory = item.uses_attributes = item.sets_linked = item.moves = false;
  item.group.reset();
  item.previous = item.next = none;
  item.blockers = 0;
  item.chain = 0;
  item.targets.clear();
  item.stages.clear();
  item.name_index.clear();
  --admitted_;
}

void ApplyOrder::drop_waiting() {
  queue_.clear();
  ready_.clear();
  for (Slot slot = 0; slot < items_.size(); ++slot) {
    Item& item = items_[slot];
    if (item.state == State::running) {
      // Those of its own chain are done with it; all others are dropped here.
      item.waiters.clear();
      item.blockers = 0;
    } else if (item.state == State::waiting) {
      unlink(slot);
      item.waiters.clear();
      item.state = State::free;
      free_.push_back(slot);
    }
  }
  waiting_operations_ = waiting_bytes_ = 0;
}

} // namespace osync::engine
