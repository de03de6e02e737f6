// `osync check`: the file, its plugins, their options and the endpoints, with the plugins of bad_plugins/.
#include <catch2/catch.hpp>

#include <sstream>
#include <string>

#include "cli/check_command.h"
#include "config/mirror.h"
#include "support/paths.h"
#include "support/temporary.h"

using namespace osync;
using namespace osync::cli;

namespace {

const std::string good = "version: 1\n"
                         "pipeline: p\n"
                         "source: {root: /s}\n"
                         "watcher: {plugin: test-watcher, root: /w}\n"
                         "policy: {plugin: good-policy}\n"
                         "transport: {plugin: test-transport, listen: \"tcp://127.0.0.1:1\"}\n"
                         "sink: {plugin: test-sink, root: /d}\n"
                         "plugin_path: [" +
                         test::binary_directory() + "/tests/bad_plugins]\n";

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), by);
}

/// What `check` prints for a file of this text, without the directory.
std::string check(const std::string& text, int expected, const std::vector<std::string>& settings = {}) {
  const osync::test::TemporaryDirectory directory;
  osync::test::write_file(directory / "f.yaml", text);
  std::ostringstream out;
  CHECK(run_check(
            directory / "f.yaml", settings, [](const std::string&) { return std::nullopt; }, out) ==
        expected);
  std::string shown = out.str();
  const std::string prefix = directory.path().string() + "/";
  for (std::size_t at; (at = shown.find(prefix)) != std::string::npos;) shown.erase(at, prefix.size());
  return shown;
}

} // namespace

TEST_CASE("config check: a good file is ok") {
  CHECK(check(good, 0) == "f.yaml: ok\n");
  CHECK(check(good, 0, {"policy.quantum=2KiB", "sink.mode=safe"}) == "f.yaml: ok\n");
}

TEST_CASE("config check: mistakes of the file, of options and of --set come in one list") {
  CHECK(check(replaced(replaced(good, "root: /d", "mode: slow"), "pipeline: p\n", "pipline: p\n"), 2,
              {"policy.quantum=3B", "nothing"}) ==
        "--set: setting: found \"nothing\", expected stage.option=value, for example "
        "policy.max_staleness=15min\n"
        "--set: policy.quantum: found \"3B\", expected a size such as 64MiB (B, KiB, MiB or GiB) from 1KiB "
        "to 1MiB\n"
        "f.yaml:1:1: pipeline: found nothing, expected a name of at most 64 letters, digits, - and _\n"
        "f.yaml:2:1: pipline: found an unknown key, expected pipeline\n"
        "f.yaml:7:1: sink.root: found nothing, expected an absolute path (where it lives)\n"
        "f.yaml:7:33: sink.mode: found \"slow\", expected one of fast, safe\n");
}

TEST_CASE("config check: a plugin that is absent, refused or of another kind") {
  const std::string absent = check(replaced(good, "good-policy", "good-polcy"), 2);
  CHECK_THAT(
      absent,
      Catch::StartsWith(
          "f.yaml:5:18: policy.plugin: found \"good-polcy\" (no plugin of that name; searched ") &&
          Catch::EndsWith("; the nearest name is good-policy), expected a plugin that can be loaded\n"));
  const std::string refused = check(replaced(good, "good-policy", "old-major"), 2);
  CHECK_THAT(refused,
             Catch::StartsWith(
                 "f.yaml:5:18: policy.plugin: found \"old-major\" (found plugin API 2.0, expected 1.0"));
  const std::string kind = check(replaced(good, "good-policy", "test-sink"), 2);
  CHECK_THAT(kind, Catch::Contains("found a sink, expected a policy"));
}

TEST_CASE("config check: options that a plugin refuses together, and endpoints") {
  CHECK(check(good, 2, {"transport.low=7"}) ==
        "f.yaml:6:1: transport: found \"low is not below high\", expected options that "
        "test-transport accepts together\n");
  CHECK(check(replaced(good, "tcp://127.0.0.1:1", "tcp://10.0.0.1:1"), 2) ==
        "f.yaml:6:45: transport.listen: found \"tcp://10.0.0.1:1\", which leaves this host, expected a "
        "loopback, ipc or inproc "
        "endpoint, or insecure: true (nothing is encrypted yet)\n");
  CHECK(check(replaced(good, "tcp://127.0.0.1:1", "tcp://10.0.0.1:1"), 0, {"transport.insecure=true"}) ==
        "f.yaml: ok\n");
  CHECK(check(good, 2, {"transport.connect=udp://x"}) ==
        "--set: transport.connect: found \"udp://x\", expected an endpoint of "
        "test-transport (no such scheme)\n");
}

TEST_CASE("config check: what only runs insecurely is told apart from what is wrong") {
  const osync::test::TemporaryDirectory directory;
  osync::test::write_file(directory / "f.yaml", replaced(good, "tcp://127.0.0.1:1", "tcp://10.0.0.1:1"));
  const CheckedPipeline checked =
      check_pipeline_file(directory / "f.yaml", {}, [](const std::string&) { return std::nullopt; });
  CHECK(checked.mistakes.empty());
  CHECK(checked.insecure.all().size() == 1);
  CHECK(checked.loader->find("good-policy").ok());
}

TEST_CASE("config check: files that are no pipeline at all") {
  CHECK(check("", 2) == "f.yaml:1:1: yaml: found an empty file, expected a pipeline file\n");
  std::ostringstream out;
  CHECK(run_check(
            "/nonexistent/\xff.yaml", {}, [](const std::string&) { return std::nullopt; }, out) == 2);
  CHECK(out.str() == "/nonexistent/\\xff.yaml: file: found \"No such file or directory\", expected a "
                     "pipeline file that can be "
                     "read\n");
}

TEST_CASE("config check: the pipeline of mirror is checked the same way") {
  config::MirrorRequest request;
  request.source = "/s";
  request.destination = "/d";
  auto pipeline = config::make_mirror_pipeline(request);
  REQUIRE(pipeline.ok());
  pipeline.value().plugin_path = {test::binary_directory() + "/tests/bad_plugins"};
  const CheckedPipeline checked = check_pipeline(
      pipeline.value(), {"watcher.plugin=test-watcher", "watcher.root=/w", "policy.plugin=good-policy",
                         "transport.plugin=test-transport", "sink.plugin=test-sink", "sink.mode=slow"});
  CHECK(checked.mistakes.to_string() == "--set: sink.mode: found \"slow\", expected one of fast, safe\n");
  CHECK(checked.insecure.empty());
}
