// sink-fs: owners, modes, ACLs, the umask, sparse files, and what an unprivileged process can keep.
#include <sys/xattr.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "sink_fs_fixture.h"
#include "support/file_systems.h"
#include "support/skip.h"

using namespace osync;
using namespace osync::test;
namespace fs = std::filesystem;

namespace {

const SinkKit& kit = sink_fs_kit;

Attributes owned(Attributes attributes, std::uint32_t uid, std::uint32_t gid) {
  attributes.uid = uid;
  attributes.gid = gid;
  return attributes;
}

std::string acl_of(const std::string& path, const char* name = "system.posix_acl_access") {
  std::array<char, 4096> value{};
  const ssize_t size = lgetxattr(path.c_str(), name, value.data(), value.size());
  return size < 0 ? std::string() : std::string(value.data(), static_cast<std::size_t>(size));
}

/// Runs setfacl; false where it is not installed or the file system keeps no ACLs.
bool set_acl(const std::string& acl, const std::string& path) {
  return std::system(("setfacl -m '" + acl + "' '" + path + "' 2>/dev/null").c_str()) ==
         0; // NOLINT: paths of our own
}

struct Umask {
  explicit Umask(mode_t mask) : before(umask(mask)) {}
  ~Umask() { umask(before); }
  mode_t before;
};

} // namespace

TEST_CASE("sink-fs: modes come out as asked for under any umask, and the umask stays") {
  for (const mode_t mask : {0, 022, 077, 0777}) {
    const Umask guard(mask);
    ClaimedSink sink(kit);
    for (const unsigned mode : {0u, 0400u, 0600u, 0644u, 0666u, 0755u, 0777u, 01777u}) {
      INFO("umask " << mask << " mode " << mode);
      GroupBuilder group;
      for (int i = 0; i < 3; ++i) { // the first of a group is made differently from the rest
        group.put("f" + std::to_string(i), "x", file_attributes(mode & 0777));
        group.make_directory("d" + std::to_string(i), directory_attributes(mode));
      }
      group.make_special("p", some_attributes(FileType::fifo, mode & 0777));
      REQUIRE(sink.failures(group) == "");
      for (int i = 0; i < 3; ++i) {
        CHECK(mode_of(sink.root() + "/f" + std::to_string(i)) == (mode & 0777));
        CHECK(mode_of(sink.root() + "/d" + std::to_string(i)) == mode);
      }
      CHECK(mode_of(sink.root() + "/p") == (mode & 0777));
      GroupBuilder removal;
      for (const std::string& name : sink.names()) removal.remove(name);
      REQUIRE(sink.failures(removal) == "");
    }
    CHECK(umask(mask) == mask);
  }
}

TEST_CASE("sink-fs: owners and set-id bits of others") {
  OSYNC_NEEDS_ROOT();
  ClaimedSink sink(kit);
  const Attributes setuid = owned(file_attributes(06755), 1234, 2345);
  REQUIRE(sink.failures(GroupBuilder()
                            .put("first", "x", setuid)
                            .put("second", "x", setuid)
                            .make_directory("d", owned(directory_attributes(02750), 1234, 2345))
                            .make_directory("e", owned(directory_attributes(02750), 1234, 2345))
                            .make_special("p", owned(some_attributes(FileType::fifo, 0600), 5, 6))) == "");
  for (const char* name : {"/first", "/second"}) {
    CHECK(stat_of(sink.root() + name).st_uid == 1234);
    CHECK(stat_of(sink.root() + name).st_gid == 2345);
    CHECK(mode_of(sink.root() + name) == 06755);
  }
  CHECK(mode_of(sink.root() + "/d") == 02750);
  CHECK(mode_of(sink.root() + "/e") == 02750);
  CHECK(stat_of(sink.root() + "/p").st_gid == 6);
  // Changing the owner in place clears set-id bits in the kernel; they come back.
  Attributes other = owned(file_attributes(06755), 4321, 2345);
  other.size = 1;
  REQUIRE(sink.failures(GroupBuilder().set_attributes("first", other)) == "");
  CHECK(stat_of(sink.root() + "/first").st_uid == 4321);
  CHECK(mode_of(sink.root() + "/first") == 06755);
  // Replacing and publishing too.
  REQUIRE(sink.failures(GroupBuilder()
                            .put("first", "yy", setuid)
                            .stage(1, 0, "x")
                            .publish("second", 1, 1, digest_of_pieces({{0, "x"}}),
                                     owned(file_attributes(04711), 7, 8))) == "");
  CHECK(stat_of(sink.root() + "/first").st_uid == 1234);
  CHECK(mode_of(sink.root() + "/first") == 06755);
  CHECK(stat_of(sink.root() + "/second").st_uid == 7);
  CHECK(mode_of(sink.root() + "/second") == 04711);
}

