// sink-fs deletes what was removed: when there is nothing else to do, and at once when the disk is full.
#include <sys/statvfs.h>

#include <catch2/catch.hpp>

#include "sink_fs_fixture.h"
#include "support/file_systems.h"
#include "support/skip.h"
#include "support/wait.h"

using namespace osync;
using namespace osync::test;
namespace fs = std::filesystem;

namespace {

using std::chrono::milliseconds;

const SinkKit& kit = sink_fs_kit;
constexpr std::size_t group_size = 128;

std::string limbo_of(const ClaimedSink& sink) { return sink.root() + "/.osync/limbo"; }

/// Puts files of `content` into `directory` until the disk has no space for another; returns how many are
/// there.
std::size_t fill(ClaimedSink& sink, const std::string& directory, const std::string& content,
                 const std::string& prefix = "f") {
  for (std::size_t made = 0;;) {
    GroupBuilder group(directory);
    for (std::size_t i = 0; i < group_size; ++i) group.put(prefix + std::to_string(made + i), content);
    const GroupResult result = sink.apply(group);
    made += group_size - result.failures.size();
    for (const OperationFailure& failure : result.failures) REQUIRE(failure.status.code() == Code::no_space);
    if (!result.failures.empty()) return made;
  }
}

/// Only what is on the disk tells how much of it is left: ext4 sets more aside for what is not written yet.
void fill_to_the_last_block(ClaimedSink& sink, const std::string& directory, std::string prefix) {
  struct statvfs before {};
  struct statvfs now {};
  do {
    REQUIRE(statvfs(sink.root().c_str(), &before) == 0);
    fill(sink, directory, "x", prefix += "_");
    REQUIRE(sink->sync().ok());
    REQUIRE(statvfs(sink.root().c_str(), &now) == 0);
  } while (now.f_bfree < before.f_bfree);
}

/// Fills a file system of `type`, removes all, and puts as much there again: every operation succeeds.
void replace_a_full_disk(const std::string& type, std::uint64_t size, const std::string& content) {
  const auto missing = file_system_missing(type);
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const FileSystem file_system(type, size);
  const std::string root = file_system / "replica";
  fs::create_directory(root);
  ClaimedSink sink(kit, sink_fs_options(root), root);
  REQUIRE(sink.failures(GroupBuilder().make_directory("old").make_directory("new")) == "");
  const std::size_t made = fill(sink, "old", content);
  REQUIRE(made > 2 * group_size);
  REQUIRE(sink.failure(GroupBuilder().put("one more", content)) == Code::no_space); // the limbo is empty
  REQUIRE(sink.failures(GroupBuilder().remove("old")) == "");
  REQUIRE(entries_in(limbo_of(sink)) == 1);
  for (std::size_t i = 0; i < made / 2; ++i)
    REQUIRE(sink.failures(GroupBuilder("new").put("f" + std::to_string(i), content)) == "");
}

/// An ext4 without a free block, and on it a tree with more directories than the limbo takes without another
/// block.
struct FullDisk {
  static constexpr int directories = 200;
  FullDisk()
      : root(file_system / "replica"), sink(kit, (fs::create_directory(root), sink_fs_options(root)), root) {
    REQUIRE(sink.failures(GroupBuilder().make_directory("tree").make_directory("rest")) == "");
    for (int i = 0; i < directories; ++i) write_file(root + "/tree/" + std::to_string(i) + "/f", "x");
    fill(sink, "rest", std::string(100'000, 'x'));
    fill_to_the_last_block(sink, "rest", "a");
  }
  const FileSystem file_system{"ext4", 32 << 20};
  const std::string root;
  ClaimedSink sink;
};

} // namespace

TEST_CASE("sink-fs: housekeeping deletes what was removed, a slice at a time, without any sync") {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().make_directory("a")) == "");
  for (int directory = 0; directory < 20; ++directory)
    for (int file = 0; file < 200; ++file)
      write_file(sink.root() + "/a/d" + std::to_string(directory) + "/f" + std::to_string(file), "x");
  CHECK(sink->housekeep(milliseconds(1)));
  REQUIRE(sink.failures(GroupBuilder().remove("a")) == "");
  CHECK(entries_in(limbo_of(sink)) == 1);
  CHECK_FALSE(sink->housekeep(milliseconds(0)));
  CHECK(entries_in(limbo_of(sink)) > 0);
  CHECK(wait_until([&] { return sink->housekeep(milliseconds(1)); }));
  CHECK(entries_in(limbo_of(sink)) == 0);
  CHECK(sink.names().empty());
}

