// sink-fs: names, mount points, creation modes, opening without openat2, directories in use.
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "sink-fs/active_directories.h"
#include "sink-fs/attributes.h"
#include "sink-fs/fs_sink.h"
#include "sink-fs/mounts.h"
#include "sink-fs/names.h"
#include "sink-fs/options.h"
#include "sink-fs/sparse_copy.h"
#include "support/load_plugin.h"
#include "support/paths.h"
#include "support/temporary.h"

using namespace osync;
using namespace osync::sink_fs;
using osync::test::RecordingLogger;
using osync::test::TemporaryDirectory;

TEST_CASE("sink-fs names: .osync and own temporaries") {
  CHECK_FALSE(usable_path(".osync", true));
  CHECK_FALSE(usable_path(".osync/stage", true));
  CHECK(usable_path("a/.osync", true));
  CHECK(usable_path(".osyncx", true));
  CHECK(usable_path(".OSYNC", true));
  CHECK_FALSE(usable_path(".OsYnC/x", false));
  CHECK_FALSE(usable_entry("", ".osync", true));
  CHECK(usable_entry("a", ".osync", true));
  const std::string temporary = std::string(beside_prefix) + "0123456789abcdef0123456789abcdef";
  CHECK(is_beside_name(temporary));
  CHECK_FALSE(usable_entry("a", temporary, true));
  CHECK_FALSE(is_beside_name(temporary + "0"));
  CHECK_FALSE(is_beside_name(std::string(beside_prefix) + "0123456789abcdef0123456789abcdeg"));
}

TEST_CASE("sink-fs mounts: mount points below a root") {
  constexpr std::string_view text = "22 1 8:1 / / rw - ext4 /dev/sda rw\n"
                                    "23 22 8:2 / /replica rw - ext4 /dev/sdb rw\n"
                                    "24 23 8:3 / /replica/a\\040b/c rw shared:1 - tmpfs none rw\n"
                                    "25 23 8:4 / /replica2 rw - tmpfs none rw\n"
                                    "26 23 8:5 / /replica/x\\134y rw - tmpfs none rw\n"
                                    "short line\n";
  CHECK(mounts_below(text, "/replica") == std::set<std::string>{"a b/c", "x\\y"});
  CHECK(mounts_below(text, "/").size() == 4);
  CHECK(mounts_below(text, "/replica/a b/c").empty());
  CHECK(mounts_below("", "/replica").empty());
}

TEST_CASE("sink-fs attributes: a new file never grants more than it will in the end") {
  RecordingLogger logger;
  Losses losses(logger);
  Privileges privileges;
  privileges.chown = true;
  const AttributeWriter writer(privileges, losses);
  Attributes wanted;
  wanted.mode = 04644;
  CHECK(writer.creation_mode(wanted, true, false) == 0644);
  CHECK(writer.creation_mode(wanted, false, false) == 0600); // the owner is still another one
  CHECK(writer.creation_mode(wanted, true, true) == 0600);   // an inherited ACL would come into force
  wanted.xattrs = {{"system.posix_acl_access", "x"}};        // the mode's group bits are a mask here
  CHECK(writer.creation_mode(wanted, true, false) == 0600);
  wanted.uid = 5;
  CHECK_FALSE(writer.owner_is_right(wanted, 0, 0));
  privileges.chown = false; // what cannot be changed is as right as it will be
  CHECK(writer.owner_is_right(wanted, 0, 0));
  wanted.gid = 7;
  CHECK(writer.owner_is_right(wanted, 0, 0));
  privileges.groups = {7};
  CHECK_FALSE(writer.owner_is_right(wanted, 0, 0));
}

TEST_CASE("sink-fs tree: openat2 and the walk without it open the same") {
  const TemporaryDirectory directory;
  namespace fs = std::filesystem;
  fs::create_directories(directory / "root/a/b/c");
  fs::create_directories(directory / "outside");
  fs::create_symlink("../outside", directory / "root/out");
  fs::create_symlink("../..", directory / "root/a/up");
  test::write_file(directory / "root/a/file", "x");
  for (const bool without : {false, true}) {
    INFO("without openat2: " << without);
    Tree tree;
    REQUIRE(tree.adopt_root(Fd(open((directory / "root").c_str(), O_RDONLY | O_DIRECTORY)), without).ok());
    const auto code = [&](const std::string& path) {
      return tree.open_directory(tree.root(), path, O_RDONLY).status().code();
    };
    CHECK(code("") == Code::ok);
    CHECK(code("a/b/c") == Code::ok);
    CHECK(code("a/up") == Code::not_found);
    CHECK(code("out") == Code::not_found);
    CHECK(code("out/x") == Code::not_found);
    CHECK(code("a/file") == Code::not_found);
    CHECK(code("a/file/x") == Code::not_found);
    CHECK(code("absent/x") == Code::not_found);
    CHECK(Fd(tree.open_entry(tree.root(), "out", O_PATH)));
    CHECK_FALSE(Fd(tree.open_entry(tree.root(), "out", O_PATH | O_DIRECTORY)));
  }
}

