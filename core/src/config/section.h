// A mapping of the pipeline file while it is read: hands out its keys by name and knows afterwards which were
// not asked for. Used while a Pipeline is built; not kept. Thread-safety: none needed, one thread.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/environment.h"
#include "config/mistakes.h"
#include "config/pipeline.h"
#include "config/yaml_tree.h"
#include "osync/plugin.h"

namespace osync::config {

/// What all sections of one file share. Outlives them.
struct Reading {
  const Environment& environment;
  Mistakes& mistakes;
};

class Section {
 public:
  /// `node` may be null: all is left out. Anything but a mapping is a mistake and then treated as left out.
  /// Nodes outlive the section. `key` is the full one, empty at the top.
  Section(Reading& reading, const Node* node, std::string key, Place place);

  [[nodiscard]] const Place& place() const noexcept { return place_; }
  [[nodiscard]] std::string key_of(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;

  /// The value of `name`, which becomes a known key; null where it is left out.
  const Node* take(std::string_view name);
  /// The place of the key `name` where it stands, else of the section.
  [[nodiscard]] Place place_of(std::string_view name) const;
  Section section(std::string_view name);

  /// The text of `name` with variables expanded. A list, a mapping or nothing is a mistake.
  std::optional<Scalar> scalar(std::string_view name, std::string_view expected);

  /// Each sets `value` where `name` is given and right; `range` as in OptionSpec.
  void boolean(std::string_view name, bool& value);
  void number(std::string_view name, OptionType type, std::string_view range, std::int64_t& value);
  void text(std::string_view name, OptionType type, std::string_view range, std::string& value);

  /// The keys that nobody asked for, as options (the shorthand without `options:`).
  std::vector<RawOption> rest_as_options();

  /// Reports the keys that nobody asked for.
  void refuse_rest();

 private:
  [[nodiscard]] const Node::Entry* find(std::string_view name) const;
  std::optional<Scalar> scalar_of(const Node::Entry& entry, std::string_view expected);

  Reading& reading_;
  const Node* node_;
  std::string key_;
  Place place_;
  std::set<std::string, std::less<>> known_;
};

/// The text of a node with variables expanded; a mistake and nothing where it has none.
std::optional<Scalar> scalar_text(Reading& reading, const Node& node, const std::string& key,
                                  const Place& place, std::string_view expected);

} // namespace osync::config
