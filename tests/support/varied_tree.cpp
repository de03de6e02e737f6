#include "support/varied_tree.h"

#include "support/descriptor.h"
#include "support/random.h"

#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <vector>

namespace osync::test {
namespace {

constexpr int open_directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/// A directory to make things in.
class Folder {
 public:
  explicit Folder(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

  [[nodiscard]] Folder make(const std::string& name) const {
    must(mkdirat(number(), name.c_str(), 0755), "mkdir " + name);
    return open(name);
  }
  [[nodiscard]] Folder open(const std::string& name) const {
    return Folder(Descriptor(must(openat(number(), name.c_str(), open_directory_flags), "open " + name)));
  }
  void file(const std::string& name, const std::string& content, mode_t mode = 0644) const {
    const Descriptor file = create(name);
    std::size_t done = 0;
    while (done < content.size())
      done += static_cast<std::size_t>(
          must(::write(file.get(), content.data() + done, content.size() - done), "write " + name));
    must(fchmod(file.get(), mode), "chmod " + name);
  }
  [[nodiscard]] Descriptor create(const std::string& name) const {
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    return Descriptor(must(openat(number(), name.c_str(), flags, 0600), "create " + name));
  }
  void link(const std::string& name, const Folder& other, const std::string& other_name) const {
    must(linkat(number(), name.c_str(), other.number(), other_name.c_str(), 0), "link " + other_name);
  }
  void symlink(const std::string& target, const std::string& name) const {
    must(symlinkat(target.c_str(), number(), name.c_str()), "symlink " + name);
  }
  void node(const std::string& name, mode_t mode, dev_t device = 0) const {
    must(mknodat(number(), name.c_str(), mode, device), "mknod " + name);
    must(fchmodat(number(), name.c_str(), mode & 07777, 0), "chmod " + name); // mknod obeys the umask
  }
  void mode(const std::string& name, mode_t mode) const {
    must(fchmodat(number(), name.c_str(), mode, 0), "chmod " + name);
  }
  void owner(const std::string& name, uid_t user, gid_t group) const {
    must(fchownat(number(), name.c_str(), user, group, AT_SYMLINK_NOFOLLOW), "chown " + name);
  }
  void xattr(const std::string& name, const std::string& key, const std::string& value) const {
    must(lsetxattr(path(name).c_str(), key.c_str(), value.data(), value.size(), 0),
         "setxattr " + key + " " + name);
  }
  void remove_xattr(const std::string& name, const std::string& key) const {
    must(lremovexattr(path(name).c_str(), key.c_str()), "removexattr " + key + " " + name);
  }
  void time(const std::string& name, std::int64_t second, long nanosecond) const {
    const timespec times[2] = {{second, nanosecond}, {second, nanosecond}};
    must(utimensat(number(), name.c_str(), times, AT_SYMLINK_NOFOLLOW), "utimensat " + name);
  }
  [[nodiscard]] int number() const { return descriptor_.get(); }

 private:
  /// Short, whatever the depth: the first component is this very directory.
  [[nodiscard]] std::string path(const std::string& name) const {
    return "/proc/self/fd/" + std::to_string(number()) + "/" + name;
  }
  Descriptor descriptor_;
};

void make_names(const Folder& root, Random& random) {
  const Folder names = root.make("names");
  const std::vector<std::string> odd = {" leading",
                                        "trailing ",
                                        " ",
                                        "new\nline",
                                        "\n",
                                        "tab\there",
                                        "it's",
                                        "\"quoted\"",
                                        "back\\slash",
                                        "-rf",
                                        "--help",
                                        "*",
                                        "?",
                                        "[a-z]",
                                        "$HOME",
                                        "`id`",
                                        "%s%n",
                                        "{a,b}",
                                        "~",
                                        "...",
                                        "..two",
                                        ".hidden",
                                        "#comment",
                                        "!bang",
                                        "a:b",
                                        "\xff\xfe",
                                        "caf\xc3\xa9",
                                        "cafe\xcc\x81",
                                        "\xc3\x28",
                                        "\x7f",
                                        "\x01\x02",
                                        "CASE",
                                        "case",
                                        "name.tmp",
                                        "name~",
                                        std::string(255, 'n'),
                                        "x" + std::string(254, '\xe9')};
  for (std::size_t index = 0; index < odd.size(); ++index) {
    const std::string& name = odd[index];
    if (index % 5 == 4)
      names.symlink("to " + name, name);
    else if (index % 3 == 2)
      names.make(name).file(name, random.bytes(20));
    else
      names.file(name, random.bytes(100));
  }
}

void make_links(const Folder& root, Random& random, const VariedTreeOptions& options) {
  const Folder links = root.make("links");
  const Folder near = links.make("near");
  const Folder far = links.make("far");
  const Folder farther = far.make("farther");
  near.file("pair", random.bytes(50));
  near.link("pair", near, "pair again");
  near.file("three", random.bytes(70000), 0600);
  near.link("three", far, "of three");
  near.link("three", farther, "third");
  near.file("empty", "");
  near.link("empty", far, "empty too");
  near.file("many", random.bytes(300));
  for (int index = 0; index < 30; ++index)
    near.link("many", index % 2 == 0 ? far : farther, "many" + std::to_string(index));
  near.file("same content", "twins");
  far.file("same content", "twins"); // equal in everything but not linked: must not become so
  if (!options.linked_symlinks) return;
  near.symlink("somewhere", "symlink");
  near.link("symlink", far, "symlink again");
  near.node("fifo", S_IFIFO | 0640);
  near.link("fifo", farther, "fifo again");
}

void make_symlinks(const Folder& root, const VariedTreeOptions& options) {
  const Folder symlinks = root.make("symlinks");
  symlinks.file("target", "here");
  symlinks.symlink("target", "relative");
  symlinks.symlink("/etc/passwd", "absolute");
  symlinks.symlink("/no/such/place", "dangling");
  symlinks.symlink("loop", "loop");
  symlinks.symlink("..", "parent");
  symlinks.symlink("../small", "directory");
  symlinks.symlink("../../../../../../../../etc", "out of the tree");
  symlinks.symlink("new\nline \xff\xfe", "odd target");
  std::string path(options.symlink_target, 'x');
  for (std::size_t at = 200; at < path.size() - 1; at += 201) path[at] = '/';
  symlinks.symlink(path, "long");
  symlinks.symlink("x", "one byte");
}

void make_specials(const Folder& root, const VariedTreeOptions& options) {
  const Folder specials = root.make("specials");
  specials.node("fifo", S_IFIFO | 0644);
  specials.node("private fifo", S_IFIFO | 0600);
  specials.node("socket", S_IFSOCK | 0755);
  if (!options.privileged) return;
  specials.node("null", S_IFCHR | 0666, makedev(1, 3));
  specials.node("full", S_IFCHR | 0600, makedev(1, 7));
  specials.node("block", S_IFBLK | 0660, makedev(7, 200));
  specials.node("large numbers", S_IFBLK | 0640, makedev(260, 70000));
  specials.owner("block", 0, 6);
}

void make_xattrs(const Folder& root, Random& random, const VariedTreeOptions& options) {
  const Folder xattrs = root.make("xattrs");
  xattrs.file("one", "content");
  xattrs.xattr("one", "user.one", "value");
  xattrs.file("several", "content");
  xattrs.xattr("several", "user.empty", "");
  xattrs.xattr("several", "user.binary", std::string("\0\xff\n\0", 4));
  xattrs.xattr("several", "user.a name with spaces", "1");
  xattrs.file("large", "");
  xattrs.xattr("large", "user.large", random.bytes(3000));
  xattrs.file("read only", "content");
  xattrs.xattr("read only", "user.kept", "yes");
  xattrs.mode("read only", 0444);
  (void)xattrs.make("directory");
  xattrs.xattr("directory", "user.on", "directory");
  if (!options.privileged) return;
  xattrs.xattr("one", "trusted.osync-test", "trusted");
  xattrs.symlink("one", "symlink");
  xattrs.xattr("symlink", "trusted.on", "a symlink");
  xattrs.file("capable", "binary", 0755);
  // struct vfs_cap_data, revision 2: CAP_NET_BIND_SERVICE permitted and effective.
  xattrs.xattr("capable", "security.capability", std::string("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20));
}

/// The kernel's form of an ACL (acl(5), linux/posix_acl_xattr.h): version 2, then tag, permissions, id.
class Acl {
 public:
  Acl& entry(unsigned tag, unsigned permissions, std::uint32_t id = 0xffffffff) {
    number(tag, 2);
    number(permissions, 2);
    number(id, 4);
    return *this;
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  void number(std::uint32_t value, unsigned size) {
    for (unsigned index = 0; index < size; ++index) bytes_.push_back(static_cast<char>(value >> (8 * index)));
  }
  std::string bytes_ = std::string("\2\0\0\0", 4);
};

constexpr unsigned acl_user_obj = 1, acl_user = 2, acl_group_obj = 4, acl_group = 8, acl_mask = 16,
                   acl_other = 32;

void make_acls(const Folder& root, Random& random) {
  const char access[] = "system.posix_acl_access";
  const char inherited[] = "system.posix_acl_default";
  const std::string shared = Acl()
                                 .entry(acl_user_obj, 6)
                                 .entry(acl_user, 4, 1234)
                                 .entry(acl_group_obj, 4)
                                 .entry(acl_group, 6, 4321)
                                 .entry(acl_mask, 6)
                                 .entry(acl_other, 0)
                                 .bytes();
  const std::string default_acl = Acl()
                                      .entry(acl_user_obj, 7)
                                      .entry(acl_user, 7, 1234)
                                      .entry(acl_group_obj, 5)
                                      .entry(acl_mask, 7)
                                      .entry(acl_other, 0)
                                      .bytes();
  const Folder acls = root.make("acls");
  acls.file("shared", random.bytes(10));
  acls.xattr("shared", access, shared);
  const Folder giving = acls.make("gives to its children");
  acls.xattr("gives to its children", inherited, default_acl);
  giving.file("inherits", random.bytes(10), 0640);
  (void)giving.make("inherits too");
  giving.file("has none", random.bytes(10)); // the copy must not get one from the directory it is made in
  giving.remove_xattr("has none", access);
  (void)giving.make("gives none");
  giving.remove_xattr("gives none", access);
  giving.remove_xattr("gives none", inherited);
  giving.file("has another", random.bytes(10));
  giving.xattr("has another", access, shared);
}

void make_sparse(const Folder& root, Random& random) {
  constexpr off_t mebibyte = 1 << 20;
  struct Shape {
    const char* name;
    off_t size;
    std::vector<off_t> data; // offsets of 64 KiB of data each
  };
  const std::vector<Shape> shapes = {
      {"hole first", 4 * mebibyte, {4 * mebibyte - 65536}},
      {"hole last", 4 * mebibyte, {0}},
      {"hole between", 4 * mebibyte, {0, 4 * mebibyte - 65536}},
      {"only a hole", 64 * mebibyte, {}},
      {"many holes", 8 * mebibyte, {mebibyte, 3 * mebibyte, 5 * mebibyte, 7 * mebibyte}},
      {"odd size", 2 * mebibyte + 12345, {mebibyte}},
      {"small hole", 65536, {}}};
  const Folder sparse = root.make("sparse");
  for (const auto& shape : shapes) {
    const Descriptor file = sparse.create(shape.name);
    must(ftruncate(file.get(), shape.size), shape.name);
    const std::string content = random.bytes(65536);
    for (const off_t offset : shape.data)
      must(pwrite(file.get(), content.data(), content.size(), offset), shape.name);
  }
}

void make_modes(const Folder& root, Random& random, const VariedTreeOptions& options) {
  const Folder modes = root.make("modes");
  for (const mode_t mode : {04755, 02755, 06711, 01644, 0400, 0666, 0777, 0700}) {
    char name[16];
    std::snprintf(name, sizeof name, "file %04o", mode);
    modes.file(name, random.bytes(30), mode);
  }
  for (const mode_t mode : {01777, 02775, 0500, 0700, 0555}) {
    char name[16];
    std::snprintf(name, sizeof name, "folder %04o", mode);
    modes.make(name).file("child", random.bytes(30));
    modes.mode(name, mode);
  }
  if (!options.privileged) return;
  modes.file("file 0000", random.bytes(30), 0);
  modes.file("file 0111", random.bytes(30), 0111);
  modes.make("folder 0000").file("child", random.bytes(30), 0);
  modes.mode("folder 0000", 0);
}

void make_owners(const Folder& root, Random& random) {
  const Folder owners = root.make("owners");
  owners.file("user", random.bytes(10));
  owners.owner("user", 1000, 1001);
  owners.file("large", random.bytes(10));
  owners.owner("large", 4000000000U, 4000000001U);
  owners.file("set-uid of another", random.bytes(10));
  owners.owner("set-uid of another", 1000, 1000);
  owners.mode("set-uid of another", 06755); // after the owner, which clears both bits
  owners.symlink("user", "symlink");
  owners.owner("symlink", 1002, 1003);
  owners.node("fifo", S_IFIFO | 0600);
  owners.owner("fifo", 1004, 1005);
  (void)owners.make("folder");
  owners.owner("folder", 1006, 1007);
}

/// 22 levels of 200 bytes: 4,400 bytes of path below `deep` alone.
void make_deep(const Folder& root, Random& random) {
  Folder here = root.make("deep");
  for (int level = 0; level < 22; ++level) {
    here.file("at level " + std::to_string(level), random.bytes(40));
    here = here.make(std::string(200, static_cast<char>('a' + level)));
  }
  here.file("deepest", random.bytes(5000));
  here.symlink("deepest", "symlink");
}

void make_small(const Folder& root, Random& random, const VariedTreeOptions& options) {
  std::vector<std::unique_ptr<Folder>> folders;
  folders.push_back(std::make_unique<Folder>(root.make("small")));
  for (unsigned index = 0; index < options.small_files; ++index) {
    if (index % 16 == 15)
      folders.push_back(std::make_unique<Folder>(
          folders[random.below(folders.size())]->make("folder" + std::to_string(index))));
    folders[random.below(folders.size())]->file("file" + std::to_string(index),
                                                random.bytes(random.below(9000)));
  }
  const Folder wide = root.make("wide");
  for (unsigned index = 0; index < options.wide_files; ++index)
    wide.file("entry" + std::to_string(index), random.bytes(index % 7));
}

void make_big(const Folder& root, Random& random) {
  constexpr std::size_t mebibyte = 1 << 20;
  const Folder big = root.make("big");
  for (const std::size_t size :
       {std::size_t{256 * 1024 - 1}, std::size_t{256 * 1024}, std::size_t{256 * 1024 + 1}, mebibyte,
        mebibyte + 1, 3 * mebibyte + 7, 6 * mebibyte})
    big.file(std::to_string(size) + " bytes", random.bytes(size));
}

void make_empty(const Folder& root) {
  const Folder empty = root.make("empty");
  (void)empty.make("one");
  (void)empty.make("two").make("three").make("four");
  empty.file("file", "");
}

/// Made last, with their own times, which set_times leaves alone.
void make_times(const Folder& root, const VariedTreeOptions& options) {
  const Folder times = root.make("times");
  const auto at = [&](const std::string& name, std::int64_t second, long nanosecond) {
    times.file(name, name);
    times.time(name, second, nanosecond);
  };
  at("epoch", 0, 0);
  at("one nanosecond", 0, 1);
  at("last nanosecond", 1700000000, 999999999);
  if (options.far_times) {
    at("1960", -300000000, 123456789);
    at("just before the epoch", -1, 999999999);
    at("2040", 2208988800, 5);
    at("2200", 7258118400, 999999999);
  }
  times.symlink("epoch", "symlink");
  times.time("symlink", 1000000000, 7);
  (void)times.make("folder");
  times.time("folder", 1234567890, 987654321);
}

std::vector<std::string> names_in(const Folder& folder) {
  DIR* stream = fdopendir(must(openat(folder.number(), ".", open_directory_flags), "open ."));
  must(stream == nullptr ? -1 : 0, "fdopendir");
  std::vector<std::string> names;
  while (const dirent* entry = readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(stream);
  return names;
}

/// Seeded times between 2001 and 2023 for everything below `folder`; a directory after its content.
void set_times(const Folder& folder, Random& random, bool top) {
  for (const std::string& name : names_in(folder)) {
    struct stat status {};
    must(fstatat(folder.number(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW), "stat " + name);
    if (S_ISDIR(status.st_mode) && !(top && name == "times")) set_times(folder.open(name), random, false);
    folder.time(name, 1000000000 + static_cast<std::int64_t>(random.below(700000000)),
                static_cast<long>(random.below(1000000000)));
  }
}

Folder open_root(const std::string& root) {
  return Folder(Descriptor(must(open(root.c_str(), open_directory_flags), "open " + root)));
}

void remove_below(const Folder& folder) {
  for (const std::string& name : names_in(folder)) {
    if (unlinkat(folder.number(), name.c_str(), 0) == 0) continue;
    (void)fchmodat(folder.number(), name.c_str(), 0700, 0);
    remove_below(folder.open(name));
    must(unlinkat(folder.number(), name.c_str(), AT_REMOVEDIR), "rmdir " + name);
  }
}

} // namespace

void make_varied_tree(const std::string& root, const VariedTreeOptions& options) {
  Random random(options.seed);
  const Folder top = open_root(root);
  make_names(top, random);
  make_links(top, random, options);
  make_symlinks(top, options);
  make_specials(top, options);
  make_xattrs(top, random, options);
  make_acls(top, random);
  make_sparse(top, random);
  make_modes(top, random, options);
  if (options.privileged) make_owners(top, random);
  if (options.beyond_path_max) make_deep(top, random);
  make_small(top, random, options);
  make_big(top, random);
  make_empty(top);
  make_times(top, options);
  set_times(top, random, true);
  const timespec own[2] = {{1111111111, 111111111}, {1111111111, 111111111}};
  must(futimens(top.number(), own), "futimens " + root);
}

void remove_tree_content(const std::string& root) { remove_below(open_root(root)); }

} // namespace osync::test
