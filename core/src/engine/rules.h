// Which paths are left out: gitignore patterns in order, the last match wins (gitignore(5)).
//
// Patterns: `*` and `?` match within a component, `**` across components, `[...]` classes, a leading '/' or a '/' in the
// middle anchors to the root, a trailing '/' matches directories only, a leading '!' includes again, '\' quotes. An
// excluded directory excludes everything below it (nothing below can be included again), as with git.
// Pure and immutable after building: any thread may ask.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "osync/status.h"

namespace osync::engine {

class Rules {
 public:
  struct Rule {
    std::string pattern;
    bool exclude = true; ///< false: include again (also written as a leading '!')
  };

  /// No rules: nothing is excluded.
  Rules() = default;

  /// Errors: invalid, naming the pattern and what is wrong with it (empty, unclosed class, trailing backslash, too long).
  static Result<Rules> parse(const std::vector<Rule>& rules);

  /// Whether the entry at `path` itself matches as excluded; its ancestors are taken to be included (a walk from the root
  /// never enters an excluded directory).
  [[nodiscard]] bool excludes_entry(std::string_view path, bool directory) const;

  /// Whether `path` or one of its ancestors is excluded; for paths that did not come from a walk.
  [[nodiscard]] bool excludes(std::string_view path, bool directory) const;

  [[nodiscard]] bool empty() const noexcept { return compiled_.empty(); }

  /// Whether all patterns look at base names only, so that moving a directory changes no verdict (RULES.md 11).
  [[nodiscard]] bool base_names_only() const noexcept { return base_names_only_; }

 private:
  struct Compiled {
    std::vector<std::string> components; ///< "**" stands for itself
    bool anchored = false;
    bool directory_only = false;
    bool exclude = true;
  };
  std::vector<Compiled> compiled_;
  bool base_names_only_ = true;
};

} // namespace osync::engine