TEST_CASE("sink-fs: an owner that is not said stays, and what is made belongs to the sink's user") {
  OSYNC_NEEDS_ROOT();
  ClaimedSink sink(kit);
  Attributes unsaid = owned(file_attributes(0640), keep_owner, keep_owner);
  unsaid.size = 1;
  REQUIRE(sink.failures(GroupBuilder()
                            .put("theirs", "x", owned(file_attributes(0600), 1234, 2345))
                            .put("made", "x", unsaid)
                            .make_directory("d", owned(directory_attributes(0755), 1234, 2345))) == "");
  CHECK(stat_of(sink.root() + "/made").st_uid == geteuid());
  REQUIRE(sink.failures(GroupBuilder()
                            .set_attributes("theirs", unsaid)
                            .make_directory("d", owned(directory_attributes(0700), keep_owner, keep_owner))) == "");
  CHECK(stat_of(sink.root() + "/theirs").st_uid == 1234);
  CHECK(stat_of(sink.root() + "/theirs").st_gid == 2345);
  CHECK(mode_of(sink.root() + "/theirs") == 0640);
  CHECK(stat_of(sink.root() + "/d").st_uid == 1234);
  CHECK(mode_of(sink.root() + "/d") == 0700);
  REQUIRE(sink.failures(GroupBuilder().put("theirs", "yy", unsaid)) == ""); // replaced: it is another file
  CHECK(stat_of(sink.root() + "/theirs").st_uid == geteuid());
}

TEST_CASE("sink-fs: a set-gid directory does not give its group to what is made in it") {
  OSYNC_NEEDS_ROOT();
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().make_directory("d", owned(directory_attributes(02777), 0, 777))) ==
          "");
  GroupBuilder group("d");
  for (int i = 0; i < 3; ++i) {
    group.put("root" + std::to_string(i), "x").make_directory("sub" + std::to_string(i));
    group.put("own" + std::to_string(i), "x", owned(file_attributes(), 0, 777));
  }
  group.make_symlink("s", "x").make_special("p", some_attributes(FileType::fifo, 0600));
  REQUIRE(sink.failures(group) == "");
  for (const char* name : {"/d/root0", "/d/root1", "/d/root2", "/d/sub0", "/d/sub2", "/d/s", "/d/p"})
    CHECK(stat_of(sink.root() + name).st_gid == 0);
  CHECK(stat_of(sink.root() + "/d/own1").st_gid == 777);
  CHECK(mode_of(sink.root() + "/d/sub1") == 0755);
}

