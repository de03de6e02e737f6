// The replica's disk is full: said, counted, never taken for success; deletions still work, and room makes it
// whole.
#include "support/compare_trees.h"
#include "support/file_systems.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/skip.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <filesystem>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t mebibyte = 1 << 20;

} // namespace

TEST_CASE("full disk: a live mirror says so, goes on with deletions, and completes when there is room") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const Workspace workspace;
  const Mount disk = Mount::tmpfs(workspace.replica(), 12 * mebibyte);
  write_many(workspace.source(), 200, 5000);
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);

  write_large(workspace.source("large"), 30 * mebibyte);
  fs::remove(workspace.source("folder0/file3"));
  CHECK(running->process().wait_for_text("o space left"));
  CHECK(wait_until([&] { return !fs::exists(workspace.replica("folder0/file3")); }, scaled(seconds(20))));
  const Finished flushed = running->tell("flush", {"--timeout", "3s"});
  INFO(describe(flushed));
  CHECK((flushed.exit_code == 1 || flushed.exit_code == 6)); // failed, or still retried
  const Finished status = running->tell("status");
  INFO(describe(status));
  CHECK(mentions(status, "large|o space left"));
  CHECK_FALSE(fs::exists(workspace.replica("large")));
  CHECK(running->process().running());

  disk.resize(100 * mebibyte);
  const bool complete = wait_until(
      [&] {
        return running->tell("flush", {"--timeout", "10s"}).exit_code == 0;
      },
      scaled(seconds(60)));
  INFO(running->log());
  REQUIRE(complete);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("full disk: --once ends with 1 and lists what failed, the next run with room completes") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const Workspace workspace;
  const Mount disk = Mount::tmpfs(workspace.replica(), 8 * mebibyte);
  write_file(workspace.source("a small one"), "small");
  write_large(workspace.source("large"), 20 * mebibyte);
  const Finished finished = workspace.mirror_once();
  INFO(describe(finished));
  CHECK_FALSE(finished.timed_out);
  CHECK(finished.exit_code == 1);
  CHECK(mentions(finished, "large"));
  CHECK(mentions(finished, "No space left"));
  CHECK_FALSE(fs::exists(workspace.replica("large")));
  disk.resize(64 * mebibyte);
  const Finished second = workspace.mirror_once();
  INFO(describe(second));
  CHECK(second.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}
