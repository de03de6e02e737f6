// ReadJob: what an entry is now.
#include "reader_fixture.h"

#include <linux/limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include <cstring>
#include <filesystem>

namespace osync::source {
namespace {

namespace fs = std::filesystem;
using engine::EntryRead;
using Outcome = EntryRead::Outcome;
using test::TemporaryDirectory;
using test::write_file;

/// An xattr name that this process may set in /dev/shm: user.* since Linux 6.6, trusted.* as root before.
std::string settable_xattr(const std::string& path) {
  for (const char* prefix : {"user.", "trusted."})
    if (setxattr(path.c_str(), (prefix + std::string("osync")).c_str(), "1", 1, 0) == 0) return prefix;
  return {};
}

/// acl(5) as it is stored: version 2, then tag, permissions and id of each entry, little-endian.
std::string acl_for_user(std::uint32_t uid) {
  std::string acl("\2\0\0\0", 4);
  const auto add = [&](std::uint16_t tag, std::uint16_t permissions, std::uint32_t id) {
    acl.append(reinterpret_cast<const char*>(&tag), 2);
    acl.append(reinterpret_cast<const char*>(&permissions), 2);
    acl.append(reinterpret_cast<const char*>(&id), 4);
  };
  add(0x01, 6, 0xffffffff);
  add(0x02, 4, uid);
  add(0x04, 4, 0xffffffff);
  add(0x10, 4, 0xffffffff);
  add(0x20, 0, 0xffffffff);
  return acl;
}

} // namespace

TEST_CASE("reader: regular files come with content and attributes") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  write_file(directory / "one", "first content");
  write_file(directory / "empty", "");
  write_file(directory / "two", std::string(100'000, 'z'));
  test::must(chmod((directory / "one").c_str(), 04751), "chmod");
  const timespec times[2] = {{1, 2}, {1'600'000'000, 123'456'789}};
  test::must(utimensat(AT_FDCWD, (directory / "one").c_str(), times, 0), "utimensat");

  const auto result = on.read(on.ref(), {"one", "empty", "gone", "two"});
  REQUIRE(result.status.ok());
  CHECK(result.id == 7);
  CHECK(result.directory_attributes.type == FileType::directory);
  CHECK(result.directory_attributes.has_xattrs);
  REQUIRE(result.entries.size() == 4);
  const Operation& one = result.entries[0].operation;
  CHECK(result.entries[0].outcome == Outcome::ready);
  CHECK(one.kind == OperationKind::put_file);
  CHECK(one.name == "one");
  CHECK(text_of(result.payload, one) == "first content");
  CHECK(one.attributes.size == 13);
  CHECK(one.attributes.mode == 04751);
  CHECK(one.attributes.mtime == Timestamp{1'600'000'000, 123'456'789});
  struct stat status;
  test::must(stat((directory / "one").c_str(), &status), "stat");
  CHECK(one.attributes.ctime ==
        Timestamp{status.st_ctim.tv_sec, static_cast<std::uint32_t>(status.st_ctim.tv_nsec)});
  CHECK(one.attributes.inode == status.st_ino);
  CHECK(one.attributes.uid == geteuid());
  CHECK(one.attributes.links == 1);
  CHECK(one.attributes.has_xattrs);
  CHECK(result.entries[1].outcome == Outcome::ready);
  CHECK(result.entries[1].operation.length == 0);
  CHECK(result.entries[2].outcome == Outcome::absent);
  CHECK(result.entries[2].operation.name == "gone");
  CHECK(result.entries[3].outcome == Outcome::ready);
  CHECK(text_of(result.payload, result.entries[3].operation) == std::string(100'000, 'z'));
  CHECK(result.payload.size() == 100'013);
}

TEST_CASE("reader: a read without names gives the directory's own attributes") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  fs::create_directory(directory / "d");
  test::must(chmod((directory / "d").c_str(), 01711), "chmod");
  const auto result = on.read(on.ref("d"), {});
  REQUIRE(result.status.ok());
  CHECK(result.entries.empty());
  CHECK(result.directory_attributes.mode == 01711);
  const auto stale = on.read({"d", on.root().id()}, {"x"});
  CHECK(stale.status.code() == Code::stale);
  CHECK(stale.entries.empty());
}

TEST_CASE("reader: symlinks, directories and special files are looked at and never opened") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  fs::create_symlink("does/not/exist", directory / "dangling");
  const std::string longest(PATH_MAX - 1, 't');
  test::must(symlink(longest.c_str(), (directory / "longest").c_str()), "symlink");
  test::must(mkfifo((directory / "fifo").c_str(), 0620),
             "mkfifo"); // opening it for reading would wait for a writer
  const test::Descriptor socket_fd(test::must(socket(AF_UNIX, SOCK_STREAM, 0), "socket"));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (directory / "socket").c_str(), sizeof address.sun_path - 1);
  test::must(bind(socket_fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  fs::create_directory(directory / "d");

  const auto result = on.read(on.ref(), {"dangling", "longest", "fifo", "socket", "d"});
  REQUIRE(result.entries.size() == 5);
  for (const auto& entry : result.entries) {
    INFO(entry.operation.name << ": " << entry.status.to_string());
    CHECK(entry.outcome == Outcome::ready);
    CHECK(entry.operation.attributes.has_xattrs);
  }
  CHECK(result.entries[0].operation.kind == OperationKind::make_symlink);
  CHECK(result.entries[0].operation.target == "does/not/exist");
  CHECK(result.entries[0].operation.attributes.size == 14);
  CHECK(result.entries[1].operation.target == longest);
  CHECK(result.entries[2].operation.kind == OperationKind::make_special);
  CHECK(result.entries[2].operation.attributes.type == FileType::fifo);
  CHECK(result.entries[3].operation.attributes.type == FileType::socket);
  CHECK(result.entries[4].operation.kind == OperationKind::make_directory);
  CHECK(result.entries[4].id == on.ref("d").id);
  CHECK_FALSE(result.entries[0].id.valid());
  CHECK(result.payload.empty());
}

TEST_CASE("reader: device nodes travel by number, without a driver behind them") {
  OSYNC_NEEDS_ROOT();
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  test::must(mknod((directory / "char").c_str(), S_IFCHR | 0600, makedev(250, 77)),
             "mknod"); // no such driver: ENXIO
  test::must(mknod((directory / "block").c_str(), S_IFBLK | 0640, makedev(251, 3)), "mknod");
  const auto result = on.read(on.ref(), {"char", "block"});
  REQUIRE(result.entries[0].outcome == Outcome::ready);
  CHECK(result.entries[0].operation.attributes.type == FileType::character_device);
  CHECK(result.entries[0].operation.attributes.device_major == 250);
  CHECK(result.entries[0].operation.attributes.device_minor == 77);
  REQUIRE(result.entries[1].outcome == Outcome::ready);
  CHECK(result.entries[1].operation.attributes.type == FileType::block_device);
  CHECK(result.entries[1].operation.attributes.device_major == 251);
}

TEST_CASE("reader: names of 255 bytes and of any bytes, names that cannot be are failures") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  const std::string longest(255, 'n'), bytes = "\xff\xfe\n\x01 'x", nul("a\0b", 3);
  write_file(directory / longest, "1");
  write_file(directory / bytes, "2");
  write_file(directory / "a", "not this");
  const auto result = on.read(on.ref(), {longest, bytes, std::string(256, 'n'), "", ".", "..", "a/b", nul});
  CHECK(result.entries[0].outcome == Outcome::ready);
  CHECK(result.entries[1].outcome == Outcome::ready);
  CHECK(text_of(result.payload, result.entries[1].operation) == "2");
  CHECK(result.entries[2].status.code() == Code::name_too_long);
  for (std::size_t i = 2; i < result.entries.size(); ++i) CHECK(result.entries[i].outcome == Outcome::failed);
}

TEST_CASE("reader: large, sparse and linked files are told apart without being read") {
  TemporaryDirectory directory;
  ReaderLimits limits;
  limits.inline_bytes = 10'000;
  ReaderOn on(directory.path().string(), true, limits);
  write_file(directory / "fits", std::string(10'000, 'a'));
  write_file(directory / "large", std::string(10'001, 'a'));
  write_file(directory / "sparse", "x");
  test::must(truncate((directory / "sparse").c_str(), 9'000), "truncate");
  write_file(directory / "linked", "l");
  fs::create_hard_link(directory / "linked", directory / "other");
  const auto result = on.read(on.ref(), {"fits", "large", "sparse", "linked"});
  CHECK(result.entries[0].outcome == Outcome::ready);
  CHECK(result.entries[1].outcome == Outcome::large);
  CHECK(result.entries[1].operation.attributes.size == 10'001);
  CHECK(result.entries[1].operation.name == "large");
  CHECK(result.entries[2].outcome == Outcome::large);
  CHECK(result.entries[3].outcome == Outcome::linked);
  CHECK(result.entries[3].operation.attributes.links == 2);
  CHECK(result.payload.size() == 10'000);
  CHECK(on.read(on.ref(), {"other"}).entries[0].id == result.entries[3].id);
  CHECK(result.entries[3].id.valid());

  const auto linked = on.read(on.ref(), {"linked"}, true);
  CHECK(linked.entries[0].outcome == Outcome::ready);
  CHECK(text_of(linked.payload, linked.entries[0].operation) == "l");
}

TEST_CASE("reader: the byte budget leaves entries for later, but one is always done") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  for (const char* name : {"a", "b", "c", "d"}) write_file(directory / name, std::string(1000, *name));
  auto result = on.read(on.ref(), {"a", "b", "c", "d"}, false, 2500);
  CHECK(result.entries[0].outcome == Outcome::ready);
  CHECK(result.entries[1].outcome == Outcome::ready);
  CHECK(result.entries[2].outcome == Outcome::not_done);
  CHECK(result.entries[2].operation.name == "c");
  CHECK(result.entries[3].outcome == Outcome::not_done);
  CHECK(result.entries[3].operation.name == "d");
  CHECK(result.payload.size() == 2000);
  for (const std::uint32_t bytes : {0u, 1u, 1000u}) {
    result = on.read(on.ref(), {"a", "b"}, false, bytes);
    CHECK(result.entries[0].outcome == Outcome::ready);
    CHECK(result.entries[1].outcome == Outcome::not_done);
  }
  result = on.read(on.ref(), {"a", "b"}, false, 0xffffffff); // bounded by the payload buffer
  CHECK(result.entries[1].outcome == Outcome::ready);
}

TEST_CASE("reader: extended attributes and ACLs of files, directories and symlinks, sorted by name") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  write_file(directory / "f", "x");
  fs::create_directory(directory / "d");
  const std::string prefix = settable_xattr(directory / "f");
  OSYNC_SKIP_IF(prefix.empty(), "no extended attributes in /dev/shm");
  const std::string big(5000, 'v');
  const auto set = [&](const std::string& file, const std::string& name, const std::string& value) {
    test::must(lsetxattr((directory / file).c_str(), name.c_str(), value.data(), value.size(), 0),
               "lsetxattr " + name);
  };
  for (const char* file : {"f", "d"}) {
    set(file, prefix + "osync", "1");
    set(file, prefix + "zz", big);
    set(file, prefix + "aa", std::string("\0\1", 2));
    set(file, "system.posix_acl_access", acl_for_user(12345));
  }
  set("d", "system.posix_acl_default", acl_for_user(54321));
  const auto result = on.read(on.ref(), {"f", "d"});
  const std::vector<Xattr> shared = {
      {prefix + "aa", std::string("\0\1", 2)}, {prefix + "osync", "1"}, {prefix + "zz", big}};
  std::vector<Xattr> expected = {{"system.posix_acl_access", acl_for_user(12345)}};
  expected.insert(expected.end(), shared.begin(), shared.end());
  CHECK(result.entries[0].operation.attributes.xattrs == expected);
  expected.insert(expected.begin() + 1, {"system.posix_acl_default", acl_for_user(54321)});
  CHECK(result.entries[1].operation.attributes.xattrs == expected);
  const auto self = on.read(on.ref("d"), {});
  CHECK(self.directory_attributes.xattrs == expected);
  // The same through the descriptor that lists.
  CHECK(on.list(on.ref("d")).directory_attributes.xattrs == expected);

  if (geteuid() == 0) {
    fs::create_symlink("f", directory / "s");
    set("s", "trusted.mine", "of the link");
    const auto link = on.read_one("s");
    CHECK(link.operation.attributes.xattrs == std::vector<Xattr>{{"trusted.mine", "of the link"}});
  }
}

TEST_CASE("reader: extended attributes beyond the limit are a failure of that entry alone") {
  TemporaryDirectory directory;
  ReaderLimits limits;
  limits.xattr_bytes = 3000;
  ReaderOn on(directory.path().string(), true, limits);
  for (const char* name : {"f", "g"}) write_file(directory / name, "x");
  const std::string prefix = settable_xattr(directory / "g");
  OSYNC_SKIP_IF(prefix.empty(), "no extended attributes in /dev/shm");
  test::must(
      setxattr((directory / "f").c_str(), (prefix + "big").c_str(), std::string(3000, 'v').data(), 3000, 0),
      "set");
  const auto result = on.read(on.ref(), {"f", "g"});
  CHECK(result.entries[0].outcome == Outcome::failed);
  CHECK(result.entries[0].status.code() == Code::limit);
  CHECK(result.entries[0].status.path() == "f");
  CHECK(result.entries[1].outcome == Outcome::ready);
  CHECK(on.list(on.ref(), {}).entries.size() == 2);
  CHECK(find_entry(on.list(on.ref(), {}).entries, "f")->attributes.type == FileType::unknown);
}

TEST_CASE("reader: osync's own state, nested replicas and excluded names are left alone") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string(), true, {}, {{"*.tmp", true}, {"build/", true}, {"/top/deep", true}});
  for (const char* file : {".osync/identity", "nested/.osync/identity", "nested/data", "plain/.osync/other",
                           "x.tmp", "build/out", "top/deep/file", "top/file", "keep/build"})
    write_file(directory / file, "x");
  const auto result =
      on.read(on.ref(), {".osync", "nested", "plain", "x.tmp", "gone.tmp", "build", "top", "gone"});
  CHECK(result.entries[0].outcome == Outcome::mount);
  CHECK(result.entries[1].outcome == Outcome::mount);
  CHECK(result.entries[2].outcome == Outcome::ready);
  CHECK(result.entries[3].outcome == Outcome::mount);
  CHECK(result.entries[4].outcome == Outcome::mount);
  CHECK(result.entries[5].outcome == Outcome::mount);
  CHECK(result.entries[6].outcome == Outcome::ready);
  CHECK(result.entries[7].outcome == Outcome::absent);
  // A name that would only be excluded as a directory: what is absent may be one on the replica.
  fs::remove_all(directory / "build");
  const auto absent = on.read_one("build");
  CHECK(absent.outcome == Outcome::mount);
  CHECK(absent.status.code() == Code::not_found);
  // A file of that name is no directory.
  CHECK(on.read(on.ref("keep"), {"build"}).entries[0].outcome == Outcome::ready);
  // Below an excluded directory nothing is included; below the root `.osync` is a name like any other.
  CHECK(on.read(on.ref("top/deep"), {"file", "none"}).entries[0].outcome == Outcome::mount);
  CHECK(on.read(on.ref("top/deep"), {"file", "none"}).entries[1].outcome == Outcome::mount);
  CHECK(on.read(on.ref("plain"), {".osync"}).entries[0].outcome == Outcome::ready);
  CHECK(on.read(on.ref("nested"), {"data"}).status.code() == Code::stale);
}

TEST_CASE("reader: access times on the source stay as they are") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  write_file(directory / "f", "x");
  const timespec times[2] = {{1'000, 0}, {2'000, 0}}; // older than mtime: relatime would update it
  test::must(utimensat(AT_FDCWD, (directory / "f").c_str(), times, 0), "utimensat");
  CHECK(on.read_one("f").outcome == Outcome::ready);
  CHECK(on.list(on.ref(), {}).entries.size() == 1);
  struct stat status;
  test::must(stat((directory / "f").c_str(), &status), "stat");
  CHECK(status.st_atim.tv_sec == 1'000);
}

TEST_CASE("reader: many entries of many kinds leave no descriptor open") {
  TemporaryDirectory directory;
  const auto descriptors = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  ReaderOn on(directory.path().string());
  write_file(directory / "f", "x");
  fs::create_directory(directory / "d");
  fs::create_symlink("f", directory / "s");
  const auto before = descriptors();
  for (int i = 0; i < 50; ++i) {
    static_cast<void>(on.read(on.ref(), {"f", "d", "s", "gone"}));
    static_cast<void>(on.list(on.ref(), {}));
    static_cast<void>(on.run<engine::SweepResult>(engine::SweepJob{1, on.ref()}));
    static_cast<void>(on.read({"gone", on.root().id()}, {"f"}));
  }
  CHECK(descriptors() == before);
}

} // namespace osync::source
