// sink-fs never writes outside of its root and never deletes what is not the replica's.
#include <sys/mount.h>

#include <catch2/catch.hpp>

#include "sink_fs_fixture.h"
#include "support/file_systems.h"
#include "support/skip.h"

using namespace osync;
using namespace osync::test;
namespace fs = std::filesystem;

namespace {

const SinkKit& kit = sink_fs_kit;

/// A replica, and a directory outside of it that must stay as it is.
struct Beside {
  TemporaryDirectory directory;
  std::string outside = directory / "outside";
  std::string root = directory / "replica";
  Beside() {
    write_file(outside + "/precious", "precious");
    fs::permissions(outside + "/precious", fs::perms(0600));
    fs::create_directory(root);
  }
  void check_outside() const {
    CHECK(read_file(outside + "/precious") == "precious");
    CHECK(mode_of(outside + "/precious") == 0600);
    CHECK(entries_in(outside) == 1);
  }
};

} // namespace

TEST_CASE("sink-fs: a symlink in the place of a directory is never entered") {
  const Beside place;
  ClaimedSink sink(kit, sink_fs_options(place.root), place.root);
  REQUIRE(sink.failures(GroupBuilder().make_directory("a")) == "");
  REQUIRE(sink.failures(GroupBuilder("a").make_directory("b")) == "");
  fs::create_symlink(place.outside, place.root + "/link");
  fs::remove(place.root + "/a/b");
  fs::create_symlink(place.outside, place.root + "/a/b");
  fs::create_symlink("/proc/self/fd", place.root + "/magic");
  fs::create_symlink(".", place.root + "/self");
  for (const char* path : {"link", "a/b", "link/below", "a/b/below", "magic", "self", "self/a"}) {
    INFO(path);
    const GroupResult result = sink.apply(GroupBuilder(path).put("x", "x").remove("precious"));
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].index == group_failure);
    CHECK(result.failures[0].status.code() == Code::not_found);
    std::vector<InspectedEntry> entries;
    CHECK(sink->inspect(path, {{"precious", true}}, entries).code() == Code::not_found);
    CHECK(sink->list(path, [](const ListedName&) { return true; }).code() == Code::not_found);
  }
  REQUIRE(sink.failure(GroupBuilder().make_link("stolen", "link/precious")) == Code::not_found);
  std::uint64_t entries = 0;
  REQUIRE(sink->count("", "link", 100, entries).ok());
  CHECK(entries == 1);
  place.check_outside();
  // The directory that should be there replaces the symlink.
  REQUIRE(sink.failures(GroupBuilder("a").make_directory("b")) == "");
  REQUIRE(sink.failures(GroupBuilder("a/b").put("x", "x")) == "");
  place.check_outside();
}

TEST_CASE(
    "sink-fs: symlinks, devices and foreign links with the name of an entry are replaced, not written to") {
  const Beside place;
  ClaimedSink sink(kit, sink_fs_options(place.root), place.root);
  const std::string name = place.root + "/name";
  const std::string precious = place.outside + "/precious";
  const auto plant = [&](int how) {
    fs::remove_all(name);
    if (how == 0) fs::create_symlink(precious, name);
    if (how == 1) fs::create_symlink(place.outside + "/new", name);
    if (how == 2) fs::create_hard_link(precious, name);
  };
  for (int how = 0; how < 3; ++how) {
    INFO("planted " << how);
    plant(how);
    REQUIRE(sink.failures(GroupBuilder().put("name", "mine", file_attributes(0644))) == "");
    CHECK(read_file(name) == "mine");
    place.check_outside();
    plant(how);
    REQUIRE(sink.failures(
                GroupBuilder().stage(1, 0, "mine").publish("name", 1, 4, digest_of_pieces({{0, "mine"}}))) ==
            "");
    CHECK(read_file(name) == "mine");
    place.check_outside();
    plant(how);
    Attributes attributes = file_attributes(0666);
    attributes.size = 8;
    CHECK(sink.failure(GroupBuilder().set_attributes("name", attributes)) == Code::stale);
    CHECK(sink.failure(GroupBuilder().make_directory("name", directory_attributes(0777))) == Code::ok);
    place.check_outside();
    plant(how);
    REQUIRE(sink.failures(GroupBuilder().remove("name")) == "");
    place.check_outside();
  }
}

