// `osync mirror` without --once: what changes while it runs is on the replica once `osync flush` returned.
#include "support/churn.h"
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/varied_tree.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

void require_flushed_equal(const Workspace& workspace, Running& running) {
  const Finished flushed = running.flush();
  INFO(describe(flushed));
  INFO(running.log());
  REQUIRE(flushed.exit_code == 0);
  REQUIRE(differences(workspace.source(), workspace.replica()) == "");
  REQUIRE(running.process().running());
}

} // namespace

TEST_CASE("mirror: the varied tree, then a varied tree that appears while it runs") {
  const Workspace workspace;
  make_varied_tree(workspace.source(), {.seed = 31, .small_files = 200, .wide_files = 200});
  const auto running = Running::mirror(workspace);
  require_flushed_equal(workspace, *running);

  fs::create_directory(workspace.source("again"));
  make_varied_tree(workspace.source("again"), {.seed = 32, .small_files = 200, .wide_files = 200});
  require_flushed_equal(workspace, *running);
  CHECK(rsync_differences(workspace.source(), workspace.replica(), {"deep"}) == "");

  remove_tree_content(workspace.source("again"));
  require_flushed_equal(workspace, *running);
  CHECK(running->stop() == 0);
}

TEST_CASE("mirror: single changes of every kind, each flushed") {
  const Workspace workspace;
  write_many(workspace.source(), 300, 1000);
  write_file(workspace.source("one"), "one");
  fs::create_hard_link(workspace.source("one"), workspace.source("folder0/other name"));
  const auto running = Running::mirror(workspace);
  require_flushed_equal(workspace, *running);

  const auto in = [&](const std::string& name) { return workspace.source(name); };
  SECTION("content") {
    write_file(in("folder0/file1"), "changed");
    std::ofstream(in("one"), std::ios::app) << " more, and both names show it";
    fs::resize_file(in("folder0/file2"), 1 << 20);
  }
  SECTION("attributes") {
    REQUIRE(chmod(in("folder0").c_str(), 0700) == 0);
    REQUIRE(chmod(in("folder0/file1").c_str(), 06755) == 0);
    const timespec times[2] = {{1, 2}, {3, 4}};
    REQUIRE(utimensat(AT_FDCWD, in("folder0/file2").c_str(), times, 0) == 0);
    REQUIRE(utimensat(AT_FDCWD, in("folder1").c_str(), times, 0) == 0);
  }
  SECTION("moves of directories, onto each other's names") {
    fs::rename(in("folder0"), in("folder1/inside"));
    fs::rename(in("folder2"), in("folder0"));
    fs::rename(in("folder1/inside/file5"), in("folder0/file205"));
    fs::create_directory(in("folder2"));
    write_file(in("folder2/new"), "new");
  }
  SECTION("an exchange") {
    REQUIRE(renameat2(AT_FDCWD, in("folder0").c_str(), AT_FDCWD, in("folder1").c_str(), RENAME_EXCHANGE) ==
            0);
    REQUIRE(renameat2(AT_FDCWD, in("one").c_str(), AT_FDCWD, in("folder2").c_str(), RENAME_EXCHANGE) == 0);
  }
  SECTION("deletions and a new start under the same names") {
    fs::remove_all(in("folder0"));
    fs::create_directory(in("folder0"));
    write_file(in("folder0/file1"), "second life");
    fs::remove(in("one"));
  }
  SECTION("a directory that moves out of the tree and another one in") {
    fs::rename(in("folder0"), workspace / "out");
    write_many(workspace / "in", 150, 500, 9);
    fs::rename(workspace / "in", in("in"));
    write_file(workspace / "out/file1", "no longer ours");
  }
  SECTION("a chain of moves of one directory, with a change in it after each") {
    for (int step = 0; step < 20; ++step) {
      const std::string from = step == 0 ? "folder0" : "step" + std::to_string(step - 1);
      fs::rename(in(from), in("step" + std::to_string(step)));
      write_file(in("step" + std::to_string(step) + "/file" + std::to_string(step)),
                 "changed at its new place");
    }
  }
  require_flushed_equal(workspace, *running);
  CHECK(running->stop() == 0);
}