TEST_CASE("sink-fs: default ACLs are not inherited by what is made, and real ones are kept") {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().make_directory("d").put("model", "x")) == "");
  const std::string d = sink.root() + "/d";
  const std::string model = sink.root() + "/model";
  if (!set_acl("d:u:bin:rwx,d:g:sys:rx", d) || !set_acl("u:bin:rw,g:sys:r", model)) {
    WARN("skipped: no setfacl, or no ACLs on this file system");
    return;
  }
  GroupBuilder group("d");
  for (int i = 0; i < 2; ++i) {
    const std::string n = std::to_string(i);
    group.put("f" + n, "x", file_attributes(0664)).make_directory("e" + n, directory_attributes(0775));
    group.make_special("p" + n, some_attributes(FileType::fifo, 0660)).make_symlink("s" + n, "x");
    group.put("f" + n, "xx", file_attributes(0660));
  }
  group.stage(1, 0, "x").publish("staged", 1, 1, digest_of_pieces({{0, "x"}}), file_attributes(0640));
  REQUIRE(sink.failures(group) == "");
  for (const char* name : {"/f0", "/f1", "/e0", "/e1", "/p0", "/p1", "/staged"}) {
    INFO(name);
    CHECK(acl_of(d + name) == "");
    CHECK(acl_of(d + name, "system.posix_acl_default") == "");
  }
  CHECK(mode_of(d + "/f1") == 0660);
  CHECK(mode_of(d + "/e1") == 0775);
  CHECK(mode_of(d + "/p0") == 0660);
  CHECK(mode_of(d + "/staged") == 0640);

  // The ACL of the source travels as an xattr: kept on new, replaced and existing files, and taken away
  // again.
  Attributes with = file_attributes(mode_of(model));
  with.xattrs = {{"system.posix_acl_access", acl_of(model)}};
  REQUIRE(sink.failures(GroupBuilder("d").put("new", "x", with).put("f0", "x", with)) == "");
  with.size = 2;
  REQUIRE(sink.failures(GroupBuilder("d").set_attributes("f1", with)) == "");
  for (const char* name : {"/new", "/f0", "/f1"}) {
    CHECK(acl_of(d + name) == acl_of(model));
    CHECK(mode_of(d + name) == mode_of(model));
  }
  Attributes without = file_attributes(0604);
  without.size = 2;
  REQUIRE(sink.failures(GroupBuilder("d").set_attributes("f1", without)) == "");
  CHECK(acl_of(d + "/f1") == "");
  CHECK(mode_of(d + "/f1") == 0604);
  // A default ACL on a directory, through the directory's own attributes.
  Attributes directory = directory_attributes(0755);
  directory.xattrs = {{"system.posix_acl_default", acl_of(d, "system.posix_acl_default")}};
  REQUIRE(sink.failures(GroupBuilder().make_directory("copy", directory)) == "");
  CHECK(acl_of(sink.root() + "/copy", "system.posix_acl_default") == acl_of(d, "system.posix_acl_default"));
}

TEST_CASE("sink-fs: a default ACL on the root reaches neither .osync nor stages") {
  const TemporaryDirectory directory;
  const std::string root = directory / "replica";
  fs::create_directory(root);
  if (!set_acl("d:u:bin:rwx,d:o::rwx", root)) {
    WARN("skipped: no setfacl, or no ACLs on this file system");
    return;
  }
  ClaimedSink sink(kit, sink_fs_options(root), root);
  for (const char* name : {"/.osync", "/.osync/stage", "/.osync/limbo", "/.osync/kept"}) {
    CHECK(mode_of(root + name) == 0700);
    CHECK(acl_of(root + name) == "");
    CHECK(acl_of(root + name, "system.posix_acl_default") == "");
  }
}

TEST_CASE("sink-fs: capabilities of files are kept") {
  OSYNC_NEEDS_ROOT();
  ClaimedSink sink(kit);
  // cap_net_raw=ep, version 2 (linux/capability.h)
  const std::string value("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                          20);
  Attributes attributes = owned(file_attributes(0755), 12, 34);
  attributes.xattrs = {{"security.capability", value}};
  REQUIRE(sink.failures(GroupBuilder().put("a", "x", attributes).put("b", "x", attributes)) == "");
  CHECK(acl_of(sink.root() + "/a", "security.capability") == value);
  CHECK(acl_of(sink.root() + "/b", "security.capability") == value);
}

TEST_CASE("sink-fs: attributes of names of one file are changed in place only with the expected link count") {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().put("a", "12345")) == "");
  REQUIRE(sink.failures(GroupBuilder().make_link("b", "a")) == "");
  Attributes attributes = file_attributes(0600);
  attributes.size = 5;
  CHECK(sink.failure(GroupBuilder().set_attributes("a", attributes)) == Code::stale);
  attributes.links = 3;
  CHECK(sink.failure(GroupBuilder().set_attributes("a", attributes)) == Code::stale);
  CHECK(mode_of(sink.root() + "/a") == 0644);
  attributes.links = 2;
  CHECK(sink.failure(GroupBuilder().set_attributes("a", attributes)) == Code::ok);
  CHECK(mode_of(sink.root() + "/b") == 0600);
  // A link over another file, over itself by another name, and over a directory.
  REQUIRE(sink.failures(GroupBuilder().put("c", "other").make_directory("d")) == "");
  REQUIRE(sink.failures(GroupBuilder().make_link("c", "a").make_link("b", "a").make_link("d", "b")) == "");
  CHECK(stat_of(sink.root() + "/a").st_nlink == 4);
  CHECK(entries_in(sink.root() + "/.osync/stage") == 0);
}

