// The dependency rules of the house (CONTRIBUTING.md), read from the sources themselves.
#include <catch2/catch.hpp>

#include <cctype>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support/paths.h"
#include "support/temporary.h"

namespace fs = std::filesystem;

namespace {

const fs::path root = osync::test::source_directory();

struct Include {
  std::string name;
  bool quoted;
};

std::vector<fs::path> sources_below(const fs::path& directory) {
  std::vector<fs::path> files;
  if (!fs::is_directory(directory)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.path().extension() == ".h" || entry.path().extension() == ".cpp") files.push_back(entry.path());
  return files;
}

/// The code of one line without its comment.
std::string code_of(const std::string& line) { return line.substr(0, line.find("//")); }

std::vector<Include> includes_of(const std::string& text) {
  std::vector<Include> includes;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t word = line.find_first_not_of(" \t");
    if (word == std::string::npos || line[word] != '#') continue;
    const std::size_t include = line.find("include", word);
    const std::size_t begin = line.find_first_of("<\"", word);
    if (include == std::string::npos || begin == std::string::npos) continue;
    const std::size_t end = line.find_first_of(">\"", begin + 1);
    includes.push_back({line.substr(begin + 1, end - begin - 1), line[begin] == '"'});
  }
  return includes;
}

/// What is wrong with the includes of a plugin's file: only its own folder, the SDK and libraries are
/// allowed.
std::string plugin_problem(const fs::path& plugin, const fs::path& file, const Include& include) {
  if (include.name.starts_with("osync/")) return {};
  if (include.name.find("..") != std::string::npos) return "leaves its folder";
  if (fs::exists(root / "core/src" / include.name)) return "is of core/src";
  const bool own = fs::exists(file.parent_path() / include.name) || fs::exists(plugin / include.name);
  return include.quoted && !own ? "is neither its own nor the SDK's" : std::string();
}

/// Of core/src: itself, the SDK, what the build makes of the wire schema, and libraries.
std::string core_problem(const Include& include) {
  if (include.name.find("..") != std::string::npos || include.name.starts_with("plugins/"))
    return "leaves core/src";
  if (!include.quoted) return {};
  const bool known = fs::exists(root / "core/src" / include.name) ||
                     fs::exists(root / "core/include" / include.name) || include.name.ends_with(".pb.h");
  return known ? std::string() : "is neither of core/src nor the SDK's";
}

/// Of the SDK: the C++ standard library and the SDK. A C header or one with a folder is another library's.
std::string sdk_problem(const Include& include) {
  if (include.quoted) return include.name.starts_with("osync/") ? std::string() : "is not the SDK's";
  return include.name.find_first_of("./") == std::string::npos ? std::string()
                                                               : "is not of the C++ standard library";
}

/// Of the engine: itself, the SDK, and the parts of the standard library that neither call the system nor run
/// threads
/// (<cstdio> for snprintf only, see impure_name).
std::string engine_problem(const Include& include) {
  static const std::set<std::string> impure = {"thread",  "mutex",      "shared_mutex", "condition_variable",
                                               "future",  "filesystem", "fstream",      "iostream",
                                               "random",  "ctime",      "csignal",      "atomic",
                                               "barrier", "latch",      "semaphore",    "stop_token",
                                               "locale"};
  if (include.quoted)
    return include.name.starts_with("engine/") || include.name.starts_with("osync/") ? std::string()
                                                                                     : "is not pure";
  if (include.name.find_first_of("./") != std::string::npos) return "is not of the C++ standard library";
  return impure.contains(include.name) ? "is not pure" : std::string();
}

