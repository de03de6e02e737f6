#include "engine/rules.h"

#include <cstddef>

namespace osync::engine {
namespace {

constexpr std::size_t pattern_bound = 4096; ///< bytes in one pattern: PATH_MAX, longer ones are a mistake
constexpr std::size_t rules_bound = 10'000; ///< each is looked at for each entry
constexpr std::string_view any_depth = "**";
constexpr std::size_t npos = std::string_view::npos;

constexpr bool in_range(unsigned char c, unsigned char low, unsigned char high) {
  return c >= low && c <= high;
}

/// The classes of gitignore are those of the C locale, whatever the process's locale is.
bool in_named_class(std::string_view name, unsigned char c, bool& known) {
  const bool lower = in_range(c, 'a', 'z');
  const bool upper = in_range(c, 'A', 'Z');
  const bool digit = in_range(c, '0', '9');
  const bool graphic = in_range(c, '!', '~');
  const bool space = c == ' ' || in_range(c, '\t', '\r');
  const struct {
    std::string_view name;
    bool contains;
  } classes[] = {
      {"alnum", lower || upper || digit},
      {"alpha", lower || upper},
      {"blank", c == ' ' || c == '\t'},
      {"cntrl", c < 0x20 || c == 0x7f},
      {"digit", digit},
      {"graph", graphic},
      {"lower", lower},
      {"print", graphic || c == ' '},
      {"punct", graphic && !lower && !upper && !digit},
      {"space", space},
      {"upper", upper},
      {"xdigit", digit || in_range(c, 'a', 'f') || in_range(c, 'A', 'F')},
  };
  for (const auto& entry : classes)
    if (entry.name == name) return entry.contains;
  known = false;
  return false;
}

struct ClassVerdict {
  std::size_t end = npos; ///< behind the closing bracket; npos: there is none
  bool matches = false;
  bool names_known = true;
};

/// Reads the bracket expression at pattern[at] and says whether `c` is in it. The grammar is git's wildmatch:
/// '!' or '^' negates, ']' is literal in first place, '-' in last, '\' quotes, a '-' after a range or a named
/// class is literal.
ClassVerdict read_class(std::string_view pattern, std::size_t at, unsigned char c) {
  ClassVerdict verdict;
  std::size_t i = at + 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool matched = false;
  bool range_may_follow = false;
  unsigned char previous = 0;
  for (bool first = true; i < pattern.size(); first = false) {
    auto item = static_cast<unsigned char>(pattern[i]);
    if (item == ']' && !first) {
      verdict.end = i + 1;
      verdict.matches = matched != negated;
      return verdict;
    }
    if (item == '-' && range_may_follow && i + 1 < pattern.size() && pattern[i + 1] != ']') {
      ++i;
      if (pattern[i] == '\\' && ++i == pattern.size()) return verdict;
      matched = matched || in_range(c, previous, static_cast<unsigned char>(pattern[i]));
      range_may_follow = false;
      ++i;
      continue;
    }
    if (item == '[' && pattern.substr(i).starts_with("[:")) {
      const std::size_t close = pattern.find(']', i + 2);
      if (close == npos) return verdict;
      if (close > i + 2 && pattern[close - 1] == ':') {
        if (in_named_class(pattern.substr(i + 2, close - i - 3), c, verdict.names_known)) matched = true;
        range_may_follow = false;
        i = close + 1;
        continue;
      }
    }
    if (item == '\\') {
      if (++i == pattern.size()) return verdict;
      item = static_cast<unsigned char>(pattern[i]);
    }
    matched = matched || item == c;
    previous = item;
    range_may_follow = true;
    ++i;
  }
  return verdict;
}

/// Matches one byte against the item at pattern[at] (never a '*') and moves `at` behind that item.
bool match_item(std::string_view pattern, std::size_t& at, unsigned char c) {
  switch (pattern[at]) {
  case '?':
    ++at;
    return true;
  case '[': {
    const ClassVerdict verdict = read_class(pattern, at, c);
    at = verdict.end;
    return verdict.matches;
  }
  case '\\':
    ++at;
    [[fallthrough]];
  default:
    return static_cast<unsigned char>(pattern[at++]) == c;
  }
}

/// Whether a whole name matches a checked component. Only the last '*' is ever tried again, so the cost is at
/// most the product of the two lengths, whatever the pattern.
bool match_component(std::string_view pattern, std::string_view name) {
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = npos;
  std::size_t star_name = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_name = n;
      continue;
    }
    if (p < pattern.size() && match_item(pattern, p, static_cast<unsigned char>(name[n]))) {
      ++n;
      continue;
    }
    if (star == npos) return false;
    p = star;
    n = ++star_name;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

/// The components of a relative path, one after the other, without copying.
class PathCursor {
 public:
  explicit PathCursor(std::string_view path) : rest_(path) {}
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::string_view name() const { return rest_.substr(0, rest_.find('/')); }
  void advance() {
    const std::size_t slash = rest_.find('/');
    rest_ = slash == npos ? std::string_view() : rest_.substr(slash + 1);
  }

