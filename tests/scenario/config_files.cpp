// Every file in config/ is accepted as it is, and runs when its paths and ports are replaced by this test's.
#include "support/paths.h"
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/tcp_proxy.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <filesystem>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

const std::string config = source_directory() + "/config/";

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  REQUIRE(text.find(from) != std::string::npos);
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

/// `osync ARGUMENTS...` with the variables that the files name.
Command with_variables(const Workspace& workspace, const Arguments& arguments) {
  Command command = workspace.command(arguments);
  command.environment["OSYNC_SOURCE"] = workspace.source();
  command.environment["OSYNC_REPLICA"] = workspace.replica();
  return command;
}

} // namespace

TEST_CASE("config files: each is known to this test, and accepted as it is") {
  const Workspace workspace;
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(config)) {
    names.insert(entry.path().filename().string());
    const Finished checked = run(with_variables(workspace, {"check", entry.path().string()}));
    INFO(describe(checked));
    CHECK(checked.exit_code == 0);
  }
  CHECK(names == std::set<std::string>{"local-mirror.yaml", "two-hosts.yaml"});
}

TEST_CASE("config files: local-mirror.yaml runs") {
  const Workspace workspace;
  write_many(workspace.source(), 50, 1000);
  write_file(workspace.source("notes.swp"), "left out by the file's rules");
  write_file(workspace.source("core.17"), "left out");
  write_file(workspace.source("core.17.keep"), "included again");
  const Finished finished =
      run(with_variables(workspace, {"run", "--once", "--state-dir", workspace.state(), config + "local-mirror.yaml"}));
  INFO(describe(finished));
  REQUIRE(finished.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica(), {.left_out = {"notes.swp", "core.17"}}) == "");
  CHECK_FALSE(fs::exists(workspace.replica("notes.swp")));
  CHECK_FALSE(fs::exists(workspace.replica("core.17")));
}

TEST_CASE("config files: two-hosts.yaml runs, one source and two sinks, each found by the file") {
  const Workspace workspace;
  write_many(workspace.source(), 50, 1000);
  fs::create_directory(workspace / "first");
  fs::create_directory(workspace / "second");
  std::string text = read_file(config + "two-hosts.yaml");
  text = replace_all(text, "/srv/photos", workspace.source());
  text = replace_all(text, "5570", std::to_string(free_port()));
  text = replace_all(text, "5571", std::to_string(free_port()));
  text = replace_all(text, "pipeline: photos", "pipeline: " + PipelineFile(workspace).name);
  // On two hosts both replicas may have one path; here they are on one.
  const std::size_t second = text.rfind("/backup/photos");
  text.replace(second, std::string("/backup/photos").size(), workspace / "second");
  text = replace_all(text, "/backup/photos", workspace / "first");
  const std::string file = workspace / "two-hosts.yaml";
  write_file(file, text);

  Running first(workspace, {"sink", file, "--replica", "mirror1"}, {file, "--replica", "mirror1"});
  REQUIRE(first.answers());
  const Finished alone = workspace.osync({"status", "--json", file}); // the only side that runs here
  INFO(describe(alone));
  CHECK(alone.exit_code == 0);
  CHECK(alone.out.find("\"role\":\"sink\"") != std::string::npos);
  Running other(workspace, {"sink", file, "--replica", "mirror2"}, {file, "--replica", "mirror2"});
  Running source(workspace, {"source", "--state-dir", workspace.state(), file}, {file});
  REQUIRE(source.answers());
  REQUIRE(source.flush().exit_code == 0);
  CHECK(workspace.osync({"status", "--json", file}).out.find("\"role\":\"source\"") != std::string::npos);
  CHECK(other.tell("status", {"--json"}).out.find("mirror2") != std::string::npos);
  CHECK(differences(workspace.source(), workspace / "first") == "");
  CHECK(differences(workspace.source(), workspace / "second") == "");
  CHECK(source.tell("drain").exit_code == 0);
  CHECK(source.process().wait_exit() == 0);
  CHECK(first.process().wait_exit() == 0);
  CHECK(other.process().wait_exit() == 0);
}