TEST_CASE("sink-fs: an unprivileged process keeps what it can and says what it cannot, once") {
  OSYNC_NEEDS_ROOT();
  const TemporaryDirectory directory;
  const std::string root = directory / "replica";
  fs::create_directory(root);
  REQUIRE(chown(root.c_str(), 65534, 65534) == 0);
  fs::permissions(directory.path(), fs::perms(0755));
  (void)plugin_descriptor("sink-fs", PluginKind::sink); // nobody may not be allowed to look into this build
  const std::string result = as_nobody([&]() -> std::string {
    ClaimedSink sink(kit, sink_fs_options(root), root);
    if (sink.capabilities().owners || sink.capabilities().devices || sink.capabilities().privileged_xattrs)
      return "claims to keep what it cannot";
    Attributes device = some_attributes(FileType::character_device, 0600);
    device.device_major = 1; // 0:0 is a whiteout, which anybody may make
    Attributes trusted = file_attributes();
    trusted.xattrs = {{"trusted.x", "y"}, {"user.x", "y"}};
    GroupBuilder group;
    for (const char* n : {"1", "2", "3"})
      group.put(std::string("f") + n, "x", owned(file_attributes(06755), 0, 0))
          .make_special(std::string("c") + n, device);
    group.put("t", "x", trusted).put("c", "was a file").make_special("c", device);
    group.make_directory("closed", directory_attributes(0))
        .make_directory("readonly", directory_attributes(0555));
    std::string failures = sink.failures(group);
    if (!failures.empty()) return failures;
    if (mode_of(root + "/f1") != 0755) return "set-id bits for the wrong owner";
    if (sink.log().count("owner or group") != 1 || sink.log().count("device node") != 1 ||
        sink.log().count("privileged extended attribute") != 1)
      return "not said once: " + std::to_string(sink.log().count("owner or group")) +
             std::to_string(sink.log().count("device node")) +
             std::to_string(sink.log().count("privileged extended attribute"));
    if (sink.names() != std::vector<std::string>{"closed", "f1", "f2", "f3", "readonly", "t"})
      return "wrong names";
    // Below directories that forbid everything, at any depth, and their modes come back.
    for (const GroupBuilder& below :
         {GroupBuilder("closed").put("a", "x").make_directory("inner", directory_attributes(0)),
          GroupBuilder("closed/inner").put("a", "x").put("a", "xx").make_symlink("s", "x"),
          GroupBuilder("readonly").put("a", "x").directory(directory_attributes(0511))})
      failures += sink.failures(below);
    if (!failures.empty()) return failures;
    if (!sink.holds("closed/inner", "a", "xx")) return "cannot look below a closed directory";
    if (sink.names("closed") != std::vector<std::string>{"a", "inner"})
      return "cannot list a closed directory";
    if (mode_of(root + "/closed") != 0 || mode_of(root + "/readonly") != 0511)
      return "modes were not put back";
    if (sink.inspect("closed", "inner").attributes.mode != 0)
      return "the mode of the inner one was not put back";
    // Directories that forbid everything are displaced and removed like others.
    for (const GroupBuilder& next :
         {GroupBuilder("closed").put("inner", "now a file"),
          GroupBuilder("readonly").make_directory("e", directory_attributes(0)),
          GroupBuilder("readonly/e").put("a", "x").make_directory("f", directory_attributes(0)),
          GroupBuilder("readonly/e/f").put("a", "x"), GroupBuilder().remove("readonly")})
      failures += sink.failures(next);
    if (!failures.empty()) return failures;
    if (!sink->housekeep(std::chrono::seconds(10))) return "housekeeping takes for ever";
    if (entries_in(root + "/.osync/limbo") != 0) return "limbo is not purged";
    return {};
  });
  CHECK(result == "");
  CHECK(read_file(root + "/closed/inner") == "now a file");
}

TEST_CASE("sink-fs: hints about the file system are right") {
  ClaimedSink sink(kit);
  CHECK(sink.capabilities().owners == (geteuid() == 0));
  CHECK(sink.capabilities().case_sensitive);
  CHECK(sink.capabilities().hard_links);
  CHECK(sink.capabilities().time_granularity_ns == 1);
  CHECK(sink.capabilities().description.empty() == (geteuid() == 0 && sink.capabilities().xattrs));
}