TEST_CASE("sink-fs: .osync can neither be named nor be something else than a directory") {
  const Beside place;
  {
    ClaimedSink sink(kit, sink_fs_options(place.root), place.root);
    const std::string identity = read_file(place.root + "/.osync/identity");
    CHECK(sink.failure(GroupBuilder().put(".osync", "x")) == Code::invalid);
    CHECK(sink.failure(GroupBuilder().remove(".osync")) == Code::invalid);
    CHECK(sink.failure(GroupBuilder(".osync").put("identity", "x")) == Code::invalid);
    CHECK(sink.failure(GroupBuilder(".osync/stage").put("x", "x")) == Code::invalid);
    CHECK(sink.failure(GroupBuilder().make_link("x", ".osync/identity")) == Code::invalid);
    CHECK(sink.failures(GroupBuilder().make_directory("d")) == "");
    CHECK(sink.failures(GroupBuilder("d").make_directory(".osync")) == ""); // only the root's is special
    CHECK(sink.names("d") == std::vector<std::string>{".osync"});
    CHECK(sink.names() == std::vector<std::string>{"d"});
    CHECK(read_file(place.root + "/.osync/identity") == identity);
  }
  for (int how = 0; how < 2; ++how) {
    fs::remove_all(place.root + "/.osync");
    if (how == 0)
      fs::create_symlink(place.outside, place.root + "/.osync");
    else
      write_file(place.root + "/.osync", "a file");
    LoadedPlugin<Sink> sink("sink-fs", sink_fs_options(place.root));
    ReplicaState state;
    SinkCapabilities capabilities;
    CHECK(sink->open(state, capabilities).code() == Code::conflict);
    place.check_outside();
  }
}

TEST_CASE("sink-fs: a directory removed or moved behind its back is noticed") {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().make_directory("d")) == "");
  REQUIRE(sink.failures(GroupBuilder("d").put("a", "x")) == "");
  fs::rename(sink.root() + "/d", sink.root() + "/moved");
  CHECK(sink.failure(GroupBuilder("d").put("b", "x")) == Code::not_found);
  fs::create_directory(sink.root() + "/d");
  CHECK(sink.failures(GroupBuilder("d").put("b", "x")) == "");
  CHECK(sink.names("d") == std::vector<std::string>{"b"});
  CHECK(sink.names("moved") == std::vector<std::string>{"a"});
}

TEST_CASE("sink-fs: nothing is written or deleted at or below a mount point") {
  for (const char* type : {"tmpfs", "bind"}) {
    const auto missing = file_system_missing(type);
    OSYNC_SKIP_IF(missing.has_value(), *missing);
    ClaimedSink sink(kit);
    REQUIRE(sink.failures(GroupBuilder().make_directory("parent")) == "");
    REQUIRE(sink.failures(GroupBuilder("parent").make_directory("mounted").make_directory("other").put(
                "f", "x")) == "");
    const std::string target = sink.root() + "/parent/mounted";
    const TemporaryDirectory source(fs::path(sink.root()).parent_path());
    const Mount mount =
        std::string(type) == "tmpfs" ? Mount::tmpfs(target, 1 << 20) : Mount::bind(source.path(), target);
    write_file(target + "/precious", "precious");
    fs::create_directory(target + "/below");

    CHECK(sink.failure(GroupBuilder("parent/mounted").put("x", "x")) == Code::conflict);
    CHECK(sink.failure(GroupBuilder("parent/mounted").remove("precious")) == Code::conflict);
    CHECK(sink.failure(GroupBuilder("parent/mounted/below").put("x", "x")) == Code::conflict);
    CHECK(sink.failure(GroupBuilder("parent").remove("mounted")) == Code::conflict);
    CHECK(sink.failure(GroupBuilder("parent").put("mounted", "x")) == Code::conflict);
    CHECK(sink.failure(GroupBuilder("parent").make_directory("mounted")) == Code::conflict);
    CHECK(sink.failure(GroupBuilder("parent").set_attributes("mounted", directory_attributes(0700))) ==
          Code::conflict);
    CHECK(sink.failure(GroupBuilder().remove("parent")) == Code::conflict);
    CHECK(sink.failure(GroupBuilder().put("parent", "x")) == Code::conflict);
    CHECK(sink.failure(GroupBuilder().make_symlink("parent", "x")) == Code::conflict);
    CHECK(read_file(target + "/precious") == "precious");
    CHECK(entries_in(target) == 2);
    CHECK(sink.failures(GroupBuilder("parent").remove("other").put("g", "x")) == ""); // beside it all goes on
  }
}