 private:
  std::string_view rest_;
};

/// As match_component, one level up: components instead of bytes, "**" instead of '*'. A "**" at the end
/// stands for one component or more: "a/**" is everything inside a, not a itself.
bool match_path(const std::vector<std::string>& components, std::string_view path) {
  std::size_t c = 0;
  PathCursor cursor(path);
  std::size_t star = npos;
  PathCursor star_cursor(path);
  while (!cursor.at_end()) {
    if (c < components.size() && components[c] == any_depth) {
      if (c + 1 == components.size()) return true;
      star = ++c;
      star_cursor = cursor;
      continue;
    }
    if (c < components.size() && match_component(components[c], cursor.name())) {
      ++c;
      cursor.advance();
      continue;
    }
    if (star == npos) return false;
    c = star;
    star_cursor.advance();
    cursor = star_cursor;
  }
  return c == components.size();
}

/// Where the component that begins at `at` ends: a '/' outside of brackets, or the pattern's end. An empty
/// `problem` means that it is well-formed.
std::size_t component_end(std::string_view pattern, std::size_t at, std::string& problem) {
  while (at < pattern.size() && pattern[at] != '/') {
    if (pattern[at] == '\\') {
      if (at + 1 == pattern.size()) problem = "ends with a backslash that quotes nothing";
      if (at + 1 == pattern.size() || pattern[at + 1] == '/') return at; // a quoted separator is a separator
      at += 2;
    } else if (pattern[at] == '[') {
      const ClassVerdict verdict = read_class(pattern, at, 0);
      if (!verdict.names_known) problem = "has an unknown [:class:]";
      if (verdict.end == npos) problem = "has a '[' that is not closed (write '\\[' for the bracket itself)";
      if (!problem.empty()) return pattern.size();
      at = verdict.end;
    } else {
      ++at;
    }
  }
  return at;
}

/// Splits into components; returns what is wrong, or nothing.
std::string split(std::string_view pattern, std::vector<std::string>& components) {
  for (std::size_t at = 0;;) {
    std::string problem;
    const std::size_t end = component_end(pattern, at, problem);
    if (!problem.empty()) return problem;
    const std::string_view component = pattern.substr(at, end - at);
    if (component.empty()) return "has an empty component ('//'), which no path has";
    if (component == "." || component == "..")
      return "has a component '.' or '..', which no relative path has";
    const bool stars_only = component.find_first_not_of('*') == npos;
    components.emplace_back(stars_only && component.size() > 1 ? any_depth : component);
    if (end == pattern.size()) return {};
    at = end + (pattern[end] == '\\' ? 2 : 1);
  }
}

/// What is wrong with a pattern's text before it is split, or nothing.
std::string check_text(std::string_view pattern) {
  if (pattern.empty()) return "is empty";
  if (pattern.size() > pattern_bound) return "has more than " + std::to_string(pattern_bound) + " bytes";
  if (pattern.find('\0') != npos) return "has a NUL byte, which no path has";
  return {};
}

} // namespace

Result<Rules> Rules::parse(const std::vector<Rule>& rules) {
  if (rules.size() > rules_bound)
    return Status(Code::invalid, "there are " + std::to_string(rules.size()) +
                                     " patterns, expected at most " + std::to_string(rules_bound));
  Rules parsed;
  for (const Rule& rule : rules) {
    std::string_view pattern = rule.pattern;
    Compiled compiled;
    compiled.exclude = rule.exclude && !pattern.starts_with('!');
    if (pattern.starts_with('!')) pattern.remove_prefix(1);
    std::string problem = check_text(pattern);
    if (problem.empty()) {
      compiled.directory_only = pattern.ends_with('/');
      if (compiled.directory_only) pattern.remove_suffix(1);
      compiled.anchored = pattern.find('/') != npos;
      if (pattern.starts_with('/')) pattern.remove_prefix(1);
      problem = pattern.empty() ? "names nothing below the root" : split(pattern, compiled.components);
    }
    if (!problem.empty()) return Status(Code::invalid, "the pattern " + problem, rule.pattern);
    // "**/x" and "x" say the same, and the short form is known to survive moves (RULES.md 11).
    if (compiled.components.size() == 2 && compiled.components.front() == any_depth) {
      compiled.components.erase(compiled.components.begin());
      compiled.anchored = false;
    }
    parsed.base_names_only_ = parsed.base_names_only_ && !compiled.anchored;
    parsed.compiled_.push_back(std::move(compiled));
  }
  return parsed;
}

bool Rules::excludes_entry(std::string_view path, bool directory) const {
  const std::string_view base_name = path.substr(path.rfind('/') + 1); // npos + 1 is 0
  for (auto rule = compiled_.rbegin(); rule != compiled_.rend(); ++rule) {
    if (rule->directory_only && !directory) continue;
    const bool matches = rule->anchored ? match_path(rule->components, path)
                                        : match_component(rule->components.front(), base_name);
    if (matches) return rule->exclude;
  }
  return false;
}

bool Rules::excludes(std::string_view path, bool directory) const {
  if (compiled_.empty()) return false;
  for (std::size_t slash = path.find('/'); slash != npos; slash = path.find('/', slash + 1))
    if (excludes_entry(path.substr(0, slash), true)) return true;
  return excludes_entry(path, directory);
}

} // namespace osync::engine
