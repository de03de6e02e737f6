#include "engine/link_index.h"

#include <utility>

namespace osync::engine {

LinkIndex::Group* LinkIndex::add(const LinkKey& key, std::uint64_t inode, NodeRef node, std::string_view name) {
  const NameKey name_key{node.index, node.generation, std::string(name)};
  if (const auto known = by_name_.find(name_key); known != by_name_.end()) {
    if (known->second == key) return &groups_[key];
    remove(node, name);
  }
  if (by_name_.size() >= bound) {
    full_ = true;
    return nullptr;
  }
  by_name_.emplace(name_key, key);
  Group& group = groups_[key];
  group.inode = inode;
  by_inode_[inode] = key;
  group.names.push_back({node, std::string(name), false});
  return &group;
}

LinkIndex::Group* LinkIndex::find(const LinkKey& key) {
  const auto found = groups_.find(key);
  return found == groups_.end() ? nullptr : &found->second;
}

const LinkIndex::Group* LinkIndex::find_inode(std::uint64_t inode) const {
  const auto key = by_inode_.find(inode);
  return key == by_inode_.end() ? nullptr : &groups_.at(key->second);
}

const LinkIndex::Group* LinkIndex::group_of(NodeRef node, std::string_view name) const {
  const auto known = by_name_.find({node.index, node.generation, std::string(name)});
  return known == by_name_.end() ? nullptr : &groups_.at(known->second);
}

LinkIndex::Group* LinkIndex::group_of(NodeRef node, std::string_view name) {
  return const_cast<Group*>(std::as_const(*this).group_of(node, name)); // of this very object, which is not const
}

std::size_t LinkIndex::position(const Group& group, NodeRef node, std::string_view name) {
  for (std::size_t i = 0; i < group.names.size(); ++i) {
    const Name& candidate = group.names[i];
    if (candidate.node.index == node.index && candidate.node.generation == node.generation && candidate.name == name)
      return i;
  }
  return no_leader;
}

void LinkIndex::remove(NodeRef node, std::string_view name, const LinkKey* except) {
  if (by_name_.empty()) return;
  const auto known = by_name_.find({node.index, node.generation, std::string(name)});
  if (known == by_name_.end() || (except != nullptr && known->second == *except)) return;
  const auto found = groups_.find(known->second);
  by_name_.erase(known);
  Group& group = found->second;
  group.searched_links = 0;
  const std::size_t index = position(group, node, name);
  const std::size_t last = group.names.size() - 1;
  if (group.leader == index) {
    // Any name that the stream has linked to the same content can stand in.
    group.leader = no_leader;
    for (std::size_t i = 0; i <= last; ++i)
      if (i != index && group.names[i].on_replica) group.leader = i;
  }
  if (group.leader == last) group.leader = index; // the last one takes the freed place
  if (index != last) group.names[index] = std::move(group.names[last]);
  group.names.pop_back();
  if (!group.names.empty()) return;
  if (const auto newest = by_inode_.find(group.inode); newest != by_inode_.end() && newest->second == found->first)
    by_inode_.erase(newest);
  groups_.erase(found);
}

void LinkIndex::remove_all(NodeRef node) {
  while (true) {
    const auto first = by_name_.lower_bound({node.index, node.generation, {}});
    if (first == by_name_.end() || first->first.node != node.index || first->first.generation != node.generation) return;
    const std::string name = first->first.name;
    remove(node, name);
  }
}

void LinkIndex::clear() {
  groups_.clear();
  by_name_.clear();
  by_inode_.clear();
  full_ = false;
}

} // namespace osync::engine
