// The verdicts of gitignore(5), as a table, and the patterns that are refused.
#include <catch2/catch.hpp>

#include <chrono>
#include <string>
#include <vector>

#include "engine/rules.h"

using osync::Code;
using osync::engine::Rules;

namespace {

Rules rules_of(const std::vector<std::string>& patterns) {
  std::vector<Rules::Rule> rules;
  for (const std::string& pattern : patterns) rules.push_back({pattern, true});
  auto parsed = Rules::parse(rules);
  INFO(parsed.status().to_string());
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}

struct Case {
  std::vector<std::string> patterns;
  std::string path;
  bool directory;
  bool excluded;
};

} // namespace

TEST_CASE("rules give the verdicts of gitignore") {
  const std::vector<Case> cases = {
      // base names match at any depth
      {{"*.tmp"}, "x.tmp", false, true},
      {{"*.tmp"}, "a/b/x.tmp", false, true},
      {{"*.tmp"}, "x.tmp.keep", false, false},
      {{"core"}, "a/core", true, true},
      {{"core"}, "a/core2", true, false},
      // a slash at the front or in the middle anchors to the root
      {{"/core"}, "core", false, true},
      {{"/core"}, "a/core", false, false},
      {{"a/core"}, "a/core", false, true},
      {{"a/core"}, "b/a/core", false, false},
      // a slash at the end matches directories only
      {{"build/"}, "build", true, true},
      {{"build/"}, "build", false, false},
      {{"build/"}, "a/build", true, true},
      {{"/a/build/"}, "a/build", true, true},
      {{"/a/build/"}, "b/a/build", true, false},
      // '*' and '?' stay within a component
      {{"a/*"}, "a/b", false, true},
      {{"a/*.o"}, "a/b/c.o", false, false},
      {{"a?b"}, "axb", false, true},
      {{"a?b"}, "ab", false, false},
      {{"/a?b"}, "a/b", false, false},
      {{"a*b*c"}, "axxbyyc", false, true},
      {{"a*b*c"}, "axxbyy", false, false},
      {{"*"}, "anything", false, true},
      {{"?"}, "\xff", false, true},
      // '**' crosses components
      {{"**/x"}, "x", false, true},
      {{"**/x"}, "a/b/x", false, true},
      {{"a/**"}, "a", true, false},
      {{"a/**"}, "a/b", false, true},
      {{"a/**"}, "a/b/c", false, true},
      {{"a/**/z"}, "a/z", false, true},
      {{"a/**/z"}, "a/b/z", false, true},
      {{"a/**/z"}, "a/b/c/d/z", false, true},
      {{"a/**/z"}, "az", false, false},
      {{"a/**/b/**/c"}, "a/x/b/y/b/c", false, true},
      {{"a/**/b/**/c"}, "a/x/c", false, false},
      {{"**"}, "a/b", false, true},
      {{"/**"}, "a", false, true},
      {{"**/"}, "a", true, true},
      {{"**/"}, "a", false, false},
      {{"a**b"}, "axyb", false, true},
      {{"x/a**b"}, "x/a/b", false, false},
      {{"**/a/b"}, "x/y/a/b", false, true},
      // classes
      {{"[abc]"}, "b", false, true},
      {{"[abc]"}, "d", false, false},
      {{"[!abc]"}, "d", false, true},
      {{"[^abc]"}, "a", false, false},
      {{"x[0-9]"}, "x5", false, true},
      {{"x[0-9]"}, "xa", false, false},
      {{"[]]"}, "]", false, true},
      {{"[!]]"}, "]", false, false},
      {{"[a-]"}, "-", false, true},
      {{"[-a]"}, "-", false, true},
      {{"[a-c-e]"}, "d", false, false},
      {{"[a-c-e]"}, "-", false, true},
      {{"[\\]]"}, "]", false, true},
      {{"[\\a-\\c]"}, "b", false, true},
      {{"[[:digit:]x]"}, "7", false, true},
      {{"[[:digit:]x]"}, "x", false, true},
      {{"[[:upper:]]"}, "a", false, false},
      {{"[[:xdigit:]][[:space:]]"}, "f ", false, true},
      {{"[[:a]"}, ":", false, true},
      {{"[[:]x"}, "[x", false, true},
      {{"a[x/]b"}, "axb", false, true},
      {{"a[x/]b"}, "c/axb", false, false}, // the slash anchors, even inside of brackets
      {{"a[x/]b"}, "a/b", false, false},
      {{"[\x80-\xff]"}, "\xe4", false, true},
      // quoting
      {{"\\*"}, "*", false, true},
      {{"\\*"}, "a", false, false},
      {{"\\!x"}, "!x", false, true},
      {{"a\\/b"}, "a/b", false, true},
      {{"#x"}, "#x", false, true},
      {{" x "}, " x ", false, true},
      // the last match wins
      {{"*.o", "!keep.o"}, "keep.o", false, false},
      {{"*.o", "!keep.o"}, "a/keep.o", false, false},
      {{"!keep.o", "*.o"}, "keep.o", false, true},
      {{"*", "!a", "a/"}, "a", true, true},
      // nothing matches
      {{"x"}, "y", false, false},
      {{}, "y", false, false},
  };
  for (const Case& entry : cases) {
    const Rules rules = rules_of(entry.patterns);
    std::string patterns;
    for (const std::string& pattern : entry.patterns) patterns += "'" + pattern + "' ";
    INFO(patterns << "on '" << entry.path << (entry.directory ? "/'" : "'"));
    CHECK(rules.excludes_entry(entry.path, entry.directory) == entry.excluded);
  }
}