TEST_CASE("sink-fs: a mount that appears in limbo is never purged") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  ClaimedSink sink(kit);
  // A tree that waits in limbo, as a crash leaves it, with a mount inside.
  const std::string old = sink.root() + "/.osync/limbo/old";
  fs::create_directories(old + "/deep/mounted");
  write_file(old + "/deep/file", "x");
  const Mount mount = Mount::tmpfs(old + "/deep/mounted", 1 << 20);
  write_file(old + "/deep/mounted/precious", "precious");
  CHECK(sink->housekeep(std::chrono::seconds(10))); // it does not try for ever
  CHECK(sink->housekeep(std::chrono::seconds(10)));
  std::string found;
  for (const auto& entry : fs::recursive_directory_iterator(sink.root() + "/.osync/limbo"))
    if (entry.path().filename() == "precious") found = entry.path().parent_path();
  REQUIRE(found != "");
  CHECK(read_file(found + "/precious") == "precious");
  CHECK(sink.log().count("stays in .osync/limbo", LogLevel::warning) >= 1);
  REQUIRE(umount(found.c_str()) == 0); // it moved with its directory, so that its object cannot
}

TEST_CASE("sink-fs: keep_replaced moves aside what another type replaces") {
  const TemporaryDirectory directory;
  const std::string root = directory / "replica";
  ClaimedSink sink(kit, sink_fs_options(root, true), root);
  const std::string kept = root + "/.osync/kept";
  REQUIRE(
      sink.failures(
          GroupBuilder().put("a", "content").make_directory("b").put("same", "old").make_symlink("c", "x")) ==
      "");
  REQUIRE(sink.failures(GroupBuilder("b").put("below", "precious")) == "");
  REQUIRE(sink.failures(
              GroupBuilder().make_directory("a").put("b", "file now").put("same", "new").put("c", "x")) ==
          "");
  CHECK(entries_in(kept) == 3);
  bool found_content = false;
  bool found_below = false;
  for (const auto& entry : fs::recursive_directory_iterator(kept)) {
    if (!entry.is_regular_file()) continue;
    found_content |= read_file(entry.path()) == "content";
    found_below |= entry.path().filename() == "below" && read_file(entry.path()) == "precious";
  }
  CHECK(found_content);
  CHECK(found_below);
  REQUIRE(sink.failures(GroupBuilder().remove("a").remove("b")) == "");
  CHECK(entries_in(kept) == 3); // removing is asked for, and done
  CHECK(sink.names() == std::vector<std::string>{"c", "same"});
}

TEST_CASE("sink-fs: descriptors do not leak") {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().make_directory("d").put("f", "x")) == "");
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    GroupBuilder group("d");
    group.put("f", "x").put("f", "y").make_directory("e").put("e", "x").make_symlink("s", "x").make_link("l",
                                                                                                         "f");
    group.make_special("p", some_attributes(FileType::fifo, 0600))
        .set_attributes("absent", file_attributes());
    group.stage(1, 0, "x").publish("q", 1, 1, digest_of_pieces({{0, "x"}})).stage(2, 0, "x").discard(2);
    group.publish("q", 3, 0, digest_of_pieces({{0, "x"}})).remove("e").remove("absent").put("..", "x");
    CHECK(sink.apply(group).failures.size() == 3);
    CHECK(sink.failure(GroupBuilder("absent/x").put("f", "x")) == Code::not_found);
    CHECK(sink.inspect("d", "f").status.ok());
    CHECK(sink.names("d").size() == 5);
  }
  CHECK(open_descriptors() == before);
}
