// osync's rules against git itself: random patterns on a random tree, verdicts of `git check-ignore`.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/rules.h"
#include "support/temporary.h"

using osync::engine::Rules;
namespace fs = std::filesystem;

namespace {

struct Entry {
  std::string path;
  bool directory;
};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}
  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

  /// One component. No "**" next to other characters: there git differs from its own manual (it strips the
  /// literal part of a pattern first, so that "a**/b" is taken for "a" followed by "**/b").
  std::string component() {
    static const std::vector<std::string> pieces = {"a",    "b",    "c",    "ab",    "*",   "?",
                                                    "[ab]", "[!a]", "[^b]", "[a-c]", "\\a", "[[:alpha:]]",
                                                    "*c",   "b*",   "[]a]", "[a-]",  "a*b"};
    std::string text;
    for (unsigned i = 0, count = 1 + below(3); i < count; ++i) {
      const std::string& piece = pieces[below(static_cast<unsigned>(pieces.size()))];
      if (text.ends_with('*') && piece.starts_with('*')) continue;
      text += piece;
    }
    return text;
  }

  std::string pattern() {
    std::string text = below(4) == 0 ? "!" : "";
    if (below(4) == 0) text += "/";
    for (unsigned i = 0, count = 1 + below(3); i < count; ++i) {
      if (i > 0) text += "/";
      text += below(5) == 0 ? "**" : component();
    }
    if (below(4) == 0) text += "/";
    return text;
  }

 private:
  std::mt19937 random_;
};

std::vector<Entry> make_tree(const fs::path& root, Generator& generator) {
  std::vector<Entry> entries;
  std::vector<std::string> directories = {""};
  static const std::vector<std::string> names = {"a", "b", "c", "ab", "ba", "abc", "aab", "x"};
  std::set<std::string> seen;
  for (int i = 0; i < 400; ++i) {
    const std::string& parent = directories[generator.below(static_cast<unsigned>(directories.size()))];
    const std::string path = parent + names[generator.below(static_cast<unsigned>(names.size()))];
    if (std::count(path.begin(), path.end(), '/') > 4 || !seen.insert(path).second) continue;
    const bool directory = generator.below(2) == 0;
    if (directory) {
      fs::create_directory(root / path);
      directories.push_back(path + "/");
    } else {
      osync::test::write_file(root / path, "");
    }
    entries.push_back({path, directory});
  }
  return entries;
}

/// The paths of `list` (NUL-separated) that git ignores below `root`.
std::set<std::string> git_ignored(const fs::path& root, const fs::path& list) {
  const std::string command =
      "cd '" + root.string() + "' && git check-ignore --no-index --stdin -z < '" + list.string() + "'";
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  char buffer[4096];
  for (std::size_t got; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, got);
  const int status = pclose(pipe);
  REQUIRE((WIFEXITED(status) && WEXITSTATUS(status) <= 1)); // 1: nothing is ignored
  std::set<std::string> ignored;
  for (std::size_t begin = 0; begin < output.size();) {
    const std::size_t end = output.find('\0', begin);
    ignored.insert(output.substr(begin, end - begin));
    begin = end + 1;
  }
  return ignored;
}

} // namespace

TEST_CASE("rules agree with git check-ignore") {
  if (std::system("git --version > /dev/null 2>&1") != 0) {
    WARN("skipped: there is no git on this machine to compare with");
    return;
  }
  const osync::test::TemporaryDirectory directory;
  const fs::path root = directory.path() / "tree";
  fs::create_directory(root);
  // Nothing of the user's own configuration may take part.
  setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
  setenv("GIT_CONFIG_SYSTEM", "/dev/null", 1);
  setenv("XDG_CONFIG_HOME", directory.path().c_str(), 1);
  REQUIRE(std::system(("git init -q '" + root.string() + "'").c_str()) == 0);
  Generator tree_generator(1);
  const std::vector<Entry> entries = make_tree(root, tree_generator);
  std::string list;
  for (const Entry& entry : entries) list += entry.path + '\0';
  osync::test::write_file(directory / "list", list);

  std::size_t excluded = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    Generator generator(seed);
    std::vector<Rules::Rule> rules;
    std::string text;
    for (unsigned i = 0, count = 1 + generator.below(6); i < count; ++i) {
      rules.push_back({generator.pattern(), true});
      text += rules.back().pattern + "\n";
    }
    osync::test::write_file(root / ".gitignore", text);
    const auto parsed = Rules::parse(rules);
    INFO("seed " << seed << ", patterns:\n" << text << parsed.status().to_string());
    REQUIRE(parsed.ok());
    const std::set<std::string> ignored = git_ignored(root, directory / "list");
    std::string differences;
    for (const Entry& entry : entries)
      if (parsed.value().excludes(entry.path, entry.directory) != ignored.contains(entry.path))
        differences += entry.path + (entry.directory ? "/ " : " ") +
                       (ignored.contains(entry.path) ? "(git ignores)\n" : "(git does not)\n");
    CHECK(differences == "");
    excluded += ignored.size();
  }
  CHECK(excluded > entries.size()); // the comparison was about something
}
