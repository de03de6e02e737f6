// The oracle must see each single kind of difference: a test that cannot fail proves nothing.
#include "support/compare_trees.h"
#include "support/file_systems.h"
#include "support/process.h"
#include "support/skip.h"
#include "support/temporary.h"
#include "support/varied_tree.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace osync::test;

namespace {

/// A small source and an equal replica of it.
class Pair {
 public:
  Pair() {
    std::filesystem::create_directories(directory_ / "source/folder");
    write_file(source("file"), std::string(5000, 'a'));
    write_file(source("other"), "same as its twin");
    write_file(source("twin"), "same as its twin");
    REQUIRE(::link(source("file").c_str(), source("folder/again").c_str()) == 0);
    REQUIRE(::symlink("file", source("symlink").c_str()) == 0);
    REQUIRE(::mkfifo(source("fifo").c_str(), 0600) == 0);
    REQUIRE(run({{"cp", "-a", directory_ / "source", directory_ / "replica"}}).exit_code == 0);
  }
  [[nodiscard]] std::string source(const std::string& name) const { return directory_ / ("source/" + name); }
  [[nodiscard]] std::string replica(const std::string& name) const {
    return directory_ / ("replica/" + name);
  }
  [[nodiscard]] std::string compare(const CompareOptions& options = {}) const {
    return differences(directory_ / "source", directory_ / "replica", options);
  }

