// A YAML text as a tree of plain nodes with places. Nothing is interpreted: every scalar is its text.
//
// Stricter than YAML, so that a file says what it seems to say: one document, no duplicate keys, no merge
// keys (<<), no tags, no control characters. Anchors and aliases work; an aliased node is shared, never
// copied. No exception leaves. Nodes are immutable: any thread may read them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/mistakes.h"

namespace osync::config {

inline constexpr std::size_t yaml_bytes_bound = 1u << 20;
inline constexpr std::size_t yaml_depth_bound = 32;
inline constexpr std::size_t yaml_nodes_bound = 20'000;
inline constexpr std::size_t scalar_bytes_bound = 64u << 10; ///< before and after ${NAME} is expanded

struct Node {
  enum class Kind : std::uint8_t { null, scalar, sequence, mapping };
  struct Entry {
    std::string key;
    Place place; ///< of the key
    std::shared_ptr<const Node> value;
  };
  Kind kind = Kind::null;
  Place place;
  std::string text;                               ///< scalar
  std::vector<std::shared_ptr<const Node>> items; ///< sequence
  std::vector<Entry> entries;                     ///< mapping, in the order of the file, no key twice
};

/// What a node is, for messages: its text in quotation marks, "nothing", "a list" or "a mapping".
[[nodiscard]] std::string describe(const Node& node);

/// The tree of `text`, or nothing where it is no YAML at all; `mistakes` then says why. Mistakes that leave a
/// tree (a duplicate key, of which the first is kept) are reported too. `origin` names the file in places.
[[nodiscard]] std::shared_ptr<const Node> parse_yaml(std::string_view text, const std::string& origin,
                                                     Mistakes& mistakes);

} // namespace osync::config
