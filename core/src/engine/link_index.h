// Which names of the source are hard links of one file, for files with more than one link.
//
// Contents of a group are sent once, through one name (the leader); the other names follow as links to it. A change
// through any name makes that name the leader, and every other name is linked anew, because the replica replaces
// files by renaming, which would otherwise split the group.
// Bounded by `bound` names; beyond it files are sent name by name, and full() says so.
// Pure; the engine's thread.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/stream.h"
#include "osync/types.h"

namespace osync::engine {

/// A file of the source: its identity where the reader gave one, else its inode number.
struct LinkKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const LinkKey&, const LinkKey&) = default;
};

class LinkIndex {
 public:
  static constexpr std::size_t bound = 1'000'000;

  struct Name {
    NodeRef node;
    std::string name;
    bool on_replica = false; ///< the stream has linked it to the leader's present content, while its directory had
    std::uint32_t placement = 0; ///< this placement
  };
  struct Group {
    std::vector<Name> names;
    std::size_t leader = no_leader; ///< index into names: its content, with `version`, is in the stream
    NodeRef content_node;           ///< with content_name: whose content is being read or waits for the stream, if
    std::string content_name;       ///< that entry still wants it
    Attributes version;             ///< as sent through the leader
    std::uint64_t inode = 0;
    std::uint32_t searched_links = 0; ///< a search for all names was begun when there were so many links
  };
  static constexpr std::size_t no_leader = static_cast<std::size_t>(-1);

  [[nodiscard]] static LinkKey key_of(const ObjectId& id, const Attributes& attributes) {
    return id.valid() ? LinkKey{id.high, id.low} : LinkKey{0, attributes.inode};
  }
  /// Whether content and attributes of the group's leader are what `attributes` says now (ctime aside: it changes
  /// with every link).
  [[nodiscard]] static bool same_version(const Attributes& sent, const Attributes& now) {
    return sent.size == now.size && sent.mtime == now.mtime && sent.mode == now.mode && sent.uid == now.uid &&
           sent.gid == now.gid;
  }

  /// The group of `key` with the name in it (added if there is room); nullptr when the index is full.
  Group* add(const LinkKey& key, std::uint64_t inode, NodeRef node, std::string_view name);
  [[nodiscard]] Group* find(const LinkKey& key);
  /// The newest group of that inode number; a hint only, because inode numbers are used again.
  [[nodiscard]] const Group* find_inode(std::uint64_t inode) const;
  /// The group that a name is in; nullptr when it is in none.
  [[nodiscard]] const Group* group_of(NodeRef node, std::string_view name) const;
  [[nodiscard]] Group* group_of(NodeRef node, std::string_view name);
  /// The index of a name in its group; no_leader when it is not there.
  [[nodiscard]] static std::size_t position(const Group& group, NodeRef node, std::string_view name);
  /// Forgets a name wherever it is, because it is gone or is another file now (unless it is of group `except`).
  void remove(NodeRef node, std::string_view name, const LinkKey* except = nullptr);
  /// Calls `visit(name, group)` for every name in a directory.
  template <class Visit>
  void for_directory(NodeRef node, Visit visit) const {
    for (auto name = by_name_.lower_bound({node.index, node.generation, {}});
         name != by_name_.end() && name->first.node == node.index && name->first.generation == node.generation; ++name)
      visit(name->first.name, groups_.at(name->second));
  }
  /// Forgets all names in a directory that is gone.
  void remove_all(NodeRef node);
  /// Forgets everything.
  void clear();
  [[nodiscard]] std::size_t names() const noexcept { return by_name_.size(); }
  [[nodiscard]] bool full() const noexcept { return full_; }

 private:
  struct KeyHash {
    std::size_t operator()(const LinkKey& key) const noexcept { return static_cast<std::size_t>(key.high ^ key.low); }
  };
  struct NameKey {
    NodeIndex node;
    std::uint32_t generation;
    std::string name;
    friend auto operator<=>(const NameKey&, const NameKey&) = default;
  };
  std::unordered_map<LinkKey, Group, KeyHash> groups_;
  std::map<NameKey, LinkKey> by_name_; ///< ordered, so that a directory's names are neighbours
  std::unordered_map<std::uint64_t, LinkKey> by_inode_;
  bool full_ = false;
};

} // namespace osync::engine
