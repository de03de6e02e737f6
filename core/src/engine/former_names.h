// Names that files with several links had, and have no more. A writer that opened such a file by such a name goes on
// writing, and every kernel interface reports its writes for that name alone (WATCHERS.md): a content event on a former name
// speaks for the names that are left (RULES.md 10).
//
// Where the file is then is followed by its inode number, as looks meet it. An inode number that is used again only makes
// osync look at a file in vain. Bounded: the oldest of too many names is forgotten, and its writes are found by the
// periodic verify only.
//
// A second one of these keeps the names that files are being written through. They count as former names once they are
// gone: the file may have got another name between two looks, by which its inode number can be recognised.
// Pure; the engine's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/stream.h"
#include "osync/types.h"

namespace osync::engine {

class FormerNames {
 public:
  explicit FormerNames(std::size_t bound = 65'536) : bound_(bound) {}

  static constexpr std::size_t names_of_a_file = 64; ///< followed; more are left to the periodic verify
  static constexpr std::size_t files_of_a_name = 16; ///< that had it one after the other

  struct Name {
    NodeRef node;
    std::string name;
  };

  [[nodiscard]] bool empty() const noexcept { return by_name_.empty(); }

  /// directory/name is no name of the file `inode` any more.
  void left(const ObjectId& directory, std::string_view name, std::uint64_t inode);
  /// A look has found the file at this name.
  void met(std::uint64_t inode, NodeRef node, std::string_view name);
  /// The names that a write through directory/name may concern; empty: it is no former name.
  [[nodiscard]] std::vector<Name> names_behind(const ObjectId& directory, std::string_view name) const;
  /// As names_behind, of one file.
  [[nodiscard]] std::vector<Name> names_of(std::uint64_t inode) const;
  /// The files that directory/name was a name of.
  [[nodiscard]] std::vector<std::uint64_t> files_of(const ObjectId& directory, std::string_view name) const;
  /// Whether any former name is one of the directory: then its watch still tells something when it is removed.
  [[nodiscard]] bool any_in(const ObjectId& directory) const;

 private:
  using Key = std::pair<std::pair<std::uint64_t, std::uint64_t>, std::string>;
  struct File {
    std::uint32_t former_names = 0;
    std::vector<Name> names;
  };
  static Key key(const ObjectId& directory, std::string_view name) {
    return {{directory.high, directory.low}, std::string(name)};
  }
  void release(std::uint64_t inode);

  std::size_t bound_;
  std::map<Key, std::vector<std::uint64_t>> by_name_; ///< inodes; ordered, so that a directory's names are neighbours
  std::unordered_map<std::uint64_t, File> files_;
  std::deque<Key> oldest_first_;
};

} // namespace osync::engine