TEST_CASE("sink-fs: works without openat2") {
  const TemporaryDirectory directory;
  RecordingLogger logger;
  FsSink sink(logger, {directory / "root", false, true});
  ReplicaState state;
  SinkCapabilities capabilities;
  REQUIRE(sink.open(state, capabilities).ok());
  REQUIRE(sink.claim({}, false).ok());
  std::string path;
  const std::string component(250, 'd');
  const auto apply = [&](OperationKind kind, FileType type, const std::string& in, const std::string& name) {
    OperationGroup group;
    group.directory = in;
    group.operations.resize(1);
    group.operations[0].kind = kind;
    group.operations[0].name = name;
    group.operations[0].attributes.type = type;
    group.operations[0].attributes.mode = 0700;
    group.operations[0].target = "target";
    GroupResult result;
    sink.apply(group, result);
    return result.failures.empty() ? Code::ok : result.failures[0].status.code();
  };
  for (int level = 0; level < 40; ++level) { // beyond PATH_MAX
    REQUIRE(apply(OperationKind::make_directory, FileType::directory, path, component) == Code::ok);
    path += (level == 0 ? "" : "/") + component;
  }
  CHECK(apply(OperationKind::put_file, FileType::regular, path, "file") == Code::ok);
  CHECK(apply(OperationKind::put_file, FileType::regular, path, "file") == Code::ok);
  CHECK(apply(OperationKind::make_symlink, FileType::symlink, path, "file") == Code::ok);
  CHECK(apply(OperationKind::make_directory, FileType::directory, path, "file") == Code::ok);
  CHECK(apply(OperationKind::make_directory, FileType::directory, path + "/x", "file") == Code::not_found);
  CHECK(apply(OperationKind::remove, FileType::unknown, "", component) == Code::ok);
  CHECK(sink.close().ok());
}

TEST_CASE("sink-fs: what cannot be called yet says so") {
  RecordingLogger logger;
  const TemporaryDirectory directory;
  FsSink sink(logger, {directory / "root"});
  CHECK(sink.claim({}, false).code() == Code::internal);
  CHECK(sink.sync().code() == Code::internal);
  GroupResult result;
  sink.apply({}, result);
  REQUIRE(result.failures.size() == 1);
  CHECK(result.failures[0].index == group_failure);
  std::vector<InspectedEntry> entries;
  CHECK(sink.inspect("", {}, entries).code() == Code::internal);
  CHECK(sink.close().ok());
}

TEST_CASE("sink-fs directories in use: the last one to leave puts times and mode back") {
  const TemporaryDirectory directory;
  const Fd fd(open(directory.path().c_str(), O_RDONLY | O_DIRECTORY));
  const timespec times[2] = {{1000, 1}, {1000, 1}};
  REQUIRE(futimens(fd.get(), times) == 0);
  const auto mtime = [&] {
    struct stat status {};
    fstat(fd.get(), &status);
    return Timestamp{status.st_mtim.tv_sec, static_cast<std::uint32_t>(status.st_mtim.tv_nsec)};
  };
  ActiveDirectories active;
  {
    auto first = active.enter(fd.get());
    first->will_change();
    test::write_file(directory / "a", "x");
    auto second = active.enter(fd.get());
    second->will_change();
    CHECK(first->leave() == 0);
    CHECK(mtime() != Timestamp{1000, 1}); // still in use
    test::write_file(directory / "b", "x");
  }
  CHECK(mtime() == Timestamp{1000, 1});
  {
    auto first = active.enter(fd.get());
    auto second = active.enter(fd.get());
    first->settle(0755, {2000, 2});
    CHECK(first->leave() == 0);
    test::write_file(directory / "c", "x");
  }
  CHECK(mtime() == Timestamp{2000, 2});
  struct stat status {};
  fstat(fd.get(), &status);
  CHECK((status.st_mode & 07777) == 0755);
}

TEST_CASE("sink-fs: copies keep holes and end where they are told to") {
  const TemporaryDirectory directory;
  const Fd from(open((directory / "from").c_str(), O_RDWR | O_CREAT, 0600));
  const Fd to(open((directory / "to").c_str(), O_RDWR | O_CREAT, 0600));
  const std::string data(100'000, 'x');
  REQUIRE(pwrite(from.get(), data.data(), data.size(), 0) == 100'000);
  REQUIRE(pwrite(from.get(), data.data(), data.size(), 10'000'000) == 100'000);
  REQUIRE(ftruncate(from.get(), 20'000'000) == 0);
  REQUIRE(copy_sparse(from.get(), to.get(), 20'000'000) == 0);
  CHECK(test::read_file(directory / "from") == test::read_file(directory / "to"));
  struct stat status {};
  REQUIRE(fstat(to.get(), &status) == 0);
  CHECK(status.st_size == 20'000'000);
  CHECK(status.st_blocks * 512 < 1'000'000);
  CHECK(copy_sparse(-1, to.get(), 5) == EBADF);
}

TEST_CASE("sink-fs: the README's table of options is the plugin's") {
  const std::string readme = test::read_file(test::source_directory() + "/plugins/sink-fs/README.md");
  for (const OptionSpec& option : option_table) {
    const std::string value =
        option.default_value == nullptr ? "required" : "`" + std::string(option.default_value) + "`";
    INFO(option.name);
    CHECK(readme.find("| `" + std::string(option.name) + "` | ") != std::string::npos);
    CHECK(readme.find(" | " + value + " | ") != std::string::npos);
    CHECK(readme.find(option.help) != std::string::npos);
  }
}
