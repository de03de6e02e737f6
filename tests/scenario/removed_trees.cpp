// What was removed is deleted from the replica's own area soon, although nothing changes any more.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <filesystem>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

/// Entries at any depth; it may change meanwhile.
std::size_t entries_below(const std::string& root) {
  std::size_t count = 0;
  std::error_code gone; // ends the walk
  for (fs::recursive_directory_iterator entry(root, gone), end; !gone && entry != end; entry.increment(gone))
    ++count;
  return count;
}

bool nothing_is_left(const Workspace& workspace) {
  return wait_until(
      [&] {
        return entries_below(workspace.replica(".osync/limbo")) +
                   entries_below(workspace.replica(".osync/stage")) ==
               0;
      },
      scaled(seconds(10)));
}

} // namespace

TEST_CASE("mirror: a tree that leaves the source is gone from .osync soon, although nothing else happens") {
  const Workspace workspace;
  write_many(workspace.source("tree"), 30'000, 10);
  write_file(workspace.source("stays"), "x");
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);
  SECTION("moved out of the root: one removal") {
    fs::rename(workspace.source("tree"), workspace / "elsewhere");
  }
  SECTION("deleted file by file") { fs::remove_all(workspace.source("tree")); }
  REQUIRE(running->flush().exit_code == 0);
  INFO(running->log());
  CHECK(differences(workspace.source(), workspace.replica()) == "");
  CHECK(nothing_is_left(workspace));
  CHECK(running->process().running());
}

TEST_CASE("mirror: what an earlier run did not get to delete is deleted by the next one") {
  const Workspace workspace;
  write_file(workspace.source("stays"), "x");
  REQUIRE(workspace.mirror_once().exit_code == 0);
  write_many(workspace.replica(".osync/limbo/left"), 60'000, 1);
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);
  INFO(running->log());
  CHECK(nothing_is_left(workspace));
}
