// `osync mirror --once`: the replica equals the source afterwards, whatever is in it and whatever happened
// between runs.
#include "support/churn.h"
#include "support/compare_trees.h"
#include "support/file_systems.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/skip.h"
#include "support/varied_tree.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

void require_mirrored(const Workspace& workspace, const Arguments& options = {}) {
  const Finished finished = workspace.mirror_once(options);
  INFO(describe(finished));
  REQUIRE(finished.exit_code == 0);
  REQUIRE(differences(workspace.source(), workspace.replica()) == "");
  REQUIRE(rsync_differences(workspace.source(), workspace.replica(), {"/deep"}) == "");
}

void mirror_varied_tree_twice(const Workspace& workspace, const VariedTreeOptions& options) {
  INFO("seed " << options.seed);
  make_varied_tree(workspace.source(), options);
  require_mirrored(workspace);
  const auto before = fingerprints(workspace.replica());
  require_mirrored(workspace);
  CHECK(fingerprints(workspace.replica()) == before);
}

} // namespace

TEST_CASE("mirror --once: the varied tree in memory, a second run touches nothing", "[varied]") {
  const Workspace workspace;
  mirror_varied_tree_twice(workspace, {.seed = 11});
}

TEST_CASE("mirror --once: the varied tree on ext4, a second run touches nothing", "[varied]") {
  const auto missing = file_system_missing("ext4");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const FileSystem system("ext4");
  mirror_varied_tree_twice(Workspace(system.path()), {.seed = 12});
}

