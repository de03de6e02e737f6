// Many deletions that no reported deletion explains are held until somebody accepts them.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <filesystem>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

void remove_folders(const std::string& root, int from, int to) {
  for (int index = from; index < to; ++index) fs::remove_all(root + "/folder" + std::to_string(index));
}

} // namespace

TEST_CASE(
    "hold_above: deleted while osync was stopped: held and said, other changes go on, accepting goes on") {
  const Workspace workspace;
  write_many(workspace.source(), 3000, 50);
  REQUIRE(workspace.mirror_once().exit_code == 0);
  const std::size_t before = count_entries(workspace.replica());
  remove_folders(workspace.source(), 0, 15); // 1,500 files: above 1,000 and above 1 %
  write_file(workspace.source("folder20/file2001"), "changed meanwhile");
  write_file(workspace.source("folder20/new"), "new meanwhile");

  const auto running = Running::mirror(workspace);
  REQUIRE(wait_until([&] { return fs::exists(workspace.replica("folder20/new")); }, scaled(seconds(20))));
  CHECK(running->process().wait_for_text("--accept-deletions"));
  const Finished status = running->tell("status");
  INFO(describe(status));
  CHECK(mentions(status, "held"));
  const Finished flushed = running->tell("flush", {"--timeout", "2s"});
  INFO(describe(flushed));
  CHECK(flushed.exit_code != 0); // what is held is not in sync
  CHECK(mentions(flushed, "held|accept-deletions"));
  CHECK(count_entries(workspace.replica()) == before + 1);
  CHECK(read_file(workspace.replica("folder20/file2001")) == "changed meanwhile");

  const Finished resumed = running->tell("resume", {"--accept-deletions"});
  INFO(describe(resumed));
  CHECK(resumed.exit_code == 0);
  const Finished again = running->flush();
  INFO(describe(again));
  INFO(running->log());
  CHECK(again.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("hold_above: --once deletes nothing that is held, and does not end with 0") {
  const Workspace workspace;
  write_many(workspace.source(), 2500, 50);
  REQUIRE(workspace.mirror_once().exit_code == 0);
  const std::size_t before = count_entries(workspace.replica());
  remove_folders(workspace.source(), 0, 15);
  const Finished finished = workspace.mirror_once();
  INFO(describe(finished));
  CHECK_FALSE(finished.timed_out);
  CHECK((finished.exit_code == 1 || finished.exit_code == 3));
  CHECK(mentions(finished, "accept-deletions|held"));
  CHECK(count_entries(workspace.replica()) == before);
}

TEST_CASE("hold_above: fewer than 1,000, or deleted while osync looked on, are not held") {
  const Workspace workspace;
  write_many(workspace.source(), 3000, 50);
  REQUIRE(workspace.mirror_once().exit_code == 0);
  remove_folders(workspace.source(), 0, 8);
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
  remove_folders(workspace.source(), 8, 28); // 2,000 files, each deletion reported
  const Finished flushed = running->flush();
  INFO(describe(flushed));
  INFO(running->log());
  CHECK(flushed.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("hold_above: a small directory renamed while osync was stopped is simply followed") {
  const Workspace workspace;
  write_many(workspace.source(), 300, 50);
  REQUIRE(workspace.mirror_once().exit_code == 0);
  fs::rename(workspace.source("folder1"), workspace.source("other"));
  const Finished finished = workspace.mirror_once();
  INFO(describe(finished));
  CHECK(finished.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}