/// The first impure function or type that a line of engine code names, or nothing. Members are somebody
/// else's.
std::string impure_name(const std::string& line) {
  const std::string code = code_of(line);
  for (const std::string name :
       {"now(", "system_clock", "steady_clock", "high_resolution_clock", "getenv", "rand(", "random_device",
        "this_thread", "printf(", "fprintf(", "puts(", "fopen(", "syscall("})
    for (std::size_t at = code.find(name); at != std::string::npos; at = code.find(name, at + 1)) {
      const char before = at == 0 ? ' ' : code[at - 1];
      const bool other_name =
          std::isalnum(static_cast<unsigned char>(before)) != 0 || before == '_' || before == '.';
      if (!other_name && !code.substr(0, at).ends_with("->")) return name;
    }
  return {};
}

template <class Problem>
std::size_t check_includes(const fs::path& directory, Problem problem) {
  std::size_t files = 0;
  for (const fs::path& file : sources_below(directory)) {
    ++files;
    for (const Include& include : includes_of(osync::test::read_file(file))) {
      INFO(fs::relative(file, root).string() << " includes " << include.name);
      CHECK(problem(file, include) == "");
    }
  }
  return files;
}

} // namespace

TEST_CASE("house: a plugin includes the SDK and nothing of core/src or of another plugin") {
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(root / "plugins"))
    if (entry.is_directory())
      files += check_includes(entry.path(), [&](const fs::path& file, const Include& include) {
        return plugin_problem(entry.path(), file, include);
      });
  CHECK(files > 0);
}

TEST_CASE("house: core/src never includes a plugin") {
  CHECK(check_includes(root / "core/src",
                       [](const fs::path&, const Include& include) { return core_problem(include); }) > 0);
}

TEST_CASE("house: SDK headers hold only the standard library and themselves") {
  CHECK(check_includes(root / "core/include",
                       [](const fs::path&, const Include& include) { return sdk_problem(include); }) > 0);
}

TEST_CASE("house: the engine is pure") {
  CHECK(check_includes(root / "core/src/engine",
                       [](const fs::path&, const Include& include) { return engine_problem(include); }) > 0);
  for (const fs::path& file : sources_below(root / "core/src/engine")) {
    std::istringstream lines(osync::test::read_file(file));
    std::size_t number = 0;
    for (std::string line; std::getline(lines, line);) {
      ++number;
      if (const std::string name = impure_name(line); !name.empty()) {
        INFO(fs::relative(file, root).string() << ":" << number << ": " << line);
        CHECK(name == "");
      }
    }
  }
}

TEST_CASE("house: the rules are able to fail") {
  CHECK(plugin_problem(root / "plugins", root / "plugins/x.cpp", {"engine/rules.h", true}) != "");
  CHECK(plugin_problem(root / "plugins", root / "plugins/x.cpp", {"engine/rules.h", false}) != "");
  CHECK(plugin_problem(root / "plugins", root / "plugins/x.cpp", {"../sink-fs/x.h", true}) != "");
  CHECK(plugin_problem(root / "plugins", root / "plugins/x.cpp", {"osync/plugin.h", true}) == "");
  CHECK(core_problem({"inotify_watcher.h", true}) != "");
  CHECK(core_problem({"engine/rules.h", true}) == "");
  CHECK(sdk_problem({"spdlog/spdlog.h", false}) != "");
  CHECK(sdk_problem({"unistd.h", false}) != "");
  CHECK(sdk_problem({"string", false}) == "");
  CHECK(engine_problem({"thread", false}) != "");
  CHECK(engine_problem({"sys/stat.h", false}) != "");
  CHECK(engine_problem({"base/log.h", true}) != "");
  CHECK(impure_name("const auto t = std::chrono::steady_clock::now();") != "");
  CHECK(impure_name("x = 1; // steady_clock::now()") == "");
  CHECK(impure_name("auto outputs = engine.take_outputs();") == "");
  CHECK(impure_name("view_.now();") == "");
  CHECK(impure_name("std::printf(text);") != "");
  const auto includes = includes_of("#include <a>\n  #  include \"b.h\" // x\nint include;\n");
  REQUIRE(includes.size() == 2);
  CHECK(includes[1].name == "b.h");
  CHECK(includes[1].quoted);
}
