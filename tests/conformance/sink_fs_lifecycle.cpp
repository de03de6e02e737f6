// sink-fs over time: opening, the lock, what crashes leave behind, full disks, several file systems in one
// replica.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <memory>

#include "sink_fs_fixture.h"
#include "support/file_systems.h"
#include "support/skip.h"
#include "support/wait.h"

using namespace osync;
using namespace osync::test;
namespace fs = std::filesystem;

namespace {

const SinkKit& kit = sink_fs_kit;

struct Opened {
  explicit Opened(const std::string& root)
      : sink("sink-fs", sink_fs_options(root)), status(sink->open(state, capabilities)) {}
  LoadedPlugin<Sink> sink;
  ReplicaState state;
  SinkCapabilities capabilities;
  Status status;
};

/// Claims, applies `groups` and ends like a killed process: without close().
void crash_after(const std::string& root, const std::vector<GroupBuilder>& groups) {
  Opened opened(root);
  REQUIRE(opened.status.to_string() == "ok");
  REQUIRE(opened.sink->claim(test_identity(), false).to_string() == "ok");
  GroupResult result;
  for (const GroupBuilder& group : groups) {
    opened.sink->apply(group.build(), result);
    REQUIRE(result.failures.empty());
  }
}

/// Runs a shell command on paths of the test's own; false when it fails.
bool run(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
} // NOLINT

/// An ext4 made with one more feature, mounted below `directory`; not mounted where tools or kernel do not
/// know it.
struct MadeExt4 {
  MadeExt4(const TemporaryDirectory& directory, const std::string& feature) : path(directory / "mounted") {
    const std::string image = directory / "image";
    fs::create_directory(path);
    if (!run("truncate -s 64M '" + image + "' && mkfs.ext4 -q -O " + feature + " '" + image + "'")) return;
    try {
      mount = std::make_unique<Mount>(Mount::image(image, "ext4", path));
    } catch (const std::runtime_error&) { // mount stays empty, and the test says that it is skipped
    }
  }
  std::string path;
  std::unique_ptr<Mount> mount;
};

} // namespace

TEST_CASE("sink-fs: open changes nothing") {
  const TemporaryDirectory directory;
  const std::string root = directory / "replica";
  {
    const Opened made(root);
    CHECK(made.status.ok());
    CHECK(made.state.content == ReplicaState::Content::empty);
    CHECK(entries_in(root) == 0);
    CHECK(mode_of(root) == 0700);
  }
  write_file(root + "/somebody's", "file");
  const struct stat before = stat_of(root);
  {
    Opened foreign(root);
    CHECK(foreign.state.content == ReplicaState::Content::foreign_content);
    CHECK(foreign.sink->close().ok());
  }
  CHECK(stat_of(root).st_mtim.tv_nsec == before.st_mtim.tv_nsec);
  CHECK(entries_in(root) == 1);
  CHECK(Opened(directory / "several/missing").status.code() == Code::not_found);
  CHECK(Opened(root + "/somebody's").status.code() == Code::invalid);
  CHECK(Opened("").status.code() == Code::invalid);
}

TEST_CASE("sink-fs: the lost+found of a new file system counts as nothing") {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "lost+found");
  CHECK(Opened(directory.path()).state.content == ReplicaState::Content::empty);
  write_file(directory / "lost+found/#123", "found");
  CHECK(Opened(directory.path()).state.content == ReplicaState::Content::foreign_content);
}