TEST_CASE("sink-fs: what housekeeping began it lets go of when the sink is closed") {
  ClaimedSink sink(kit);
  const std::size_t before = open_descriptors();
  for (int file = 0; file < 3000; ++file) write_file(sink.root() + "/a/f" + std::to_string(file), "x");
  REQUIRE(sink.failures(GroupBuilder().remove("a")) == "");
  CHECK_FALSE(sink->housekeep(milliseconds(1)));
  CHECK(sink->close().ok());
  CHECK(sink->housekeep(milliseconds(1))); // there is nothing that it could do
  CHECK(open_descriptors() < before);
}

TEST_CASE("sink-fs: what was removed makes space where inodes are used up") {
  replace_a_full_disk("ext4", 16 << 20, "");
}

TEST_CASE("sink-fs: what was removed makes space where blocks are used up") {
  const std::string content(50'000, 'x');
  SECTION("ext4") { replace_a_full_disk("ext4", 32 << 20, content); }
  SECTION("tmpfs") { replace_a_full_disk("tmpfs", 32 << 20, content); }
}

TEST_CASE(
    "sink-fs: a stage that finds the disk full fails, and the next one has the space of what was removed") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const FileSystem file_system("tmpfs", 8 << 20);
  const std::string root = file_system / "replica";
  fs::create_directory(root);
  ClaimedSink sink(kit, sink_fs_options(root), root);
  const std::string large(1'000'000, 'x');
  REQUIRE(sink.failures(GroupBuilder().make_directory("old")) == "");
  fill(sink, "old", large);
  REQUIRE(sink.failures(GroupBuilder().remove("old")) == "");
  CHECK(sink.failure(GroupBuilder().stage(1, 0, large)) == Code::no_space);
  CHECK(sink.failures(GroupBuilder().discard(1).stage(2, 0, large)) == "");
  CHECK(sink.failures(GroupBuilder().publish("new", 2, large.size(), digest_of_pieces({{0, large}}))) == "");
  CHECK(sink.holds("", "new", large));
}

TEST_CASE("sink-fs: a tree is purged on a full disk though limbo has no space for all of its directories") {
  const auto missing = file_system_missing("ext4");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  FullDisk disk;
  CHECK(disk.sink.failures(GroupBuilder().remove("tree")) == "");
  CHECK(wait_until([&] { return disk.sink->housekeep(milliseconds(20)); }));
  CHECK(entries_in(limbo_of(disk.sink)) == 0);
  CHECK(disk.sink.log().count("stays in .osync/limbo") == 0);
}

TEST_CASE("sink-fs: directories are removed from a full disk though limbo has no space for them") {
  const auto missing = file_system_missing("ext4");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  FullDisk disk;
  // Put aside, since those cannot be deleted to make space for more.
  GroupBuilder removals("tree");
  for (int i = 0; i < FullDisk::directories; ++i) removals.remove(std::to_string(i));
  OperationGroup group = removals.build();
  for (std::size_t i = 0; i < group.operations.size(); ++i) group.operations[i].stage = i + 1;
  GroupResult result;
  disk.sink->apply(group, result);
  CHECK(result.failures.empty());
  CHECK(disk.sink.names("tree").empty());
  CHECK(entries_in(limbo_of(disk.sink)) > 0);
  CHECK(entries_in(limbo_of(disk.sink)) < FullDisk::directories);
}
