#include "engine/former_names.h"

#include <algorithm>

namespace osync::engine {

void FormerNames::left(const ObjectId& directory, std::string_view name, std::uint64_t inode) {
  if (inode == 0) return;
  Key former = key(directory, name);
  auto [known, fresh] = by_name_.try_emplace(former);
  std::vector<std::uint64_t>& inodes = known->second;
  if (std::find(inodes.begin(), inodes.end(), inode) != inodes.end()) return;
  if (inodes.size() >= files_of_a_name) {
    release(inodes.front());
    inodes.erase(inodes.begin());
  }
  inodes.push_back(inode);
  ++files_[inode].former_names;
  if (fresh) oldest_first_.push_back(std::move(former));
  while (by_name_.size() > bound_) {
    const auto oldest = by_name_.find(oldest_first_.front());
    for (const std::uint64_t gone : oldest->second) release(gone);
    by_name_.erase(oldest);
    oldest_first_.pop_front();
  }
}

void FormerNames::release(std::uint64_t inode) {
  const auto file = files_.find(inode);
  if (file != files_.end() && --file->second.former_names == 0) files_.erase(file);
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

std::vector<std::uint64_t> FormerNames::files_of(const ObjectId& directory, std::string_view name) const {
  if (by_name_.empty()) return {};
  const auto former = by_name_.find(key(directory, name));
  return former == by_name_.end() ? std::vector<std::uint64_t>() : former->second;
}

std::vector<FormerNames::Name> FormerNames::names_of(std::uint64_t inode) const {
  const auto file = files_.find(inode);
  return file == files_.end() ? std::vector<Name>() : file->second.names;
}

std::vector<FormerNames::Name> FormerNames::names_behind(const ObjectId& directory, std::string_view name) const {
  std::vector<Name> names;
  for (const std::uint64_t inode : files_of(directory, name)) {
    const std::vector<Name> more = names_of(inode);
    names.insert(names.end(), more.begin(), more.end());
  }
  return names;
}

bool FormerNames::any_in(const ObjectId& directory) const {
  const auto first = by_name_.lower_bound(key(directory, {}));
  return first != by_name_.end() && first->first.first == std::pair(directory.high, directory.low);
}

} // namespace osync::engine
