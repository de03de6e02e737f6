// What the loader loads and what it refuses, with purpose-built shared objects (bad_plugins/).
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "loader/plugin_loader.h"
#include "loader/plugin_object.h"
#include "osync/policy.h"
#include "osync/sink.h"
#include "support/paths.h"
#include "support/temporary.h"

using namespace osync;
using namespace osync::loader;
namespace fs = std::filesystem;

namespace {

const std::string bad_plugins = test::binary_directory() + "/tests/bad_plugins";

class NullLogger final : public Logger {
 public:
  void log(LogLevel, std::string_view) noexcept override {}
  [[nodiscard]] bool enabled(LogLevel) const noexcept override { return false; }
};

Status refusal(const std::string& name, std::optional<PluginKind> kind = std::nullopt) {
  const auto plugin = PluginLoader({bad_plugins}, false).find(name, kind);
  INFO(name);
  REQUIRE_FALSE(plugin.ok());
  return plugin.status();
}

} // namespace

TEST_CASE("loader: a good plugin is loaded and makes objects") {
  const PluginLoader loader({"/nonexistent", bad_plugins}, false);
  const auto plugin = loader.find("good-policy", PluginKind::policy);
  INFO(plugin.status().to_string());
  REQUIRE(plugin.ok());
  CHECK(plugin.value().file == bad_plugins + "/good-policy.so");
  CHECK(std::string(plugin.value().descriptor->version) == "1.2.3");
  // The same file is loaded once, whoever asks.
  CHECK(PluginLoader({bad_plugins}, false).find("good-policy").value().descriptor ==
        plugin.value().descriptor);

  NullLogger logger;
  OptionValues options = {{"quantum", std::int64_t{4096}}, {"fail", false}};
  const PluginContext context{&logger, &options, "test"};
  auto made = PluginObject<Policy>::create(*plugin.value().descriptor, context);
  REQUIRE(made.ok());
  CHECK(made.value()->choose({}).quantum == 4096);
  PluginObject<Policy> moved = std::move(made.value());
  CHECK_FALSE(made.value());
  CHECK(moved->choose({}).work == WorkClass::live);
  PluginObject<Policy> assigned;
  assigned = std::move(moved);
  REQUIRE(assigned);
  assigned.reset();
  CHECK(assigned.get() == nullptr);

  CHECK(PluginObject<Sink>::create(*plugin.value().descriptor, context).status().code() == Code::internal);
  options.set("fail", true);
  CHECK(PluginObject<Policy>::create(*plugin.value().descriptor, context).status().message() ==
        "told to fail");
  const auto nothing = loader.find("makes-nothing");
  REQUIRE(nothing.ok());
  CHECK(PluginObject<Policy>::create(*nothing.value().descriptor, context).status().code() == Code::internal);
}

TEST_CASE("loader: every kind of misfit is refused with file, found, expected and what to do") {
  const struct {
    const char* name;
    Code code;
    const char* found;
    const char* expected;
    const char* advice;
  } cases[] = {
      {"no-symbol", Code::corrupt, "without the symbol osync_plugin", "expected a plugin",
       "OSYNC_PLUGIN_EXPORT"},
      {"short-symbol", Code::corrupt, "no descriptor", "OSYNCPLG", "osync/plugin.h"},
      {"undefined-symbol", Code::corrupt, "a_function_that_nobody_defines", "expected a plugin",
       "this machine"},
      {"wrong-magic", Code::corrupt, "no descriptor", "OSYNCPLG", "osync/plugin.h"},
      {"old-major", Code::unsupported, "found plugin API 2.0", "expected 1.0",
       "build the plugin against the SDK"},
      {"new-minor", Code::unsupported, "found plugin API 1.1", "at most 1.0", "update osync"},
      {"wrong-size", Code::unsupported, "found a descriptor of ", "expected ",
       "build the plugin against the SDK"},
      {"wrong-fingerprint", Code::unsupported, "found a build of another-compiler", "expected gxx-abi",
       "same compiler"},
      {"wrong-kind", Code::invalid, "found kind 99", "watcher, policy, transport or sink", "descriptor"},
      {"wrong-name", Code::invalid, "found the name another-name", "expected the file's name wrong-name",
       "rename"},
      {"null-name", Code::invalid, "found no name", "null-name", "rename"},
      {"null-summary", Code::invalid, "no summary", "both", "correct"},
      {"wrong-options", Code::invalid, "an option table of 3 rows", "that are there", "correct"},
      {"null-create", Code::invalid, "no create", "both", "correct"},
  };
  for (const auto& entry : cases) {
    const Status status = refusal(entry.name);
    CHECK(status.code() == entry.code);
    CHECK(status.path() == bad_plugins + "/" + entry.name + ".so");
    const std::string message(status.message());
    CHECK_THAT(message, Catch::Contains(entry.found) && Catch::Contains(entry.expected) &&
                            Catch::Contains(entry.advice));
  }
  const Status kind = refusal("good-policy", PluginKind::sink);
  CHECK(kind.code() == Code::invalid);
  CHECK_THAT(std::string(kind.message()), Catch::Contains("found a policy, expected a sink"));
}

