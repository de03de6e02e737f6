// What each change of an entry shows: every way of writing, attributes, links, moves, names.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "watcher_suite.h"

namespace osync::test {

namespace {

constexpr unsigned content = WatchEvent::content;
constexpr unsigned attributes = WatchEvent::attributes;
constexpr unsigned existence = WatchEvent::existence;
constexpr unsigned closed = WatchEvent::closed;

/// A tree with the directory d, in it the files f and g of 8 KiB, all of it seen already.
struct Scene {
  WatchedTree tree;
  ObjectId directory;

  explicit Scene(const WatcherKit& kit) : tree(kit, {"d", "e"}), directory(tree.id("d")) {
    for (const char* name : {"d/f", "d/g"}) write_file(tree.path(name), std::string(8192, 'x'));
    REQUIRE(WatchedTree::shows(tree.drain(), directory, "f", existence | content | closed));
  }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return tree.path("d/" + name); }
  /// Whether all that was reported since the last call shows `name` in d.
  bool shows(const std::string& name, unsigned hints) {
    events = tree.drain();
    UNSCOPED_INFO(describe(events));
    return WatchedTree::shows(events, directory, name, hints);
  }
  WatchEvents events;
};

/// What was attempted, where this file system or this user cannot do it.
bool left_out(const char* what) {
  WARN("left out: " << what << ": " << std::strerror(errno));
  return true;
}

void checks_writes_while_open(Scene& scene) {
  const OpenFile file(scene.path("f"), O_RDWR);
  const OpenFile other(scene.path("g"), O_RDONLY);
  SECTION("pwrite") { REQUIRE(pwrite(file.fd(), "y", 1, 10) == 1); }
  SECTION("ftruncate") { REQUIRE(ftruncate(file.fd(), 100) == 0); }
  SECTION("fallocate") { REQUIRE(fallocate(file.fd(), 0, 0, 65536) == 0); }
  SECTION("punching a hole") {
    REQUIRE(fallocate(file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0);
  }
  SECTION("copy_file_range") {
    REQUIRE(copy_file_range(other.fd(), nullptr, file.fd(), nullptr, 4096, 0) == 4096);
  }
  SECTION("sendfile") { REQUIRE(sendfile(file.fd(), other.fd(), nullptr, 4096) == 4096); }
  SECTION("splice") {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    CHECK(write(ends[1], "spliced", 7) == 7);
    CHECK(splice(ends[0], nullptr, file.fd(), nullptr, 7, 0) == 7);
    close(ends[0]);
    close(ends[1]);
  }
  CHECK(scene.shows("f", content));
}

void checks_direct_write(Scene& scene) {
  const int fd = open(scene.path("f").c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC);
  if (fd < 0) {
    left_out("O_DIRECT");
    return;
  }
  const std::unique_ptr<void, void (*)(void*)> block(std::aligned_alloc(4096, 4096), std::free);
  std::memset(block.get(), 'd', 4096);
  CHECK(pwrite(fd, block.get(), 4096, 0) == 4096);
  CHECK(scene.shows("f", content));
  close(fd);
}

void checks_mapped_write(Scene& scene) {
  OpenFile file(scene.path("f"), O_RDWR);
  void* memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd(), 0);
  REQUIRE(memory != MAP_FAILED);
  file.close();
  std::memcpy(memory, "stored", 6);
  CHECK(munmap(memory, 4096) == 0);
  CHECK(scene.shows("f",
                    content)); // at the last unmap: bytes may have been written although nobody called write
}

void checks_attributes(Scene& scene) {
  const std::string file = scene.path("f");
  SECTION("chmod") {
    REQUIRE(chmod(file.c_str(), 0600) == 0);
    CHECK(scene.shows("f", attributes));
  }
  SECTION("chown") {
    REQUIRE(chown(file.c_str(), geteuid(), getegid()) == 0);
    CHECK(scene.shows("f", attributes));
  }
  SECTION("both times") {
    REQUIRE(utimensat(AT_FDCWD, file.c_str(), nullptr, 0) == 0);
    CHECK(scene.shows("f", attributes));
  }
  SECTION("the modification time only") {
    const struct timespec times[] = {{0, UTIME_OMIT}, {1'000'000, 5}};
    REQUIRE(utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
    CHECK(scene.shows("f", 0)); // as content, on Linux: any hint will do
  }
  SECTION("an extended attribute") {
    const bool set = setxattr(file.c_str(), "user.osync", "1", 1, 0) == 0 ||
                     setxattr(file.c_str(), "trusted.osync", "1", 1, 0) == 0;
    if (set)
      CHECK(scene.shows("f", attributes));
    else
      left_out("extended attributes");
  }
  SECTION("an access control list") {
    // struct posix_acl_xattr_header, version 2, then user_obj, user 1, group_obj, mask, other (acl(5))
    static constexpr unsigned char acl[] = {
        2,  0, 0, 0,                                                      //
        1,  0, 6, 0, 255, 255, 255, 255, 2,  0, 4, 0, 1,   0,   0,   0,   //
        4,  0, 4, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255, 255, 255, //
        32, 0, 4, 0, 255, 255, 255, 255};
    if (setxattr(file.c_str(), "system.posix_acl_access", acl, sizeof(acl), 0) == 0)
      CHECK(scene.shows("f", attributes));
    else
      left_out("access control lists");
  }
}

void checks_links(Scene& scene) {
  const std::string file = scene.path("f");
  SECTION("a new link shows where it is, and so does its removal") {
    const std::string name = scene.tree.path("e/link");
    REQUIRE(link(file.c_str(), name.c_str()) == 0);
    CHECK(WatchedTree::shows(scene.tree.drain(), scene.tree.id("e"), "link", existence));
    REQUIRE(unlink(name.c_str()) == 0);
    CHECK(WatchedTree::shows(scene.tree.drain(), scene.tree.id("e"), "link", existence));
  }
  SECTION("a write shows at the name that was opened") {
    const std::string name = scene.tree.path("e/link");
    REQUIRE(link(file.c_str(), name.c_str()) == 0);
    scene.tree.drain();
    const OpenFile opened(name, O_WRONLY);
    REQUIRE(write(opened.fd(), "y", 1) == 1);
    CHECK(WatchedTree::shows(scene.tree.drain(), scene.tree.id("e"), "link", content));
  }
  SECTION("a write through a name that was removed, to a file that lives on under another one") {
    const OpenFile opened(file, O_WRONLY);
    REQUIRE(link(file.c_str(), scene.path("kept").c_str()) == 0);
    REQUIRE(unlink(file.c_str()) == 0);
    scene.tree.drain();
    REQUIRE(write(opened.fd(), "y", 1) == 1);
    CHECK(scene.shows("f", content));
  }
  SECTION("O_TMPFILE and linkat; what is written later shows in the directory, under whatever name") {
    const OpenFile opened(scene.path(""), O_TMPFILE | O_WRONLY);
    const std::string source = "/proc/self/fd/" + std::to_string(opened.fd());
    REQUIRE(linkat(AT_FDCWD, source.c_str(), AT_FDCWD, scene.path("new").c_str(), AT_SYMLINK_FOLLOW) == 0);
    CHECK(scene.shows("new", existence));
    REQUIRE(write(opened.fd(), "y", 1) == 1);
    bool seen = false;
    for (const WatchEvent& event : scene.tree.drain())
      seen |= event.directory == scene.directory && (event.hints & content) != 0;
    CHECK(seen);
  }
}

void checks_creation(Scene& scene) {
  SECTION("symlink") { REQUIRE(symlink("target", scene.path("n").c_str()) == 0); }
  SECTION("link") { REQUIRE(link(scene.path("f").c_str(), scene.path("n").c_str()) == 0); }
  SECTION("FIFO") { REQUIRE(mkfifo(scene.path("n").c_str(), 0600) == 0); }
  SECTION("socket") { REQUIRE(mknod(scene.path("n").c_str(), S_IFSOCK | 0600, 0) == 0); }
  SECTION("empty file") { OpenFile(scene.path("n"), O_CREAT | O_EXCL | O_RDONLY); }
  SECTION("directory") { REQUIRE(mkdir(scene.path("n").c_str(), 0700) == 0); }
  CHECK(scene.shows("n", existence));
}

} // namespace

void watcher_shows_every_change(const WatcherKit& kit) {
  Scene scene(kit);
  SECTION("create, write, close") {
    write_file(scene.path("new"), "content");
    CHECK(scene.shows("new", existence | content | closed));
  }
  SECTION("a file that is written and never closed") {
    const OpenFile file(scene.path("open"), O_CREAT | O_WRONLY);
    REQUIRE(write(file.fd(), "y", 1) == 1);
    CHECK(scene.shows("open", existence | content));
  }
  SECTION("truncate by path") {
    REQUIRE(truncate(scene.path("f").c_str(), 10) == 0);
    CHECK(scene.shows("f", content));
  }
  SECTION("removal") {
    REQUIRE(unlink(scene.path("f").c_str()) == 0);
    CHECK(scene.shows("f", existence));
  }
  SECTION("writes while open") { checks_writes_while_open(scene); }
  SECTION("O_DIRECT") { checks_direct_write(scene); }
  SECTION("a store through mmap") { checks_mapped_write(scene); }
  SECTION("attributes") { checks_attributes(scene); }
  SECTION("links") { checks_links(scene); }
  SECTION("creation") { checks_creation(scene); }
  SECTION("many writes are few events") {
    const OpenFile f(scene.path("f"), O_WRONLY);
    const OpenFile g(scene.path("g"), O_WRONLY);
    for (unsigned i = 0; i < 3000; ++i) { // by turns, so that the kernel cannot merge them itself
      REQUIRE(pwrite(f.fd(), "y", 1, 0) == 1);
      REQUIRE(pwrite(g.fd(), "y", 1, 0) == 1);
    }
    CHECK(scene.shows("f", content));
    CHECK(scene.events.size() < 100);
  }
}

namespace {

/// Checks that both names show, with one token where there is any.
void check_move(Scene& scene, const ObjectId& from, const std::string& old_name, const ObjectId& to,
                const std::string& new_name) {
  const WatchEvents events = scene.tree.drain();
  INFO(describe(events));
  CHECK(WatchedTree::shows(events, from, old_name, existence));
  CHECK(WatchedTree::shows(events, to, new_name, existence));
  std::uint64_t tokens[2] = {0, 0};
  for (const WatchEvent& event : events) {
    if (event.directory == from && event.name == old_name) tokens[0] = event.token;
    if (event.directory == to && event.name == new_name) tokens[1] = event.token;
  }
  CHECK(tokens[0] == tokens[1]);
}

void checks_directory_moves(Scene& scene) {
  const ObjectId root = scene.tree.id("");
  SECTION("within the tree: both ends, and it goes on reporting as the same directory") {
    std::filesystem::rename(scene.tree.path("d"), scene.tree.path("e/moved"));
    check_move(scene, root, "d", scene.tree.id("e"), "moved");
    write_file(scene.tree.path("e/moved/f"), "new");
    CHECK(scene.shows("f", content));
  }
  SECTION("out of the tree") {
    std::filesystem::rename(scene.tree.path("d"), scene.tree.outside("away"));
    const WatchEvents events = scene.tree.drain();
    INFO(describe(events));
    CHECK(WatchedTree::shows(events, root, "d", existence));
  }
  SECTION("into the tree") {
    std::filesystem::create_directories(scene.tree.outside("in/below"));
    std::filesystem::rename(scene.tree.outside("in"), scene.tree.path("d/in"));
    CHECK(scene.shows("in", existence | WatchEvent::is_directory));
  }
}

} // namespace

void watcher_shows_moves(const WatcherKit& kit) {
  Scene scene(kit);
  const std::string f = scene.path("f");
  const std::string g = scene.path("g");
  SECTION("to a new name in the same directory") {
    REQUIRE(rename(f.c_str(), scene.path("h").c_str()) == 0);
    check_move(scene, scene.directory, "f", scene.directory, "h");
  }
  SECTION("to another directory") {
    REQUIRE(rename(f.c_str(), scene.tree.path("e/h").c_str()) == 0);
    check_move(scene, scene.directory, "f", scene.tree.id("e"), "h");
  }
  SECTION("over another file") {
    REQUIRE(rename(f.c_str(), g.c_str()) == 0);
    check_move(scene, scene.directory, "f", scene.directory, "g");
  }
  SECTION("an exchange") {
    REQUIRE(renameat2(AT_FDCWD, f.c_str(), AT_FDCWD, g.c_str(), RENAME_EXCHANGE) == 0);
    const WatchEvents events = scene.tree.drain();
    INFO(describe(events));
    CHECK(WatchedTree::shows(events, scene.directory, "f", existence));
    CHECK(WatchedTree::shows(events, scene.directory, "g", existence));
  }
  SECTION("a whiteout") {
    if (renameat2(AT_FDCWD, f.c_str(), AT_FDCWD, scene.path("h").c_str(), RENAME_WHITEOUT) == 0)
      check_move(scene, scene.directory, "f", scene.directory, "h");
    else
      left_out("RENAME_WHITEOUT");
  }
  SECTION("there and back again") {
    for (unsigned i = 0; i < 3; ++i) {
      REQUIRE(rename(f.c_str(), scene.path("h").c_str()) == 0);
      REQUIRE(rename(scene.path("h").c_str(), f.c_str()) == 0);
    }
    const WatchEvents events = scene.tree.drain();
    CHECK(WatchedTree::shows(events, scene.directory, "f", existence));
    CHECK(WatchedTree::shows(events, scene.directory, "h", existence));
  }
  SECTION("out of the tree, and in") {
    REQUIRE(rename(f.c_str(), scene.tree.outside("away").c_str()) == 0);
    CHECK(scene.shows("f", existence));
    REQUIRE(rename(scene.tree.outside("away").c_str(), scene.path("back").c_str()) == 0);
    CHECK(scene.shows("back", existence));
  }
  SECTION("directories") { checks_directory_moves(scene); }
}

void watcher_keeps_names(const WatcherKit& kit) {
  Scene scene(kit);
  std::vector<std::string> names = {" ",
                                    "  leading and trailing ",
                                    "new\nline",
                                    "tab\t",
                                    "\\",
                                    "*",
                                    "-rf",
                                    "...",
                                    ".hidden",
                                    "\xc3\xa4\xf0\x9f\x98\x80",
                                    "\xff\xfe not UTF-8",
                                    "\x01\x7f",
                                    "a\rb",
                                    "(deleted)"};
  for (unsigned length = 1; length <= 255; ++length) names.push_back(std::string(length, 'n'));
  std::string bytes;
  for (unsigned byte = 1; byte < 256; ++byte)
    if (byte != '/') bytes.push_back(static_cast<char>(byte));
  names.push_back(bytes);
  for (const std::string& name : names) OpenFile(scene.path("") / name, O_CREAT | O_EXCL | O_WRONLY);
  const WatchEvents events = scene.tree.drain();
  for (const std::string& name : names) {
    INFO("a name of " << name.size() << " bytes: " << name);
    CHECK(WatchedTree::shows(events, scene.directory, name, existence));
  }
}

} // namespace osync::test
