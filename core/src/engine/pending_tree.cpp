#include "engine/pending_tree.h"

#include <algorithm>
#include <cassert>

namespace osync::engine {

PendingTree::PendingTree(const ObjectId& root) {
  nodes_.emplace_back();
  nodes_[root_node].used = true;
  nodes_[root_node].id = root;
  by_id_.emplace(root, root_node);
}

NodeIndex PendingTree::find(const ObjectId& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? no_node : found->second;
}

NodeIndex PendingTree::child(NodeIndex parent, std::string_view name) const {
  if (nodes_[parent].first_child == no_node) return no_node; // nearly always so where most entries are: among files
  const auto [begin, end] = children_.equal_range(child_key(parent, name));
  for (auto candidate = begin; candidate != end; ++candidate)
    if (nodes_[candidate->second].name == name) return candidate->second;
  return no_node;
}

NodeIndex PendingTree::add(const ObjectId& id, Time now) {
  assert(find(id) == no_node);
  NodeIndex index = 0;
  if (free_.empty()) {
    index = static_cast<NodeIndex>(nodes_.size());
    nodes_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  nodes_[index].used = true;
  nodes_[index].id = id;
  by_id_.emplace(id, index);
  note_detached(index, now);
  return index;
}

NodeIndex PendingTree::attach(NodeIndex node, NodeIndex parent, std::string name, Time now) {
  assert(node != root_node && !is_below(parent, node));
  const NodeIndex former = child(parent, name);
  if (former == node) return no_node;
  if (former != no_node) detach(former, now);
  if (nodes_[node].parent != no_node) unlink_child(node);
  else detached_.erase(nodes_[node].detached_order);
  Node& self = nodes_[node];
  self.parent = parent;
  self.name = std::move(name);
  self.previous_sibling = no_node;
  self.next_sibling = nodes_[parent].first_child;
  if (self.next_sibling != no_node) nodes_[self.next_sibling].previous_sibling = node;
  nodes_[parent].first_child = node;
  children_.emplace(child_key(parent, self.name), node);
  return former;
}

void PendingTree::detach(NodeIndex node, Time now) {
  assert(node != root_node);
  if (nodes_[node].parent == no_node) return;
  unlink_child(node);
  nodes_[node].parent = no_node;
  note_detached(node, now);
}

void PendingTree::note_detached(NodeIndex node, Time now) {
  nodes_[node].detached_at = now;
  nodes_[node].detached_order = next_detached_++;
  detached_.emplace(nodes_[node].detached_order, node);
}

bool PendingTree::is_below(NodeIndex node, NodeIndex ancestor) const {
  for (; node != no_node; node = nodes_[node].parent)
    if (node == ancestor) return true;
  return false;
}

bool PendingTree::attached(NodeIndex node) const { return top(node) == root_node; }

NodeIndex PendingTree::top(NodeIndex node) const {
  while (nodes_[node].parent != no_node) node = nodes_[node].parent;
  return node;
}

bool PendingTree::placed(NodeIndex node) const {
  for (; node != root_node; node = nodes_[node].parent)
    if (node == no_node || !nodes_[node].placed) return false;
  return nodes_[root_node].placed;
}

std::string PendingTree::path(NodeIndex node) const {
  std::size_t length = 0;
  for (NodeIndex i = node; nodes_[i].parent != no_node; i = nodes_[i].parent) length += nodes_[i].name.size() + 1;
  if (length == 0) return {};
  std::string text(length - 1, '/');
  std::size_t end = text.size();
  for (NodeIndex i = node; nodes_[i].parent != no_node; i = nodes_[i].parent) {
    const std::string& name = nodes_[i].name;
    end -= name.size();
    std::copy(name.begin(), name.end(), text.begin() + static_cast<std::ptrdiff_t>(end));
    if (end > 0) --end; // the '/' that is already there
  }
  return text;
}

std::string PendingTree::path(NodeIndex node, std::string_view name) const {
  std::string text = path(node);
  if (!text.empty() && !name.empty()) text += '/';
  return text.append(name);
}

PendingEntry& PendingTree::entry(NodeIndex node, std::string_view name) {
  auto& entries = nodes_[node].entries;
  if (!entries) entries = std::make_unique<std::map<std::string, PendingEntry, std::less<>>>();
  const auto found = entries->find(name);
  return found != entries->end() ? found->second : entries->emplace(name, PendingEntry{}).first->second;
}

PendingEntry* PendingTree::find_entry(NodeIndex node, std::string_view name) {
  const auto& entries = nodes_[node].entries;
  if (!entries) return nullptr;
  const auto found = entries->find(name);
  return found == entries->end() ? nullptr : &found->second;
}

void PendingTree::release_entry(NodeIndex node, std::string_view name) {
  auto& entries = nodes_[node].entries;
  if (!entries) return;
  const auto found = entries->find(name);
  if (found == entries->end() || found->second.dirty || found->second.open) return;
  entries->erase(found);
  if (entries->empty()) entries.reset();
}

void PendingTree::unlink_child(NodeIndex node) {
  Node& self = nodes_[node];
  if (self.previous_sibling != no_node) nodes_[self.previous_sibling].next_sibling = self.next_sibling;
  else nodes_[self.parent].first_child = self.next_sibling;
  if (self.next_sibling != no_node) nodes_[self.next_sibling].previous_sibling = self.previous_sibling;
  self.next_sibling = self.previous_sibling = no_node;
  const auto [begin, end] = children_.equal_range(child_key(self.parent, self.name));
  for (auto candidate = begin; candidate != end; ++candidate)
    if (candidate->second == node) {
      children_.erase(candidate);
      return;
    }
}

void PendingTree::free_slot(NodeIndex node) {
  Node& self = nodes_[node];
  if (self.parent != no_node) unlink_child(node);
  else detached_.erase(self.detached_order);
  by_id_.erase(self.id);
  const std::uint32_t generation = self.generation + 1;
  self = Node{};
  self.generation = generation;
  free_.push_back(node);
}

} // namespace osync::engine
