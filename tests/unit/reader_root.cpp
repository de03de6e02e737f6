// SourceRoot and object ids: paths are only guesses, identities decide.
#include "reader_fixture.h"

#include <sys/stat.h>
#include <sys/statfs.h>
#include <xxhash.h>

#include <cstring>
#include <filesystem>

namespace osync::source {
namespace {

namespace fs = std::filesystem;
using test::TemporaryDirectory;

Code open_code(const SourceRoot& root, const engine::DirectoryRef& directory,
               DirectoryAccess access = DirectoryAccess::list) {
  return root.open_directory(directory, access).status().code();
}

/// Makes nested directories below `root` whose path is longer than PATH_MAX; returns the path.
std::string make_deep(const std::string& root, int components) {
  const std::string name(200, 'd');
  std::string path;
  test::Descriptor at(test::must(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open"));
  for (int i = 0; i < components; ++i) {
    test::must(mkdirat(at.get(), name.c_str(), 0755), "mkdirat");
    at = test::Descriptor(
        test::must(openat(at.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "openat"));
    path += (i == 0 ? "" : "/") + name;
  }
  return path;
}

} // namespace

TEST_CASE("reader: a source root that is missing or no directory is refused with a reason") {
  TemporaryDirectory directory;
  const auto missing = SourceRoot::open(directory / "gone", true);
  CHECK(missing.status().code() == Code::not_found);
  CHECK(missing.status().path() == directory / "gone");
  test::write_file(directory / "file", "x");
  CHECK(SourceRoot::open(directory / "file", true).status().code() == Code::invalid);
  fs::create_directory_symlink(directory.path(), directory / "link");
  const auto linked = SourceRoot::open(directory / "link", true);
  REQUIRE(linked.ok());
  CHECK(linked.value()->id() == SourceRoot::open(directory.path().string(), true).value()->id());
  CHECK(linked.value()->id().valid());
}

TEST_CASE("reader: an object id is the digest of file system, handle type and handle") {
  TemporaryDirectory directory;
  auto root = SourceRoot::open(directory.path().string(), true);
  REQUIRE(root.ok());
  OSYNC_SKIP_IF(root.value()->identifier().kind() != IdentityKind::handle, "no file handles in /dev/shm");
  alignas(file_handle) unsigned char storage[sizeof(file_handle) + MAX_HANDLE_SZ];
  auto* handle = reinterpret_cast<file_handle*>(storage);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  test::must(name_to_handle_at(AT_FDCWD, directory.path().c_str(), handle, &mount, 0), "name_to_handle_at");
  struct statfs file_system;
  test::must(statfs(directory.path().c_str(), &file_system), "statfs");
  std::string bytes(reinterpret_cast<const char*>(&file_system.f_fsid), 8);
  bytes.append(reinterpret_cast<const char*>(&handle->handle_type), 4);
  bytes.append(reinterpret_cast<const char*>(handle->f_handle), handle->handle_bytes);
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  CHECK(root.value()->id() == ObjectId{hash.high64, hash.low64});
  std::uint64_t id;
  std::memcpy(&id, &file_system.f_fsid, sizeof id);
  CHECK(root.value()->file_system_id() == id);
  struct stat status;
  test::must(stat(directory.path().c_str(), &status), "stat");
  CHECK(root.value()->device() == status.st_dev);
}

TEST_CASE(
    "reader: an id is the same by descriptor and by name, survives a rename, and is never given twice") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  fs::create_directory(directory / "a");
  const Identifier& identifier = on.root().identifier();
  Identity by_name;
  REQUIRE(identifier.identify(on.root().fd(), "a", by_name) == 0);
  CHECK(by_name.id == on.ref("a").id);
  fs::rename(directory / "a", directory / "b");
  CHECK(on.ref("b").id == by_name.id);
  CHECK(on.ref().id != by_name.id);
  for (int i = 0; i < 100; ++i) { // the inode number may be the same each time
    fs::remove(directory / "b");
    fs::create_directory(directory / "b");
    const auto again = on.ref("b").id;
    REQUIRE(again != by_name.id);
    by_name.id = again;
  }
  Identity none;
  CHECK(identifier.identify(on.root().fd(), "missing", none) == ENOENT);
  fs::create_symlink("b", directory / "s");
  Identity symlink;
  REQUIRE(identifier.identify(on.root().fd(), "s", symlink) == 0);
  CHECK(symlink.id != by_name.id);
}

TEST_CASE("reader: a directory is opened only where its identity is found") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  const bool with_openat2 = GENERATE(true, false);
  if (!with_openat2) on.root().disable_openat2();
  fs::create_directories(directory / "a/b/c");
  fs::create_directories(directory / "x/b/c");
  test::write_file(directory / "a/file", "");
  const auto c = on.ref("a/b/c");
  for (const auto access : {DirectoryAccess::list, DirectoryAccess::look}) {
    CHECK(open_code(on.root(), c, access) == Code::ok);
    CHECK(open_code(on.root(), {"", on.root().id()}, access) == Code::ok);
    CHECK(open_code(on.root(), {"x/b/c", c.id}, access) == Code::stale);
    CHECK(open_code(on.root(), {"a/b/d", c.id}, access) == Code::not_found);
    CHECK(open_code(on.root(), {"a/file/c", c.id}, access) == Code::not_found);
    CHECK(open_code(on.root(), {"a/file", c.id}, access) == Code::not_found);
    CHECK(open_code(on.root(), {"a/b/c", {}}, access) == Code::stale);
    for (const char* bad : {"../a", "/a", "a//b", "a/../a", "a/", "."})
      CHECK(open_code(on.root(), {bad, c.id}, access) == Code::invalid);
  }
  CHECK(on.root().open_directory({"x/b/c", c.id}, DirectoryAccess::list).status().path() == "x/b/c");

  fs::rename(directory / "a", directory / "moved");
  CHECK(open_code(on.root(), c) == Code::not_found);
  CHECK(open_code(on.root(), {"moved/b/c", c.id}) == Code::ok);
  fs::create_directories(directory / "a/b/c");
  CHECK(open_code(on.root(), c) == Code::stale);
}

TEST_CASE("reader: a symlink in place of a component or of the directory itself is never followed") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  if (GENERATE(false, true)) on.root().disable_openat2();
  fs::create_directories(directory / "a/b");
  const auto b = on.ref("a/b");
  fs::rename(directory / "a", directory / "real");
  fs::create_directory_symlink("real", directory / "a");
  CHECK(open_code(on.root(), b) == Code::not_found);
  CHECK(open_code(on.root(), {"real/b", b.id}) == Code::ok);
  fs::rename(directory / "real/b", directory / "real/c");
  fs::create_directory_symlink("c", directory / "real/b");
  CHECK(open_code(on.root(), {"real/b", b.id}) == Code::not_found);
  CHECK(open_code(on.root(), {"real/b", b.id}, DirectoryAccess::look) == Code::not_found);
}

TEST_CASE("reader: paths longer than PATH_MAX are opened, listed and read") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  if (GENERATE(false, true)) on.root().disable_openat2();
  // 4,095 and 4,096 bytes are where one call ends; the others need two and three pieces.
  const std::string deep = make_deep(directory.path().string(), 45);
  engine::DirectoryRef at{"", on.root().id()};
  for (std::size_t begin = 0; begin < deep.size(); begin += 201) {
    auto found = on.run<engine::SweepResult>(engine::SweepJob{1, at});
    REQUIRE(found.status.ok());
    REQUIRE(found.directories.size() == 1);
    at = {deep.substr(0, begin + 200), found.directories[0].id};
    REQUIRE(open_code(on.root(), at) == Code::ok);
  }
  REQUIRE(at.path.size() == 45 * 201 - 1);
  {
    const auto fd = on.root().open_directory(at, DirectoryAccess::look);
    const test::Descriptor file(
        test::must(openat(fd.value().get(), "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600), "f"));
    test::must(write(file.get(), "deep", 4), "write");
  }
  const auto read = on.read(at, {"f"});
  REQUIRE(read.entries.at(0).outcome == engine::EntryRead::Outcome::ready);
  CHECK(text_of(read.payload, read.entries[0].operation) == "deep");
  CHECK(open_code(on.root(), {at.path + "/none", at.id}) == Code::not_found);
}

TEST_CASE("reader: path lengths around the piece boundary") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  if (GENERATE(false, true)) on.root().disable_openat2();
  const std::string base = make_deep(directory.path().string(), 20); // 4,019 bytes
  REQUIRE(base.size() == 20 * 201 - 1);
  test::Descriptor parent(test::must(::dup(on.root().fd()), "dup"));
  for (int i = 0; i < 20; ++i)
    parent = test::Descriptor(test::must(
        openat(parent.get(), std::string(200, 'd').c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "openat"));
  for (std::size_t length = 4090; length <= 4100; ++length) {
    const std::string name(length - base.size() - 1, 'e');
    test::must(mkdirat(parent.get(), name.c_str(), 0755), "mkdirat");
    test::must(mkdirat(parent.get(), (name + "/x").c_str(), 0755), "mkdirat");
    Identity identity;
    REQUIRE(on.root().identifier().identify(parent.get(), name.c_str(), identity) == 0);
    CHECK(open_code(on.root(), {base + "/" + name, identity.id}) == Code::ok);
    REQUIRE(on.root().identifier().identify(parent.get(), (name + "/x").c_str(), identity) == 0);
    CHECK(open_code(on.root(), {base + "/" + name + "/x", identity.id}) == Code::ok);
    CHECK(open_code(on.root(), {base + "/" + name + "/x", on.root().id()}) == Code::stale);
  }
}

} // namespace osync::source