TEST_CASE("sink-fs: the lock names its holder and ends with the process") {
  const TemporaryDirectory directory;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const int fd = open(directory.path().c_str(), O_RDONLY | O_DIRECTORY);
    const char locked = flock(fd, LOCK_EX) == 0 ? 'y' : 'n';
    if (write(ends[1], &locked, 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char locked = 0;
  REQUIRE(read(ends[0], &locked, 1) == 1);
  CHECK(locked == 'y');
  const Opened refused(directory.path());
  CHECK(refused.status.code() == Code::conflict);
  CHECK(refused.status.message().find("process " + std::to_string(child)) != std::string_view::npos);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  CHECK(Opened(directory.path()).status.ok());
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("sink-fs: an identity that cannot be read is refused with what to do") {
  const TemporaryDirectory directory;
  const std::string root = directory / "replica";
  crash_after(root, {});
  const std::string identity = root + "/.osync/identity";
  const std::string good = read_file(identity);
  for (const std::string& bad :
       {std::string(), std::string("osync-replica 1\n"), good.substr(0, good.size() - 5), good + "more\n",
        std::string(10'000, 'x'), "x" + good}) {
    write_file(identity, bad);
    const Opened opened(root);
    CHECK(opened.status.code() == Code::corrupt);
    CHECK(opened.status.message().find("--adopt") != std::string_view::npos);
  }
  write_file(identity, "osync-replica 2\nwhatever\n");
  CHECK(Opened(root).status.code() == Code::unsupported);
  write_file(identity, good);
  CHECK(Opened(root).state.content == ReplicaState::Content::own_identity);
  fs::remove(identity);
  CHECK(Opened(root).state.content == ReplicaState::Content::empty);
  CHECK(mode_of(root + "/.osync") == 0700);
}

TEST_CASE("sink-fs: an adoption is remembered by later claims") {
  const TemporaryDirectory directory;
  for (const bool adopt : {false, true, false}) {
    Opened opened(directory.path());
    REQUIRE(opened.sink->claim(test_identity(), adopt).ok());
    CHECK(opened.sink->close().ok());
  }
  CHECK(Opened(directory.path()).state.adopted);
}

TEST_CASE("sink-fs: what a killed process left is cleaned up by the next claim") {
  const TemporaryDirectory directory;
  const std::string root = directory / "replica";
  GroupBuilder deep("d");
  for (int i = 0; i < 50; ++i) deep.put("f" + std::to_string(i), "x");
  crash_after(root, {GroupBuilder().stage(1, 0, "x").stage(2, 0, "x").make_directory("d"), deep,
                     GroupBuilder().remove("d")});
  CHECK(entries_in(root + "/.osync/stage") == 2);
  CHECK(entries_in(root + "/.osync/limbo") == 1);
  write_file(root + "/.osync/stage/dir/file", "x"); // left between exchanging and disposing
  Opened opened(root);
  CHECK_FALSE(opened.state.suspect_since); // the same boot: the page cache has everything
  REQUIRE(opened.sink->claim(test_identity(2), false).to_string() == "ok");
  CHECK(entries_in(root + "/.osync/stage") == 0);
  CHECK(entries_in(root + "/.osync/limbo") == 0);
  CHECK(opened.sink->close().ok());
}

TEST_CASE("sink-fs: close removes stages and limbo") {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().stage(1, 0, "x").make_directory("d")) == "");
  REQUIRE(sink.failures(GroupBuilder("d").put("f", "x")) == "");
  REQUIRE(sink.failures(GroupBuilder().remove("d")) == "");
  CHECK(sink.close().ok());
  CHECK(entries_in(sink.root() + "/.osync/stage") == 0);
  CHECK(entries_in(sink.root() + "/.osync/limbo") == 0);
}

TEST_CASE("sink-fs: trees of any depth and width are purged") {
  ClaimedSink sink(kit);
  // 3,000 levels: far more than descriptors or any path, made through one descriptor.
  REQUIRE(sink.failures(GroupBuilder().make_directory("deep").make_directory("wide")) == "");
  int directory = open((sink.root() + "/deep").c_str(), O_RDONLY | O_DIRECTORY);
  for (int level = 0; level < 3000; ++level) {
    REQUIRE(mkdirat(directory, "level", 0700) == 0);
    const int next = openat(directory, "level", O_RDONLY | O_DIRECTORY);
    close(openat(directory, "file", O_CREAT | O_WRONLY, 0600));
    close(directory);
    directory = next;
  }
  close(directory);
  for (int i = 0; i < 300; ++i) write_file(sink.root() + "/wide/" + std::to_string(i) + "/file", "x");
  REQUIRE(sink.failures(GroupBuilder().remove("deep").put("wide", "a file")) == "");
  CHECK(sink.names() == std::vector<std::string>{"wide"});
  REQUIRE(wait_until([&] { return sink->housekeep(std::chrono::milliseconds(5)); }));
  CHECK(entries_in(sink.root() + "/.osync/limbo") == 0);
}

TEST_CASE("sink-fs: a full disk fails one file at a time, keeps the old ones, and gets room by removing") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const TemporaryDirectory directory;
  const std::string root = directory / "replica";
  fs::create_directory(root);
  const Mount disk = Mount::tmpfs(root, 2 << 20);
  ClaimedSink sink(kit, sink_fs_options(root), root);
  const std::string large(1'500'000, 'x');
  REQUIRE(sink.failures(GroupBuilder().put("old", "old content").make_directory("d")) == "");
  REQUIRE(sink.failures(GroupBuilder("d").put("large", large)) == "");
  CHECK(sink.failure(GroupBuilder().put("new", large)) == Code::no_space);
  CHECK(sink.failure(GroupBuilder().put("old", large)) == Code::no_space);
  CHECK(sink.names() == std::vector<std::string>{"d", "old"});
  CHECK(sink.holds("", "old", "old content"));
  CHECK(sink.failure(GroupBuilder().stage(1, 0, large)) == Code::no_space);
  CHECK(sink.failure(GroupBuilder().stage(1, 1'500'000, "more")) == Code::no_space); // void for good
  CHECK(sink.failure(GroupBuilder().publish(
            "old", 1, 1'500'004, digest_of_pieces({{0, large}, {1'500'000, "more"}}))) == Code::no_space);
  CHECK(sink.holds("", "old", "old content"));
  CHECK(entries_in(root + "/.osync/stage") == 0);
  REQUIRE(sink.failures(GroupBuilder().put("small", "x")) == "");
  // A removed directory still takes up room in limbo; whoever finds the disk full makes it free.
  REQUIRE(sink.failures(GroupBuilder().remove("d")) == "");
  CHECK(sink.failures(GroupBuilder().put("new", large)) == "");
  CHECK(sink.holds("", "new", large));
}

TEST_CASE("sink-fs: a subvolume in the replica is written to, staged beside the target and removed") {
  const auto missing = file_system_missing("btrfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const FileSystem file_system("btrfs");
  const std::string root = file_system / "replica";
  fs::create_directory(root);
  REQUIRE(run("btrfs subvolume create '" + root + "/sub'"));
  ClaimedSink sink(kit, sink_fs_options(root), root);
  const std::string data(200'000, 'x');
  const std::vector<Piece> pieces = {{0, "begin"}, {50'000'000, data}};
  REQUIRE(sink.failures(GroupBuilder().put("file", "x")) == "");
  for (int round = 0; round < 2; ++round) {
    REQUIRE(
        sink.failures(
            GroupBuilder("sub").put("a", "x").put("a", "again").make_directory("d").make_symlink("s", "x")) ==
        "");
    REQUIRE(sink.failures(GroupBuilder("sub/d").put("below", "x")) == "");
    REQUIRE(sink.failures(
                GroupBuilder("sub").put("d", "a file now").make_directory("s").make_link("l", "sub/a")) ==
            "");
    REQUIRE(sink.failures(GroupBuilder("sub")
                              .stage(1, pieces[0].offset, pieces[0].data)
                              .stage(1, pieces[1].offset, pieces[1].data)
                              .publish("large", 1, 60'000'000, digest_of_pieces(pieces))) == "");
    CHECK(sink.failure(GroupBuilder("sub").make_link("m", "file")) ==
          Code::stale); // no links between subvolumes
    CHECK(sink.holds("sub", "a", "again"));
    CHECK(sink.holds("sub", "d", "a file now"));
    CHECK(sink.names("sub") == std::vector<std::string>{"a", "d", "l", "large", "s"});
    CHECK(entries_in(root + "/sub") == 5);
    CHECK(sink.inspect("sub", "large").attributes.size == 60'000'000);
    CHECK(sink.inspect("sub", "large").attributes.blocks * 512 < 1'000'000);
    REQUIRE(sink.failures(GroupBuilder("sub").remove("d").make_directory("d")) == "");
    REQUIRE(sink.failures(GroupBuilder("sub/d").make_directory("e").put("f", "x")) == "");
    REQUIRE(sink.failures(GroupBuilder("sub").remove("d").remove("large").remove("l")) == "");
    CHECK(sink.names("sub") == std::vector<std::string>{"a", "s"});
  }
  // What a crash leaves beside a target is not listed, and goes with the next claim.
  const std::string left = root + "/sub/.osync-stage-0123456789abcdef0123456789abcdef";
  write_file(left, "x");
  CHECK(sink.names("sub") == std::vector<std::string>{"a", "s"});
  CHECK(sink.close().ok());
  CHECK_FALSE(fs::exists(left));
}

TEST_CASE("sink-fs: a directory of another quota project is staged beside the target too") {
  const auto missing = file_system_missing("ext4");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const TemporaryDirectory directory;
  const MadeExt4 file_system(directory, "project");
  OSYNC_SKIP_IF(!file_system.mount, "no ext4 with projects here");
  const std::string root = file_system.path + "/replica";
  fs::create_directories(root + "/sub");
  // On the same file system, and yet a rename into it gives EXDEV.
  REQUIRE(run("chattr +P -p 5 '" + root + "/sub'"));
  ClaimedSink sink(kit, sink_fs_options(root), root);
  REQUIRE(
      sink.failures(
          GroupBuilder("sub").put("a", "x").put("a", "again").make_directory("d").make_symlink("s", "x")) ==
      "");
  REQUIRE(sink.failures(GroupBuilder("sub/d").put("below", "x").put("below", "y")) == "");
  const std::vector<Piece> pieces = {{0, "begin"}, {5'000'000, "end"}};
  REQUIRE(sink.failures(GroupBuilder("sub")
                            .stage(1, pieces[0].offset, pieces[0].data)
                            .stage(1, pieces[1].offset, pieces[1].data)
                            .publish("large", 1, 6'000'000, digest_of_pieces(pieces))) == "");
  REQUIRE(sink.failures(
              GroupBuilder("sub").put("d", "a file now").make_directory("s").make_link("l", "sub/a")) == "");
  CHECK(sink.holds("sub", "a", "again"));
  CHECK(sink.holds("sub", "d", "a file now"));
  CHECK(sink.inspect("sub", "large").attributes.size == 6'000'000);
  CHECK(sink.names("sub") == std::vector<std::string>{"a", "d", "l", "large", "s"});
  CHECK(entries_in(root + "/sub") == 5);
  CHECK(entries_in(root + "/.osync/stage") == 0);
  REQUIRE(sink.failures(GroupBuilder("sub").remove("s").remove("d").remove("large")) == "");
}

TEST_CASE("sink-fs: two spellings of one name on a file system that folds case are a failure, not a loss") {
  const auto missing = file_system_missing("ext4");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const TemporaryDirectory directory;
  const MadeExt4 file_system(directory, "casefold");
  OSYNC_SKIP_IF(!file_system.mount, "the kernel cannot mount a file system that folds case");
  const std::string root = file_system.path + "/replica";
  fs::create_directory(root);
  REQUIRE(run("chattr +F '" + root + "'"));
  ClaimedSink sink(kit, sink_fs_options(root), root);
  CHECK_FALSE(sink.capabilities().case_sensitive);
  REQUIRE(sink.failures(GroupBuilder().put("Name", "one")) == "");
  CHECK(sink.failure(GroupBuilder().put("name", "two")) == Code::exists);
  CHECK(sink.failure(GroupBuilder().remove("NAME")) == Code::exists);
  CHECK(sink.failure(GroupBuilder().put(".OSYNC", "x")) == Code::invalid);
  CHECK(sink.holds("", "Name", "one"));
  REQUIRE(sink.failures(GroupBuilder().put("Name", "three").remove("Name")) == "");
}
