// A source root that was valid and is gone, empty or on another device: nothing is deleted, exit 3.
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

void check_refused_untouched(const Workspace& workspace, const std::string& why) {
  const auto before = fingerprints(workspace.replica());
  const Finished finished = workspace.mirror_once();
  INFO(describe(finished));
  CHECK(finished.exit_code == 3);
  CHECK(mentions(finished, why));
  CHECK(fingerprints(workspace.replica()) == before);
}

} // namespace

TEST_CASE("source gone: missing, empty where it was not, or a file") {
  const Workspace workspace;
  write_many(workspace.source(), 30, 500);
  REQUIRE(workspace.mirror_once().exit_code == 0);
  const std::size_t entries = count_entries(workspace.replica());
  fs::rename(workspace.source(), workspace / "aside");
  check_refused_untouched(workspace, "source");
  write_file(workspace.source(), "a file now");
  check_refused_untouched(workspace, "source|director");
  fs::remove(workspace.source());
  fs::create_directory(workspace.source());
  check_refused_untouched(workspace, "empty");
  CHECK(count_entries(workspace.replica()) == entries);

  fs::remove(workspace.source());
  fs::rename(workspace / "aside", workspace.source());
  const Finished back = workspace.mirror_once();
  INFO(describe(back));
  CHECK(back.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("source gone: its disk is not mounted, or another one is") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const Workspace workspace;
  Mount disk = Mount::tmpfs(workspace.source(), 16 << 20);
  write_many(workspace.source(), 30, 500);
  REQUIRE(workspace.mirror_once().exit_code == 0);
  REQUIRE(disk.unmount());
  check_refused_untouched(workspace, "empty|device|file system|mount");
  write_file(workspace.source("placeholder"), "what lies below the mount point");
  check_refused_untouched(workspace, "device|file system|mount");
  const Mount other = Mount::tmpfs(workspace.source(), 16 << 20);
  write_many(workspace.source(), 3, 500, 9);
  check_refused_untouched(workspace, "device|file system|mount");
}

TEST_CASE("source gone: unmounted, renamed away or replaced while it is mirrored") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const Workspace workspace;
  std::optional<Mount> disk(Mount::tmpfs(workspace.source(), 16 << 20));
  write_many(workspace.source(), 30, 500);
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);
  const auto before = fingerprints(workspace.replica());
  disk.reset(); // as `umount -l`: osync itself holds it open
  const auto code = running->process().wait_exit(seconds(40));
  INFO(running->log());
  CHECK(code == 3);
  CHECK(fingerprints(workspace.replica()) == before);
}

TEST_CASE("source gone: renamed away while it is mirrored") {
  const Workspace workspace;
  write_many(workspace.source(), 30, 500);
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);
  const auto before = fingerprints(workspace.replica());
  fs::rename(workspace.source(), workspace / "aside");
  fs::create_directory(workspace.source());
  const auto code = running->process().wait_exit(seconds(40));
  INFO(running->log());
  CHECK(code == 3);
  CHECK(fingerprints(workspace.replica()) == before);
}

TEST_CASE("replica gone: its disk is not mounted, and the empty directory below is not taken for it") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const Workspace workspace;
  write_many(workspace.source(), 30, 500);
  Mount disk = Mount::tmpfs(workspace.replica(), 16 << 20);
  REQUIRE(workspace.mirror_once().exit_code == 0);
  REQUIRE(disk.unmount());
  const Finished finished = workspace.mirror_once();
  INFO(describe(finished));
  CHECK(finished.exit_code == 3);
  CHECK(count_entries(workspace.replica()) == 0);
}