TEST_CASE("rules exclude everything below an excluded directory") {
  const Rules rules = rules_of({"build/", "!build/keep", "/a/*", "!/a/b"});
  CHECK(rules.excludes("build/keep", false));
  CHECK_FALSE(rules.excludes_entry("build/keep", false)); // a walk never gets there
  CHECK(rules.excludes("x/build/deep/er", false));
  CHECK_FALSE(rules.excludes("build", false)); // a file of that name
  CHECK(rules.excludes("a/c/d", false));
  CHECK_FALSE(rules.excludes("a/b/d", false));
  CHECK_FALSE(rules.excludes("", true)); // the root
}

TEST_CASE("rules include again by '!' or by exclude: false") {
  for (const Rules::Rule& again :
       {Rules::Rule{"!a.o", true}, Rules::Rule{"a.o", false}, Rules::Rule{"!a.o", false}}) {
    const auto rules = Rules::parse({{"*.o", true}, again});
    REQUIRE(rules.ok());
    CHECK_FALSE(rules.value().excludes("a.o", false));
    CHECK(rules.value().excludes("b.o", false));
  }
}

TEST_CASE("rules know whether moves can change a verdict") {
  CHECK(Rules().base_names_only());
  CHECK(Rules().empty());
  CHECK(rules_of({"*.o", "build/", "!x", "**/y"}).base_names_only());
  CHECK_FALSE(rules_of({"*.o", "/x"}).base_names_only());
  CHECK_FALSE(rules_of({"a/x"}).base_names_only());
  CHECK_FALSE(rules_of({"a/**"}).base_names_only());
  CHECK_FALSE(rules_of({"**/a/b"}).base_names_only());
}

TEST_CASE("rules refuse patterns that can never do what they say") {
  const struct {
    std::string pattern;
    std::string problem;
  } cases[] = {
      {"", "is empty"},
      {"!", "is empty"},
      {"/", "below the root"},
      {"!/", "below the root"},
      {"//", "below the root"},
      {"a//b", "empty component"},
      {"a//", "empty component"},
      {"a/../b", "'..'"},
      {"./a", "'.'"},
      {"a\\", "backslash"},
      {"a\\/", "backslash"},
      {"[", "not closed"},
      {"x[]", "not closed"},
      {"x[a-", "not closed"},
      {"x[\\", "not closed"},
      {"x[[:alpha:]", "not closed"},
      {"[[:alfa:]]", "unknown [:class:]"},
      {std::string("a\0b", 3), "NUL"},
      {std::string(4097, 'a'), "more than 4096"},
  };
  for (const auto& entry : cases) {
    const auto rules = Rules::parse({{"fine", true}, {entry.pattern, true}});
    INFO(entry.pattern.substr(0, 40));
    REQUIRE_FALSE(rules.ok());
    CHECK(rules.status().code() == Code::invalid);
    CHECK(rules.status().path() == entry.pattern);
    CHECK_THAT(std::string(rules.status().message()), Catch::Contains(entry.problem));
  }
  CHECK_FALSE(Rules::parse(std::vector<Rules::Rule>(10'001, {"a", true})).ok());
}

TEST_CASE("rules match hostile patterns without backtracking") {
  // Naive matchers need longer than the age of the universe for these.
  std::string stars;
  for (int i = 0; i < 120; ++i) stars += "a*";
  std::string depths;
  std::string deep;
  for (int i = 0; i < 60; ++i) depths += "**/a/";
  for (int i = 0; i < 1000; ++i) deep += "a/";
  const Rules rules = rules_of({stars + "b", "/" + depths + "b"});
  const auto begin = std::chrono::steady_clock::now();
  CHECK_FALSE(rules.excludes_entry(std::string(255, 'a'), false));
  CHECK_FALSE(rules.excludes_entry(deep + "a", false));
  CHECK(rules.excludes_entry(deep + "b", false));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}
