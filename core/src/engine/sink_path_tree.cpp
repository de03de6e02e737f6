#include "engine/sink_path_tree.h"

namespace osync::engine {

PathTree::PathTree() { nodes_.emplace_back(); }

PathTree::Index PathTree::child(Index parent, std::string_view name) {
  const auto found = known_.find(Key{parent, name});
  if (found != known_.end()) return found->second;
  Index node;
  if (free_.empty()) {
    node = static_cast<Index>(nodes_.size());
    nodes_.emplace_back();
  } else {
    node = free_.back();
    free_.pop_back();
  }
  nodes_[node].name = name;
  nodes_[node].parent = parent;
  known_.emplace(Key{parent, nodes_[node].name}, node);
  ++idle_;
  return node;
}

PathTree::Index PathTree::locate(std::string_view path) {
  if (path == last_path_) return last_node_;
  if (idle_ > idle_bound) sweep();
  Index node = root;
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t slash = rest.find('/');
    node = child(node, rest.substr(0, slash));
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  }
  last_path_ = path;
  last_node_ = node;
  return node;
}

PathTree::Index PathTree::live_child(Index node, std::string_view name) const {
  const auto found = known_.find(Key{node, name});
  return found != known_.end() && nodes_[found->second].live > 0 ? found->second : none;
}

void PathTree::hold(Index node) {
  for (; node != none; node = nodes_[node].parent)
    if (nodes_[node].live++ == 0) make_live(node);
}

void PathTree::release(Index node) {
  for (; node != none; node = nodes_[node].parent)
    if (--nodes_[node].live == 0) make_idle(node);
}

void PathTree::make_live(Index node) {
  --idle_;
  if (node == root) return;
  Node& own = nodes_[node];
  Node& parent = nodes_[own.parent];
  own.next_sibling = parent.first_child;
  own.previous_sibling = none;
  if (parent.first_child != none) nodes_[parent.first_child].previous_sibling = node;
  parent.first_child = node;
  ++parent.live_children;
}

void PathTree::make_idle(Index node) {
  ++idle_;
  if (node == root) return;
  Node& own = nodes_[node];
  if (own.next_sibling != none) nodes_[own.next_sibling].previous_sibling = own.previous_sibling;
  if (own.previous_sibling != none)
    nodes_[own.previous_sibling].next_sibling = own.next_sibling;
  else
    nodes_[own.parent].first_child = own.next_sibling;
  own.next_sibling = own.previous_sibling = none;
  --nodes_[own.parent].live_children;
}

// `live` counts whole subtrees: a node that is not live has nothing live below it, so all such nodes can go
// at once. The node that locate() remembers may go too: it is about to remember another one.
void PathTree::sweep() {
  for (auto entry = known_.begin(); entry != known_.end();) {
    const Index node = entry->second;
    if (nodes_[node].live > 0) {
      ++entry;
      continue;
    }
    entry = known_.erase(entry);
    nodes_[node] = Node();
    free_.push_back(node);
    --idle_;
  }
}

} // namespace osync::engine
