// The options of `osync mirror`, one by one.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

std::string mirrored(const Workspace& workspace, const Arguments& options = {}) {
  const Finished finished = workspace.mirror_once(options);
  return finished.exit_code == 0 ? "" : describe(finished);
}

} // namespace

TEST_CASE("option --exclude: neither shipped nor deleted, gitignore syntax, the last match wins") {
  const Workspace workspace;
  write_file(workspace.source("a.tmp"), "a");
  write_file(workspace.source("kept/b.tmp"), "b");
  write_file(workspace.source("kept/keep.tmp"), "keep");
  write_file(workspace.source("kept/plain"), "plain");
  write_file(workspace.source("build/output"), "output");
  write_file(workspace.source("kept/build/output"), "another build, not at the top");
  const Arguments excludes = {"--exclude", "*.tmp", "--exclude", "!keep.tmp", "--exclude", "/build/"};
  REQUIRE(mirrored(workspace, excludes) == "");
  CHECK_FALSE(fs::exists(workspace.replica("a.tmp")));
  CHECK_FALSE(fs::exists(workspace.replica("kept/b.tmp")));
  CHECK_FALSE(fs::exists(workspace.replica("build")));
  CHECK(fs::exists(workspace.replica("kept/keep.tmp")));
  CHECK(fs::exists(workspace.replica("kept/plain")));
  CHECK(fs::exists(workspace.replica("kept/build/output")));

  write_file(workspace.replica("of the replica.tmp"), "excluded, so nobody deletes it");
  write_file(workspace.replica("build/old"), "likewise");
  write_file(workspace.replica("extra"), "goes");
  REQUIRE(mirrored(workspace, excludes) == "");
  CHECK(fs::exists(workspace.replica("of the replica.tmp")));
  CHECK(fs::exists(workspace.replica("build/old")));
  CHECK_FALSE(fs::exists(workspace.replica("extra")));
}

TEST_CASE("option --exclude: what is excluded later stays on the replica, also when the source deletes it") {
  const Workspace workspace;
  write_file(workspace.source("a.tmp"), "a");
  write_file(workspace.source("plain"), "plain");
  REQUIRE(mirrored(workspace) == "");
  fs::remove(workspace.source("a.tmp"));
  REQUIRE(mirrored(workspace, {"--exclude", "*.tmp"}) == "");
  CHECK(fs::exists(workspace.replica("a.tmp")));
  REQUIRE(mirrored(workspace) == "");
  CHECK_FALSE(fs::exists(workspace.replica("a.tmp")));
}

TEST_CASE("option --exclude: holds for live changes too") {
  const Workspace workspace;
  write_file(workspace.source("plain"), "plain");
  const auto running = Running::mirror(workspace, {"--exclude", "*.tmp"});
  write_file(workspace.source("new.tmp"), "never shipped");
  write_file(workspace.source("new"), "shipped");
  fs::rename(workspace.source("plain"), workspace.source("plain.tmp")); // leaves what is mirrored
  REQUIRE(running->flush().exit_code == 0);
  CHECK(fs::exists(workspace.replica("new")));
  CHECK_FALSE(fs::exists(workspace.replica("new.tmp")));
  CHECK_FALSE(fs::exists(workspace.replica("plain.tmp")));
  CHECK_FALSE(fs::exists(workspace.replica("plain")));
}