TEST_CASE("loader: files that are no shared objects are refused") {
  const osync::test::TemporaryDirectory directory;
  osync::test::write_file(directory / "text.so", std::string(100, 'x'));
  osync::test::write_file(directory / "empty.so", "");
  fs::create_directory(directory.path() / "folder.so");
  fs::create_symlink(directory / "nothing", directory.path() / "dangling.so");
  // dlopen(3) answers a file that is cut short with SIGBUS.
  const std::string whole = osync::test::read_file(bad_plugins + "/good-policy.so");
  osync::test::write_file(directory / "cut-in-header.so", whole.substr(0, 40));
  osync::test::write_file(directory / "cut-in-segments.so", whole.substr(0, 1000));
  osync::test::write_file(directory / "other-class.so", std::string(whole).replace(4, 1, "\x01"));
  osync::test::write_file(directory / "other-machine.so", std::string(whole).replace(18, 2, "\x08\x01"));
  osync::test::write_file(directory / "executable.so", std::string(whole).replace(16, 1, "\x02"));
  osync::test::write_file(directory / "headers-outside.so", std::string(whole).replace(32, 8, 8, '\xff'));
  const PluginLoader loader({directory.path()}, false);
  const struct {
    const char* name;
    const char* found;
  } cases[] = {
      {"text", "found no ELF file"},
      {"empty", "ends within its headers"},
      {"cut-in-header", "ends within"},
      {"cut-in-segments", "a file cut short at 1000 bytes"},
      {"other-class", "for another machine"},
      {"other-machine", "for another machine (264)"},
      {"executable", "that is no shared object"},
      {"headers-outside", "outside of the file"},
  };
  for (const auto& entry : cases) {
    const Status status = loader.find(entry.name).status();
    INFO(entry.name << ": " << status.to_string());
    CHECK(status.code() == Code::corrupt);
    CHECK(status.path() == directory / entry.name + ".so");
    CHECK_THAT(std::string(status.message()), Catch::Contains(entry.found));
  }
  CHECK(loader.find("folder").status().code() == Code::invalid);
  CHECK(loader.find("dangling").status().code() == Code::invalid);
}

TEST_CASE("loader: a missing plugin says where it was searched, a wrong name is never a path") {
  const PluginLoader loader({"/nonexistent/a", bad_plugins}, false);
  const Status missing = loader.find("policy-none").status();
  CHECK(missing.code() == Code::not_found);
  CHECK(missing.message() == "no plugin of that name; searched /nonexistent/a, " + bad_plugins);
  for (const char* name : {"", "../bad_plugins/good-policy", "good/policy", "Good", "a.so"})
    CHECK(loader.find(name).status().code() == Code::invalid);
  CHECK(loader.find(std::string("good-policy\0x", 13)).status().code() == Code::invalid);
}

TEST_CASE("loader: the first file of a name counts, also when it is refused") {
  const osync::test::TemporaryDirectory directory;
  osync::test::write_file(directory / "good-policy.so", "broken");
  const PluginLoader loader({directory.path(), bad_plugins}, false);
  CHECK(loader.find("good-policy").status().code() == Code::corrupt);
  bool first = true;
  for (const FoundPlugin& found : loader.list())
    if (found.name == "good-policy") {
      CHECK(found.plugin.ok() != first);
      CHECK(found.shadowed != first);
      first = false;
    }
  CHECK_FALSE(first);
}

TEST_CASE("loader: several threads may look for one plugin") {
  const osync::test::TemporaryDirectory directory; // a copy that nobody has loaded before
  fs::copy_file(bad_plugins + "/good-policy.so", directory.path() / "good-policy.so");
  const PluginLoader loader({directory.path()}, false);
  std::vector<const PluginDescriptor*> found(8);
  std::vector<std::thread> threads;
  for (auto& descriptor : found)
    threads.emplace_back([&loader, &descriptor] {
      if (const auto plugin = loader.find("good-policy"); plugin.ok()) descriptor = plugin.value().descriptor;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(found.front() != nullptr);
  CHECK(std::count(found.begin(), found.end(), found.front()) == 8);
}

TEST_CASE("loader: list and names show what is there") {
  const PluginLoader loader({bad_plugins}, false);
  const std::vector<std::string> names = loader.names();
  CHECK(std::find(names.begin(), names.end(), "wrong-kind") != names.end());
  std::size_t good = 0;
  const auto listed = loader.list();
  CHECK(listed.size() == names.size());
  for (const FoundPlugin& found : listed) good += found.plugin.ok() ? 1 : 0;
  CHECK(good == 5); // good-policy, makes-nothing, and the three test-*
}

TEST_CASE("loader: the search path has its five parts in order") {
  const char* const before = std::getenv("OSYNC_PLUGIN_PATH");
  const std::string restore = before == nullptr ? "" : before;
  setenv("OSYNC_PLUGIN_PATH", "/env/one:relative::/env/two/:/yaml/x", 1);
  const std::vector<std::string> path = PluginLoader::search_path({"/yaml/x"});
  if (before == nullptr)
    unsetenv("OSYNC_PLUGIN_PATH");
  else
    setenv("OSYNC_PLUGIN_PATH", restore.c_str(), 1);
  REQUIRE(path.size() == 7);
  const fs::path executable = fs::read_symlink("/proc/self/exe").parent_path();
  CHECK(path[0] == executable.string() + "/plugins");
  // The prefix that it is in, then the one that it was configured for.
  CHECK(path[1].starts_with(executable.parent_path().string() + "/"));
  CHECK_THAT(path[1], Catch::EndsWith("/osync/plugins"));
  CHECK_THAT(path[2], Catch::EndsWith("/osync/plugins"));
  CHECK(path[3] == "/yaml/x");
  CHECK(path[4] == "/env/one");
  CHECK(path[5] == fs::current_path().string() + "/relative");
  CHECK(path[6] == "/env/two");
}
