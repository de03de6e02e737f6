// The directories that items of the stream are about just now, as a tree of path components.
//
// ApplyOrder asks it two things: which directories above a path have work, and which below. A node is *live*
// while something holds it or a node below it; nodes that are not live are kept for a while, because the next
// items are likely to be about the same directories, and swept when there are many. Pure; one user at a time.
// Bounds: `idle_bound` nodes that are not live; live ones are bounded by what is held.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace osync::engine {

class PathTree {
 public:
  using Index = std::uint32_t;
  static constexpr Index none = 0xffffffff;
  static constexpr Index root = 0;
  static constexpr std::size_t idle_bound = 4096;

  struct Node {
    std::string name; ///< its last component; empty for the root
    Index parent = none;
    std::uint32_t live = 0; ///< holds of this node and of all nodes below it
    std::uint32_t live_children = 0;
    Index first_child = none;                           ///< of the live children
    Index previous_sibling = none, next_sibling = none; ///< among the live children of `parent`
    // What ApplyOrder keeps at a directory; indices of its items.
    std::uint32_t first_item = none,
                  last_item = none;        ///< items of this directory, in the order of the stream
    std::vector<std::uint32_t> references; ///< items that link to the file at this path
  };

  PathTree();

  /// The node of a relative path, made where it is new. It is certain to exist only until the next locate(),
  /// unless it is held.
  [[nodiscard]] Index locate(std::string_view path);
  /// The live child of that name, or `none`.
  [[nodiscard]] Index live_child(Index node, std::string_view name) const;

  void hold(Index node);
  void release(Index node);

  [[nodiscard]] Node& at(Index node) { return nodes_[node]; }
  [[nodiscard]] const Node& at(Index node) const { return nodes_[node]; }
  /// Nodes that are live.
  [[nodiscard]] std::size_t live_nodes() const noexcept { return known_.size() + 1 - idle_; }
  [[nodiscard]] std::size_t nodes() const noexcept { return known_.size() + 1; }

 private:
  struct Key {
    Index parent;
    std::string_view name; ///< into the node: a deque does not move its elements
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      return std::hash<std::string_view>{}(key.name) ^ (key.parent * 0x9e3779b97f4a7c15ull);
    }
  };

  [[nodiscard]] Index child(Index parent, std::string_view name);
  void make_live(Index node);
  void make_idle(Index node);
  void sweep();

  std::deque<Node> nodes_;
  std::vector<Index> free_;
  std::unordered_map<Key, Index, KeyHash> known_; ///< all but the root
  std::size_t idle_ = 1;
  std::string last_path_;
  Index last_node_ = root;
};

} // namespace osync::engine