TEST_CASE("delete excluded: what the rules leave out goes from the replica, whether the source has it or not") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  write_file(workspace.source("both.tmp"), "the source's");
  write_file(workspace.source("build/output"), "the source's");
  REQUIRE(mirrored(workspace) == "");
  PipelineFile pipeline(workspace);
  pipeline.in_source = "  rules: [{match: \"*.tmp\"}, {match: \"build/\"}, {match: \".*\"}]\n";
  pipeline.in_replica = "    delete: {excluded: true}\n";
  const std::string file = pipeline.write(workspace / "pipeline.yaml");
  const auto run_once = [&](const Arguments& options) {
    const Finished finished =
        workspace.osync(Arguments{"run", "--once", "--state-dir", workspace.state()} + options + Arguments{file});
    INFO(describe(finished));
    CHECK(finished.exit_code == 0);
  };
  write_file(workspace.replica("only here.tmp"), "of the replica alone");
  write_file(workspace.replica("folder0/.hidden/deep/x.tmp"), "of the replica alone");
  run_once({"--take-over"});
  for (const char* name : {"both.tmp", "build", "only here.tmp", "folder0/.hidden"}) {
    INFO(name);
    CHECK_FALSE(fs::exists(workspace.replica(name)));
  }
  CHECK(fs::exists(workspace.replica(".osync/identity"))); // matches a rule, and is not the rules' business
  CHECK(fs::exists(workspace.source("both.tmp")));
  CHECK(differences(workspace.source(), workspace.replica(), {.left_out = {"both.tmp", "build"}}) == "");
  // As `rsync --delete-excluded` leaves it.
  const Finished rsync = run({{"rsync", "-naHAX", "--delete", "--delete-excluded", "-i", "--exclude=*.tmp",
                               "--exclude=build/", "--filter=protect /.osync", "--exclude=.*", workspace.source() + "/",
                               workspace.replica() + "/"}});
  INFO(describe(rsync));
  CHECK(rsync.out == "");

  // Live: excluded files of the source come and go, and nothing of them is sent; an own restart finds nothing to do.
  write_file(workspace.source("live.tmp"), "x");
  run_once({});
  CHECK_FALSE(fs::exists(workspace.replica("live.tmp")));
  CHECK(differences(workspace.source(), workspace.replica(), {.left_out = {"both.tmp", "build", "live.tmp"}}) == "");
}

TEST_CASE("delete excluded: extra false keeps it all the same, and so does an adopted replica") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  write_file(workspace.replica("theirs.tmp"), "precious");
  PipelineFile pipeline(workspace);
  pipeline.in_source = "  rules: [{match: \"*.tmp\"}]\n";
  pipeline.in_replica = std::string("    delete: {excluded: true") + GENERATE("", ", extra: false") + "}\n";
  const std::string file = pipeline.write(workspace / "pipeline.yaml");
  for (const Arguments& consent : {Arguments{"--adopt"}, Arguments{}}) {
    const Finished finished =
        workspace.osync(Arguments{"run", "--once", "--state-dir", workspace.state()} + consent + Arguments{file});
    INFO(describe(finished));
    CHECK(finished.exit_code == 0);
    CHECK(read_file(workspace.replica("theirs.tmp")) == "precious");
  }
}

TEST_CASE("option --keep-extra: nothing is deleted, neither what is extra nor what the source deletes live") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  REQUIRE(mirrored(workspace) == "");
  write_file(workspace.replica("extra"), "kept");
  fs::remove(workspace.source("folder0/file3"));
  REQUIRE(mirrored(workspace, {"--keep-extra"}) == "");
  CHECK(read_file(workspace.replica("extra")) == "kept");
  CHECK(fs::exists(workspace.replica("folder0/file3")));
  {
    const auto running = Running::mirror(workspace, {"--keep-extra"});
    REQUIRE(running->flush().exit_code == 0);
    fs::remove(workspace.source("folder0/file4"));
    write_file(workspace.source("folder0/new"), "new");
    REQUIRE(running->flush().exit_code == 0);
    CHECK(fs::exists(workspace.replica("folder0/file4")));
    CHECK(fs::exists(workspace.replica("folder0/new")));
    CHECK(running->stop() == 0);
  }
  REQUIRE(mirrored(workspace) == "");
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("option --dry-run: lists what would change and changes nothing") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  const Finished first = workspace.mirror_once({"--dry-run"});
  INFO(describe(first));
  CHECK(first.exit_code == 0);
  CHECK(first.out.find("folder0") != std::string::npos);
  CHECK(fs::is_empty(workspace.replica())); // not even .osync

  REQUIRE(mirrored(workspace) == "");
  write_file(workspace.source("folder0/file1"), "changed");
  write_file(workspace.source("folder0/new"), "new");
  fs::remove(workspace.source("folder0/file2"));
  const auto before = fingerprints(workspace.replica());
  const Finished second = workspace.mirror_once({"--dry-run"});
  INFO(describe(second));
  CHECK(second.exit_code == 0);
  for (const char* name : {"folder0/file1", "folder0/new", "folder0/file2"})
    CHECK(second.out.find(name) != std::string::npos);
  CHECK(second.out.find("folder0/file3\n") == std::string::npos);
  CHECK(fingerprints(workspace.replica()) == before);
}