 private:
  TemporaryDirectory directory_;
};

void set_time(const std::string& path, time_t second, long nanosecond) {
  const timespec times[2] = {{second, nanosecond}, {second, nanosecond}};
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

/// Runs `change` on the replica and puts the file's time back, so that only the change itself can be seen.
void keep_time(const std::string& path, const std::function<void()>& change) {
  struct stat before {};
  REQUIRE(lstat(path.c_str(), &before) == 0);
  change();
  set_time(path, before.st_mtim.tv_sec, before.st_mtim.tv_nsec);
}

} // namespace

TEST_CASE("compare_trees: an exact copy is equal, and .osync at the top does not count") {
  const Pair pair;
  REQUIRE(pair.compare() == "");
  keep_time(pair.replica(""), [&] { write_file(pair.replica(".osync/identity"), "x"); });
  REQUIRE(pair.compare() == "");
}

TEST_CASE("compare_trees: each kind of difference is seen, and nothing else") {
  const Pair pair;
  const CompareOptions no_times{.times = false};

  SECTION("content of equal size and time") {
    keep_time(pair.replica("other"), [&] { write_file(pair.replica("other"), "same as its tWin"); });
    CHECK(pair.compare() == "other: content differs at byte 13\n");
  }
  SECTION("the last byte of a longer file") {
    keep_time(pair.replica("other"), [&] { write_file(pair.replica("other"), "same as its twin!"); });
    keep_time(pair.replica("twin"), [&] { write_file(pair.replica("twin"), "same as its twi"); });
    CHECK(pair.compare() == "other: size is 17, should be 16\n"
                            "twin: size is 15, should be 16\ntwin: content ends at byte 15\n");
  }
  SECTION("one nanosecond") {
    struct stat before {};
    REQUIRE(stat(pair.replica("other").c_str(), &before) == 0);
    set_time(pair.replica("other"), before.st_mtim.tv_sec, (before.st_mtim.tv_nsec + 1) % 1000000000);
    CHECK(pair.compare().find("other: mtime is ") == 0);
  }
  SECTION("the time of a directory, of a symlink and of the root") {
    set_time(pair.replica("folder"), 5, 6);
    set_time(pair.replica("symlink"), 5, 6);
    set_time(pair.replica(""), 5, 6);
    const std::string found = pair.compare();
    CHECK(found.find(".: mtime is 5.000000006") == 0);
    CHECK(found.find("\nfolder: mtime is 5.000000006") != std::string::npos);
    CHECK(found.find("\nsymlink: mtime is 5.000000006") != std::string::npos);
  }
  SECTION("mode") {
    REQUIRE(chmod(pair.replica("other").c_str(), 04644) == 0);
    CHECK(pair.compare() == "other: mode is 4644, should be 0644\n");
  }
  SECTION("a name that is missing and one too many") {
    REQUIRE(rename(pair.replica("other").c_str(), pair.replica("over").c_str()) == 0);
    CHECK(pair.compare(no_times) == "other: is missing\nover: should not exist\n");
  }
  SECTION("type") {
    REQUIRE(unlink(pair.replica("other").c_str()) == 0);
    REQUIRE(mkdir(pair.replica("other").c_str(), 0755) == 0);
    CHECK(pair.compare(no_times) == "other: is a directory, should be a file\n");
  }
  SECTION("symlink target") {
    REQUIRE(unlink(pair.replica("symlink").c_str()) == 0);
    REQUIRE(symlink("fil\n", pair.replica("symlink").c_str()) == 0);
    CHECK(pair.compare(no_times) == "symlink: target is fil\\x0a, should be file\n");
  }
  SECTION("xattrs: missing, differing, too many") {
    REQUIRE(setxattr(pair.source("other").c_str(), "user.a", "1", 1, 0) == 0);
    REQUIRE(setxattr(pair.source("other").c_str(), "user.b", "1", 1, 0) == 0);
    REQUIRE(setxattr(pair.replica("other").c_str(), "user.b", "2", 1, 0) == 0);
    REQUIRE(setxattr(pair.replica("other").c_str(), "user.c", "1", 1, 0) == 0);
    CHECK(pair.compare() == "other: xattr user.a is missing\nother: xattr user.b differs\n"
                            "other: xattr user.c should not exist\n");
  }
  SECTION("a broken group of links, and a group that should not be") {
    REQUIRE(unlink(pair.replica("folder/again").c_str()) == 0);
    write_file(pair.replica("folder/again"), std::string(5000, 'a'));
    REQUIRE(unlink(pair.replica("twin").c_str()) == 0);
    REQUIRE(link(pair.replica("other").c_str(), pair.replica("twin").c_str()) == 0);
    CHECK(pair.compare(no_times) == "file: should be one file by these names: file, folder/again\n"
                                    "other: is one file, and should not be, by these names: other, twin\n");
  }
  SECTION("an ACL") {
    const Finished set = run({{"setfacl", "-m", "u:1234:r", pair.source("other")}});
    INFO(describe(set));
    REQUIRE(set.exit_code == 0);
    CHECK(pair.compare() == "other: xattr system.posix_acl_access is missing\n");
  }
  SECTION("a filled hole") {
    keep_time(pair.source("other"), [&] { REQUIRE(truncate(pair.source("other").c_str(), 4 << 20) == 0); });
    keep_time(pair.replica("other"), [&] {
      write_file(pair.replica("other"), "same as its twin" + std::string((4 << 20) - 16, '\0'));
    });
    CHECK(pair.compare().find("other: takes ") == 0);
  }
  SECTION("what is left out does not count, the rest does") {
    REQUIRE(unlink(pair.replica("folder/again").c_str()) == 0);
    CHECK(pair.compare({.times = false, .link_groups = false, .left_out = {"folder"}}) == "");
    CHECK(pair.compare({.times = false, .link_groups = false}) == "folder/again: is missing\n");
  }
  SECTION("more than are listed") {
    REQUIRE(chmod(pair.replica("other").c_str(), 0600) == 0);
    REQUIRE(chmod(pair.replica("twin").c_str(), 0600) == 0);
    CHECK(pair.compare({.most = 1}) == "other: mode is 0600, should be 0644\nand 1 more\n");
  }
}

TEST_CASE("compare_trees: owners and device numbers") {
  OSYNC_NEEDS_ROOT();
  const Pair pair;
  REQUIRE(lchown(pair.replica("other").c_str(), 7, 8) == 0);
  REQUIRE(mknod(pair.source("node").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0);
  REQUIRE(mknod(pair.replica("node").c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0);
  CHECK(pair.compare({.times = false}) ==
        "node: device is 261, should be 259\nother: user is 7, should be 0\n"
        "other: group is 8, should be 0\n");
}

TEST_CASE("fingerprints change with a rewrite that leaves content and time as they were") {
  const Pair pair;
  const auto before = fingerprints(pair.replica(""));
  REQUIRE(fingerprints(pair.replica("")) == before);
  keep_time(pair.replica("other"), [&] { write_file(pair.replica("other"), "same as its twin"); });
  REQUIRE(fingerprints(pair.replica("")) != before);
  REQUIRE(before.size() == 7);
  REQUIRE(count_entries(pair.replica("")) == 7);
}

TEST_CASE("rsync_differences says what rsync would change, and nothing for an exact copy") {
  const Pair pair;
  REQUIRE(rsync_differences(pair.source(""), pair.replica("")) == "");
  write_file(pair.replica("extra"), "x");
  REQUIRE(rsync_differences(pair.source(""), pair.replica("")).find("*deleting") != std::string::npos);
}

TEST_CASE("the varied tree: the same for the same seed, and rsync's copy of it is equal by both oracles") {
  const std::string type = GENERATE(as<std::string>{}, "tmpfs", "ext4", "xfs", "btrfs");
  if (type != "tmpfs") {
    const auto missing = file_system_missing(type);
    if (missing) {
      WARN("skipped: " << *missing);
      return;
    }
  }
  INFO("on " << type);
  const std::unique_ptr<FileSystem> mounted = type == "tmpfs" ? nullptr : std::make_unique<FileSystem>(type);
  const TemporaryDirectory directory(mounted ? mounted->path() : "/dev/shm");
  for (const char* name : {"source", "again", "replica"})
    REQUIRE(mkdir((directory / name).c_str(), 0755) == 0);
  const VariedTreeOptions options{
      .seed = 7, .symlink_target = type == "xfs" ? 1000U : 3900U, .beyond_path_max = false};
  make_varied_tree(directory / "source", options);
  make_varied_tree(directory / "again", options);
  REQUIRE(differences(directory / "source", directory / "again") == "");

  const std::vector<std::string> copy = {"rsync", "-aHAXS", directory / "source/", directory / "replica/"};
  const Finished copied = run({copy});
  INFO(describe(copied));
  REQUIRE(copied.exit_code == 0);
  CHECK(differences(directory / "source", directory / "replica") == "");
  CHECK(rsync_differences(directory / "source", directory / "replica") == "");

  const TemporaryDirectory other;
  make_varied_tree(other.path(), {.seed = 8, .small_files = 100, .wide_files = 10, .beyond_path_max = false});
  CHECK(differences(directory / "source", other.path()) != "");
}

TEST_CASE("the varied tree goes beyond PATH_MAX, is compared there, and can be removed") {
  const TemporaryDirectory directory;
  for (const char* name : {"source", "replica"}) {
    REQUIRE(mkdir((directory / name).c_str(), 0755) == 0);
    make_varied_tree(directory / name, {.seed = 3, .small_files = 20, .wide_files = 20});
  }
  REQUIRE(differences(directory / "source", directory / "replica") == "");
  const auto lines = fingerprints(directory / "source");
  const auto longest = std::max_element(lines.begin(), lines.end(),
                                        [](const auto& a, const auto& b) { return a.size() < b.size(); });
  REQUIRE(longest->size() > 4400);
  remove_tree_content(directory / "source");
  REQUIRE(count_entries(directory / "source") == 0);
}
