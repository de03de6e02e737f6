// Mounts below the roots: skipped and listed on the source, never deleted at or below on either side.
#include "support/compare_trees.h"
#include "support/file_systems.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/skip.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>

using namespace osync::test;
namespace fs = std::filesystem;

TEST_CASE("mounts: one below the source root is skipped and listed") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const Workspace workspace;
  write_many(workspace.source(), 50, 500);
  fs::create_directory(workspace.source("mounted"));
  const Mount mount = Mount::tmpfs(workspace.source("mounted"), 4 << 20);
  write_file(workspace.source("mounted/inside"), "of another file system");
  const Finished finished = workspace.mirror_once();
  INFO(describe(finished));
  CHECK(finished.exit_code == 0);
  CHECK(mentions(finished, "mounted"));
  CHECK_FALSE(fs::exists(workspace.replica("mounted/inside")));
  CHECK(differences(workspace.source(), workspace.replica(),
                    {.root_itself = false, .left_out = {"mounted"}}) == "");
}

TEST_CASE("mounts: one that appears over a mirrored directory deletes nothing on the replica") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const Workspace workspace;
  write_many(workspace.source(), 50, 500);
  write_file(workspace.source("later/mounted/old"), "covered by the mount soon");
  REQUIRE(workspace.mirror_once().exit_code == 0);
  {
    const Mount mount = Mount::tmpfs(workspace.source("later/mounted"), 4 << 20);
    const Finished finished = workspace.mirror_once();
    INFO(describe(finished));
    CHECK(mentions(finished, "later/mounted"));
    CHECK(read_file(workspace.replica("later/mounted/old")) == "covered by the mount soon");
  }
  const Finished uncovered = workspace.mirror_once();
  INFO(describe(uncovered));
  CHECK(uncovered.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("mounts: with one_file_system false they are part of the tree, and one that is gone deletes nothing") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const Workspace workspace;
  write_many(workspace.source(), 50, 500);
  fs::create_directories(workspace.source("disks/one"));
  PipelineFile pipeline(workspace);
  pipeline.in_source = "  one_file_system: false\n";
  const std::string file = pipeline.write(workspace / "pipeline.yaml");
  const auto run_once = [&] {
    const Finished finished = workspace.osync({"run", "--once", "--state-dir", workspace.state(), file});
    INFO(describe(finished));
    CHECK(finished.exit_code == 0);
    return finished;
  };
  const auto inside = [&] { return read_file(workspace.replica("disks/one/deep/inside")); };
  {
    const Mount mount = Mount::tmpfs(workspace.source("disks/one"), 4 << 20);
    write_file(workspace.source("disks/one/deep/inside"), "of the disk");
    static_cast<void>(run_once());
    REQUIRE(inside() == "of the disk");
    CHECK(mentions(run_once(), "0 entries sent"));
  }
  // Unmounted while osync was stopped, and while it ran; then another disk in its place.
  CHECK(mentions(run_once(), "disks/one"));
  CHECK(inside() == "of the disk");
  {
    const Mount other = Mount::tmpfs(workspace.source("disks/one"), 4 << 20);
    CHECK(mentions(run_once(), "disks/one"));
    CHECK(inside() == "of the disk");
  }
}

TEST_CASE("mounts: with one_file_system false one that goes or comes while osync runs stops that subtree") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const Workspace workspace;
  write_many(workspace.source(), 50, 500);
  fs::create_directories(workspace.source("disks/one"));
  write_file(workspace.source("plain/old"), "covered soon");
  PipelineFile pipeline(workspace);
  pipeline.in_source = "  one_file_system: false\n";
  const std::string file = pipeline.write(workspace / "pipeline.yaml");
  auto mount = std::make_unique<Mount>(Mount::tmpfs(workspace.source("disks/one"), 4 << 20));
  write_file(workspace.source("disks/one/inside"), "of the disk");
  Running running(workspace, {"run", "--state-dir", workspace.state(), file}, {file});
  REQUIRE(running.answers());
  REQUIRE(running.flush().exit_code == 0);
  REQUIRE(read_file(workspace.replica("disks/one/inside")) == "of the disk");
  mount.reset();
  REQUIRE(running.process().wait_for_text("unmounted from disks/one"));
  const Mount cover = Mount::tmpfs(workspace.source("plain"), 4 << 20);
  REQUIRE(running.process().wait_for_text("mounted on plain"));
  write_file(workspace.source("plain/new"), "of another disk");
  write_file(workspace.source("folder0/live"), "goes on");
  REQUIRE(running.flush().exit_code == 0);
  INFO(running.log());
  CHECK(read_file(workspace.replica("folder0/live")) == "goes on");
  CHECK(read_file(workspace.replica("disks/one/inside")) == "of the disk");
  CHECK(read_file(workspace.replica("plain/old")) == "covered soon");
  CHECK_FALSE(fs::exists(workspace.replica("plain/new")));
}

TEST_CASE("mounts: one that appears while osync runs stops that subtree with a warning") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const Workspace workspace;
  write_many(workspace.source(), 50, 500);
  write_file(workspace.source("harbour/old"), "covered soon");
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);
  const Mount mount = Mount::tmpfs(workspace.source("harbour"), 4 << 20);
  write_file(workspace.source("folder0/live"), "goes on");
  CHECK(running->process().wait_for_text("harbour"));
  (void)running
      ->flush(); // 0 or 1, whether the stopped subtree counts as failed; it must end, and delete nothing
  CHECK(read_file(workspace.replica("folder0/live")) == "goes on");
  CHECK(read_file(workspace.replica("harbour/old")) == "covered soon");
}

TEST_CASE("mounts: one below the replica root is neither written to nor deleted") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const Workspace workspace;
  write_many(workspace.source(), 50, 500);
  write_file(workspace.source("harbour/file"), "content");
  REQUIRE(workspace.mirror_once().exit_code == 0);
  const Mount mount = Mount::tmpfs(workspace.replica("harbour"), 4 << 20);
  write_file(workspace.replica("harbour/of somebody else"), "precious");
  fs::remove_all(workspace.source("harbour"));
  write_file(workspace.source("folder0/new"), "goes on");
  const Finished finished = workspace.mirror_once();
  INFO(describe(finished));
  CHECK_FALSE(finished.timed_out);
  CHECK(mentions(finished, "harbour"));
  CHECK(read_file(workspace.replica("harbour/of somebody else")) == "precious");
  CHECK(read_file(workspace.replica("folder0/new")) == "goes on");
}

TEST_CASE("mounts: a replica inside the source of another pipeline is never entered") {
  const Workspace workspace;
  write_many(workspace / "other source", 20, 100);
  fs::create_directory(workspace.source("backups"));
  const std::string nested = workspace.source("backups/nested");
  REQUIRE(
      workspace
          .osync({"mirror", "--once", "--state-dir", workspace.state(), workspace / "other source", nested})
          .exit_code == 0);
  write_file(workspace.source("file"), "content");
  const Finished finished = workspace.mirror_once();
  INFO(describe(finished));
  CHECK(finished.exit_code == 0);
  CHECK_FALSE(fs::exists(workspace.replica("backups/nested/.osync")));
  CHECK(read_file(workspace.replica("file")) == "content");
}
