#include "engine/former_names.h"

#include <algorithm>

namespace osync::engine {

void FormerNames::left(const ObjectId& directory, std::string_view name, std::uint64_t inode) {
  if (inode == 0) return;
  Key former = key(directory, name);
  if (const auto known = by_name_.find(former); known != by_name_.end()) forget(known);
  by_name_.emplace(former, inode);
  ++files_[inode].former_names;
  oldest_first_.push_back(std::move(former));
  while (by_name_.size() > bound || oldest_first_.size() > 2 * bound) {
    if (const auto oldest = by_name_.find(oldest_first_.front()); oldest != by_name_.end()) forget(oldest);
    oldest_first_.pop_front();
  }
}

void FormerNames::forget(std::map<Key, std::uint64_t>::iterator former) {
  const auto file = files_.find(former->second);
  if (file != files_.end() && --file->second.former_names == 0) files_.erase(file);
  by_name_.erase(former);
}

void FormerNames::met(std::uint64_t inode, NodeRef node, std::string_view name) {
  const auto file = files_.find(inode);
  if (file == files_.end()) return;
  auto& names = file->second.names;
  const bool known = std::any_of(names.begin(), names.end(), [&](const Name& other) {
    return other.node.index == node.index && other.node.generation == node.generation && other.name == name;
  });
  if (known) return;
  if (names.size() >= names_of_a_file) names.erase(names.begin());
  names.push_back({node, std::string(name)});
}

const std::vector<FormerNames::Name>& FormerNames::names_behind(const ObjectId& directory, std::string_view name) const {
  static const std::vector<Name> none;
  const auto former = by_name_.find(key(directory, name));
  if (former == by_name_.end()) return none;
  const auto file = files_.find(former->second);
  return file == files_.end() ? none : file->second.names;
}

bool FormerNames::any_in(const ObjectId& directory) const {
  const auto first = by_name_.lower_bound(key(directory, {}));
  return first != by_name_.end() && first->first.first == std::pair(directory.high, directory.low);
}

} // namespace osync::engine
