// What osync may not or can no longer read: listed, counted, kept on the replica, and the other paths go on.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/skip.h"
#include "support/wait.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

constexpr uid_t nobody = 65534;

Finished mirror_as_nobody(const Workspace& workspace, const Arguments& options = {}) {
  return run(workspace.command_as(nobody, workspace.mirror(Arguments{"--once"} + options)));
}

} // namespace

TEST_CASE(
    "unreadable: a directory and a file: exit 1, both listed, others shipped, the replica's copies kept") {
  OSYNC_NEEDS_ROOT();
  const Workspace workspace;
  write_many(workspace.source(), 300, 500);
  write_file(workspace.source("secret\n\xff/inside"), "kept");
  workspace.give_to(nobody);
  const Finished first = mirror_as_nobody(workspace);
  INFO(describe(first));
  REQUIRE(first.exit_code == 0);

  REQUIRE(chmod(workspace.source("secret\n\xff").c_str(), 0) == 0);
  REQUIRE(chmod(workspace.source("folder1/file107").c_str(), 0) == 0);
  write_file(workspace.source("folder1/new"), "new");
  write_file(workspace.source("folder2/file207"), "changed");
  REQUIRE(chown(workspace.source("folder1/new").c_str(), nobody, nobody) == 0); // its owner could not be kept
  const Finished second = mirror_as_nobody(workspace);
  INFO(describe(second));
  CHECK(second.exit_code == 1);
  CHECK(mentions(second, R"(secret\\x0a\\xff)")); // printed escaped
  CHECK(mentions(second, "ermission denied|EACCES"));
  CHECK(read_file(workspace.replica("folder1/new")) == "new");
  CHECK(read_file(workspace.replica("folder2/file207")) == "changed");
  CHECK(fs::exists(workspace.replica("folder1/file107")));
  REQUIRE(chmod(workspace.replica("secret\n\xff").c_str(), 0700) == 0); // the test itself may always look
  CHECK(read_file(workspace.replica("secret\n\xff/inside")) == "kept");

  REQUIRE(chmod(workspace.source("secret\n\xff").c_str(), 0755) == 0);
  REQUIRE(chmod(workspace.source("folder1/file107").c_str(), 0644) == 0);
  const Finished third = mirror_as_nobody(workspace);
  INFO(describe(third));
  CHECK(third.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("unreadable: an unreadable directory at the first sync does not hide the rest") {
  OSYNC_NEEDS_ROOT();
  const Workspace workspace;
  write_many(workspace.source(), 200, 500);
  write_many(workspace.source("closed"), 10, 10);
  workspace.give_to(nobody);
  REQUIRE(chmod(workspace.source("closed").c_str(), 0) == 0);
  const Finished finished = mirror_as_nobody(workspace);
  INFO(describe(finished));
  CHECK(finished.exit_code == 1);
  CHECK(mentions(finished, "closed"));
  CHECK(differences(workspace.source(), workspace.replica(), {.left_out = {"closed"}}) == "");
}

TEST_CASE("without privilege: owners that cannot be kept are said once, and are no failure") {
  OSYNC_NEEDS_ROOT();
  const Workspace workspace;
  write_many(workspace.source(), 100, 500); // root's files, which everybody may read
  REQUIRE(chown(workspace.replica().c_str(), nobody, nobody) == 0);
  for (const char* name : {"state", "run", "home"})
    REQUIRE(chown((workspace / name).c_str(), nobody, nobody) == 0);
  REQUIRE(chmod((workspace / ".").c_str(), 0755) == 0);
  const Finished finished = mirror_as_nobody(workspace);
  INFO(describe(finished));
  CHECK(finished.exit_code == 0);
  CHECK(mentions(finished, "owner"));
  CHECK(differences(workspace.source(), workspace.replica(), {.owners = false}) == "");
  const Finished again = mirror_as_nobody(workspace);
  INFO(describe(again));
  CHECK(again.exit_code == 0);
}

TEST_CASE("files that vanish and come back while they are read are no failures") {
  const Workspace workspace;
  write_many(workspace.source(), 500, 20000);
  std::atomic<bool> ending{false};
  std::thread remover([&] { // asserts nothing: Catch2's assertions belong to the main thread
    for (std::uint64_t round = 0; !ending; ++round) {
      std::error_code ignored;
      const std::string name = workspace.source("folder" + std::to_string(round % 5) + "/file" +
                                                std::to_string((round % 5) * 100 + round % 97));
      fs::rename(name, name + "~", ignored);
      fs::remove(name + "~", ignored);
      if (round % 2 == 0) write_file(name, "back, round " + std::to_string(round));
    }
  });
  const Finished finished = workspace.mirror_once();
  ending = true;
  remover.join();
  INFO(describe(finished));
  CHECK(finished.exit_code == 0);
  const Finished quiet = workspace.mirror_once();
  INFO(describe(quiet));
  CHECK(quiet.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}