TEST_CASE("option --log-format json: every line of standard error is one JSON object") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  const Finished finished = workspace.mirror_once({"--log-format", "json", "--log-level", "debug"});
  INFO(describe(finished));
  REQUIRE(finished.exit_code == 0);
  REQUIRE_FALSE(finished.err.empty());
  std::istringstream lines(finished.err);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    CHECK(nlohmann::json::parse(line, nullptr, false).is_object());
  }
}

TEST_CASE("option --set changes an option of a stage, and a wrong one is refused with 2") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  for (const char* wrong : {"policy.no_such_option=1", "nowhere.option=1", "policy", ""}) {
    const Finished refused = workspace.mirror_once({"--set", wrong});
    INFO(wrong << "\n" << describe(refused));
    CHECK(refused.exit_code == 2);
  }
  CHECK(fs::is_empty(workspace.replica()));
}

TEST_CASE("option --policy and --watcher: named ones work, unknown ones are refused with 2") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  const Finished policy = workspace.mirror_once({"--policy", "no-such-policy"});
  INFO(describe(policy));
  CHECK(policy.exit_code == 2);
  CHECK(mentions(policy, "no-such-policy"));
  const Finished watcher = workspace.mirror_once({"--watcher", "no-such-watcher"});
  INFO(describe(watcher));
  CHECK(watcher.exit_code == 2);
  CHECK(mentions(watcher, "no-such-watcher"));
  REQUIRE(mirrored(workspace, {"--watcher", "inotify", "--policy", "policy-live-first"}) == "");
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("option --version, --help, and wrong use") {
  const Workspace workspace;
  const Finished version = workspace.osync({"--version"});
  CHECK(version.exit_code == 0);
  CHECK(mentions(version, "protocol"));
  const Finished help = workspace.osync({"--help"});
  CHECK(help.exit_code == 0);
  for (const char* command :
       {"mirror", "run", "source", "sink", "check", "plugins", "status", "flush", "stop", "drain"})
    CHECK(help.out.find(command) != std::string::npos);
  CHECK(workspace.osync({}).exit_code == 2);
  CHECK(workspace.osync({"no-such-command"}).exit_code == 2);
  CHECK(workspace.osync({"mirror"}).exit_code == 2);
  CHECK(workspace.osync({"mirror", workspace.source()}).exit_code == 2);
  CHECK(workspace.osync({"mirror", "--no-such-option", workspace.source(), workspace.replica()}).exit_code ==
        2);
  CHECK(fs::is_empty(workspace.replica()));
}

TEST_CASE("plugins: all are listed, and each says what it is") {
  const Workspace workspace;
  const Finished list = workspace.osync({"plugins"});
  INFO(describe(list));
  CHECK(list.exit_code == 0);
  for (const char* name : {"watch-inotify", "transport-zmq", "sink-fs", "policy-live-first"}) {
    CHECK(list.out.find(name) != std::string::npos);
    const Finished one = workspace.osync({"plugins", "inspect", name});
    INFO(describe(one));
    CHECK(one.exit_code == 0);
    CHECK(one.out.find(name) != std::string::npos);
  }
  const Finished unknown = workspace.osync({"plugins", "inspect", "no-such-plugin"});
  CHECK(unknown.exit_code == 2);
  CHECK(mentions(unknown, "no-such-plugin"));
}