TEST_CASE("mirror: a file that stays open is shipped without being closed") {
  const Workspace workspace;
  write_file(workspace.source("log"), "");
  const auto running = Running::mirror(workspace);
  require_flushed_equal(workspace, *running);
  std::ofstream log(workspace.source("log"));
  log << "a line" << std::flush;
  require_flushed_equal(workspace, *running);
  log << "another line" << std::flush;
  require_flushed_equal(workspace, *running);
}

TEST_CASE("mirror: a change is on the replica without any flush, within a second") {
  const Workspace workspace;
  write_many(workspace.source(), 500, 1000);
  const auto running = Running::mirror(workspace);
  require_flushed_equal(workspace, *running);
  for (int round = 0; round < 10; ++round) {
    const std::string name = "folder1/live" + std::to_string(round);
    write_file(workspace.source(name), "content " + std::to_string(round));
    const bool arrived = wait_until(
        [&] {
          return fs::exists(workspace.replica(name)) &&
                 read_file(workspace.replica(name)) == "content " + std::to_string(round);
        },
        scaled(seconds(1)));
    INFO(running->log());
    REQUIRE(arrived);
  }
}

TEST_CASE("mirror: churn from before the first sync's end, flushed again and again") {
  const Workspace workspace;
  const std::uint64_t seed = GENERATE(41, 42, 43);
  INFO("seed " << seed);
  write_many(workspace.source("backlog"), 3000, 4000, seed);
  fs::create_directory(workspace.source("busy"));
  Churn early(workspace.source("busy"), {.seed = seed});
  const auto running = Running::mirror(workspace);
  REQUIRE(wait_until([&] { return early.done() >= 2000; }, scaled(seconds(20))));
  INFO(early.finish() << " operations");
  require_flushed_equal(workspace, *running);

  fs::create_directory(workspace.source("busy again"));
  Churn late(workspace.source("busy again"), {.seed = seed + 100, .pause = std::chrono::microseconds(0)});
  REQUIRE(wait_until([&] { return late.done() >= 4000; }, scaled(seconds(20))));
  INFO(late.finish() << " operations");
  require_flushed_equal(workspace, *running);
  CHECK(rsync_differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("mirror: stopped and started again, with changes between, and without") {
  const Workspace workspace;
  write_many(workspace.source(), 1000, 1000);
  {
    const auto running = Running::mirror(workspace);
    require_flushed_equal(workspace, *running);
    write_file(workspace.source("folder1/live"), "seen before the stop");
    CHECK(running->stop() == 0);
  }
  const auto before = fingerprints(workspace.replica());
  {
    const auto running = Running::mirror(workspace);
    require_flushed_equal(workspace, *running);
    CHECK(running->stop() == 0);
  }
  CHECK(fingerprints(workspace.replica()) == before);
  write_file(workspace.source("folder2/file201"), "changed while nobody looked");
  fs::rename(workspace.source("folder3"), workspace.source("folder33"));
  const auto running = Running::mirror(workspace);
  require_flushed_equal(workspace, *running);
}

TEST_CASE("mirror: more changes at once than the kernel's queue holds", "[overflow]") {
  const Workspace workspace;
  write_many(workspace.source(), 100, 100);
  const auto running = Running::mirror(workspace);
  require_flushed_equal(workspace, *running);
  running->process().send(SIGSTOP); // so that the queue, 16,384 events by default, surely overflows
  write_many(workspace.source("burst"), 12000, 20, 3);
  fs::rename(workspace.source("folder0"), workspace.source("burst/moved"));
  running->process().send(SIGCONT);
  require_flushed_equal(workspace, *running);
}