TEST_CASE("mirror --once: the varied tree on xfs, a second run touches nothing", "[varied]") {
  const auto missing = file_system_missing("xfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const FileSystem system("xfs");
  mirror_varied_tree_twice(Workspace(system.path()), {.seed = 13, .symlink_target = 1000});
}

TEST_CASE("mirror --once: the varied tree from btrfs to ext4", "[varied]") {
  const auto missing = file_system_missing("btrfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const FileSystem from("btrfs");
  const FileSystem to("ext4");
  Workspace workspace(to.path());
  fs::remove(workspace.source());
  fs::create_directory(from / "tree");
  make_varied_tree(from / "tree", {.seed = 14, .symlink_target = 3900});
  const Finished finished = workspace.osync(
      {"mirror", "--once", "--state-dir", workspace.state(), from / "tree", workspace.replica()});
  INFO(describe(finished));
  REQUIRE(finished.exit_code == 0);
  REQUIRE(differences(from / "tree", workspace.replica()) == "");
}

TEST_CASE(
    "mirror --once: a replica that does not exist yet is made, an empty source is no mistake at first") {
  const Workspace workspace;
  fs::remove(workspace.replica());
  require_mirrored(workspace);
  CHECK(fs::is_directory(workspace.replica(".osync")));
}

TEST_CASE("mirror --once: edits, deletions, renames and changes of type between two runs") {
  const Workspace workspace;
  make_varied_tree(workspace.source(), {.seed = 21, .small_files = 200, .wide_files = 300});
  require_mirrored(workspace);

  SECTION("edits and attributes") {
    write_file(workspace.source("small/file0"), "other content");
    write_file(workspace.source("wide/entry1"), "");
    fs::resize_file(workspace.source("big/1048577 bytes"), 1000000);
    REQUIRE(chmod(workspace.source("modes/file 0777").c_str(), 0601) == 0);
    REQUIRE(chmod(workspace.source("empty/one").c_str(), 0711) == 0);
    fs::remove(workspace.source("symlinks/relative"));
    fs::create_symlink("elsewhere", workspace.source("symlinks/relative"));
  }
  SECTION("deletions and renames") {
    fs::remove_all(workspace.source("names"));
    fs::remove_all(workspace.source("links/far"));
    fs::rename(workspace.source("small"), workspace.source("renamed"));
    fs::rename(workspace.source("wide"), workspace.source("empty/wide"));
    fs::rename(workspace.source("empty/file"), workspace.source("renamed/file0"));
  }
  SECTION("types change places") {
    fs::remove(workspace.source("wide/entry5"));
    fs::create_directory(workspace.source("wide/entry5"));
    write_file(workspace.source("wide/entry5/below"), "x");
    fs::remove_all(workspace.source("big"));
    write_file(workspace.source("big"), "a file now");
    fs::remove_all(workspace.source("empty"));
    fs::create_directory_symlink("wide", workspace.source("empty"));
    fs::remove(workspace.source("symlinks/parent"));
    REQUIRE(mkfifo(workspace.source("symlinks/parent").c_str(), 0600) == 0);
    fs::remove(workspace.source("specials/fifo"));
    write_file(workspace.source("specials/fifo"), "no fifo any more");
  }
  SECTION("links are taken apart and joined") {
    fs::remove(workspace.source("links/near/pair again"));
    write_file(workspace.source("links/near/pair again"), "alone");
    fs::remove(workspace.source("links/far/same content"));
    fs::create_hard_link(workspace.source("links/near/same content"),
                         workspace.source("links/far/same content"));
    fs::create_hard_link(workspace.source("links/near/three"), workspace.source("links/fourth"));
  }
  require_mirrored(workspace);
}

TEST_CASE("mirror --once: content that changed between runs with equal size and mtime is seen by its ctime") {
  const Workspace workspace;
  write_file(workspace.source("file"), "before");
  require_mirrored(workspace);
  struct stat status {};
  REQUIRE(stat(workspace.source("file").c_str(), &status) == 0);
  write_file(workspace.source("file"), "behind");
  const timespec times[2] = {status.st_atim, status.st_mtim};
  REQUIRE(utimensat(AT_FDCWD, workspace.source("file").c_str(), times, 0) == 0);
  require_mirrored(workspace);
}

TEST_CASE("mirror --once: what somebody did to the replica is put right") {
  const Workspace workspace;
  write_many(workspace.source(), 300, 2000);
  require_mirrored(workspace);
  write_file(workspace.replica("folder0/file3"), "tampered, and longer than before by far");
  fs::remove_all(workspace.replica("folder1"));
  write_file(workspace.replica("extra/deep/file"), "not in the source");
  REQUIRE(chmod(workspace.replica("folder2/file205").c_str(), 0) == 0);
  fs::remove(workspace.replica("folder0/file4"));
  fs::create_directory(workspace.replica("folder0/file4"));
  write_file(workspace.replica("folder0/file4/x"), "x");
  require_mirrored(workspace);
}

TEST_CASE("mirror --once: ends in a tree that never rests, and the next run finds it equal") {
  const Workspace workspace;
  write_many(workspace.source("quiet"), 2000, 3000);
  fs::create_directory(workspace.source("busy"));
  Churn churn(workspace.source("busy"), {.seed = 5});
  const Finished finished = workspace.mirror_once();
  INFO(describe(finished));
  CHECK(finished.exit_code == 0);
  CHECK(churn.finish() > 0);
  require_mirrored(workspace);
}

TEST_CASE("mirror --once: a file larger than a frame by far, a sparse one of 1 GiB, and an empty one") {
  const Workspace workspace;
  write_large(workspace.source("large"), (100 << 20) + 17);
  write_file(workspace.source("empty"), "");
  write_file(workspace.source("sparse"), "begin");
  fs::resize_file(workspace.source("sparse"), std::uint64_t{1} << 30);
  require_mirrored(workspace);
}

TEST_CASE("mirror --once: paths with colons, spaces and bytes that are no UTF-8 as roots") {
  const Workspace workspace;
  const std::string source = workspace / "a:b c\xff";
  const std::string replica = workspace / "new\nline: d";
  write_file(source + "/file", "content");
  const Finished finished =
      workspace.osync({"mirror", "--once", "--state-dir", workspace.state(), source, replica});
  INFO(describe(finished));
  REQUIRE(finished.exit_code == 0);
  CHECK(differences(source, replica) == "");
}
