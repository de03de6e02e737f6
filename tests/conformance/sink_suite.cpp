#include "sink_suite.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

namespace osync::test {

namespace {

using Names = std::vector<std::string>;

void check_attributes(const InspectedEntry& entry, const Attributes& wanted) {
  REQUIRE(entry.status.to_string() == "ok");
  CHECK(entry.attributes.type == wanted.type);
  if (wanted.type != FileType::symlink) CHECK(entry.attributes.mode == wanted.mode);
  CHECK(entry.attributes.uid == wanted.uid);
  CHECK(entry.attributes.gid == wanted.gid);
  if (wanted.type != FileType::directory) CHECK(entry.attributes.mtime == wanted.mtime);
}

Attributes special(FileType type) {
  Attributes attributes = some_attributes(type, 0640);
  if (type == FileType::character_device) attributes.device_major = 1, attributes.device_minor = 3;
  if (type == FileType::block_device) attributes.device_major = 7, attributes.device_minor = 200;
  return attributes;
}

/// Makes `name` something of `type` in the root.
GroupBuilder make(FileType type, const std::string& name) {
  GroupBuilder group;
  switch (type) {
  case FileType::regular:
    return group.put(name, "a file");
  case FileType::directory:
    return group.make_directory(name);
  case FileType::symlink:
    return group.make_symlink(name, "nowhere");
  default:
    return group.make_special(name, special(type));
  }
}

std::vector<FileType> types_of(const SinkCapabilities& capabilities) {
  std::vector<FileType> types = {FileType::regular, FileType::directory, FileType::symlink, FileType::fifo,
                                 FileType::socket};
  if (capabilities.devices) {
    types.push_back(FileType::character_device);
    types.push_back(FileType::block_device);
  }
  return types;
}

} // namespace

void sink_starts_empty_and_knows_itself_again(const SinkKit& kit) {
  const TemporaryDirectory directory;
  const std::string root = directory / "replica";
  SinkCapabilities capabilities;
  {
    LoadedPlugin<Sink> sink(kit.plugin, kit.options(root));
    ReplicaState state;
    REQUIRE(sink->open(state, capabilities).to_string() == "ok");
    CHECK(state.content == ReplicaState::Content::empty);
    CHECK_FALSE(state.suspect_since);
    REQUIRE(sink->claim(test_identity(7), true).to_string() == "ok");
    CHECK(sink->sync().ok());
    CHECK(sink->close().ok());
  }
  LoadedPlugin<Sink> sink(kit.plugin, kit.options(root));
  ReplicaState state;
  REQUIRE(sink->open(state, capabilities).to_string() == "ok");
  CHECK(state.content == ReplicaState::Content::own_identity);
  CHECK(state.identity.source == test_identity().source);
  CHECK(state.identity.replica == test_identity().replica);
  CHECK(state.identity.epoch == 7);
  CHECK(state.adopted);
  CHECK_FALSE(state.suspect_since);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ancestry;
  CHECK(sink->ancestry(ancestry).ok());
  CHECK_FALSE(ancestry.empty());
  CHECK(sink->close().ok());
}

void sink_refuses_a_second_process(const SinkKit& kit) {
  ClaimedSink first(kit);
  LoadedPlugin<Sink> second(kit.plugin, kit.options(first.root()));
  ReplicaState state;
  SinkCapabilities capabilities;
  const Status refused = second->open(state, capabilities);
  CHECK(refused.code() == Code::conflict);
  CHECK(first.close().ok());
  CHECK(second->open(state, capabilities).ok());
  CHECK(second->close().ok());
}

void sink_applies_every_kind(const SinkKit& kit) {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder()
                            .put("file", "content", file_attributes(0640))
                            .put("empty", "", file_attributes(0444))
                            .make_directory("directory", directory_attributes(0750))
                            .make_symlink("symlink", "directory/inside")
                            .make_special("fifo", special(FileType::fifo))
                            .make_special("socket", special(FileType::socket))) == "");
  REQUIRE(sink.failures(GroupBuilder("directory").put("inside", "deeper")) == "");
  check_attributes(sink.inspect("", "file"), file_attributes(0640));
  CHECK(sink.holds("", "file", "content"));
  check_attributes(sink.inspect("", "empty"), file_attributes(0444));
  CHECK(sink.holds("", "empty", ""));
  check_attributes(sink.inspect("", "directory"), directory_attributes(0750));
  CHECK(sink.inspect("", "symlink").target == "directory/inside");
  check_attributes(sink.inspect("", "symlink"), some_attributes(FileType::symlink, 0777));
  check_attributes(sink.inspect("", "fifo"), special(FileType::fifo));
  check_attributes(sink.inspect("", "socket"), special(FileType::socket));
  if (sink.capabilities().devices) {
    REQUIRE(sink.failures(make(FileType::character_device, "null")) == "");
    const InspectedEntry device = sink.inspect("", "null");
    check_attributes(device, special(FileType::character_device));
    CHECK(device.attributes.device_major == 1);
    CHECK(device.attributes.device_minor == 3);
  }
  if (sink.capabilities().hard_links) {
    REQUIRE(sink.failures(GroupBuilder("directory").make_link("other name", "file")) == "");
    CHECK(sink.inspect("", "file").attributes.links == 2);
    CHECK(sink.inspect("", "file").attributes.inode ==
          sink.inspect("directory", "other name").attributes.inode);
  }
  Attributes changed = file_attributes(0600);
  changed.size = 7;
  changed.links = sink.inspect("", "file").attributes.links;
  changed.mtime = {-5, 999'999'999};
  REQUIRE(sink.failures(GroupBuilder().set_attributes("file", changed)) == "");
  check_attributes(sink.inspect("", "file"), changed);
}

void sink_replaces_every_type_by_every_type(const SinkKit& kit) {
  ClaimedSink sink(kit);
  for (const FileType from : types_of(sink.capabilities()))
    for (const FileType to : types_of(sink.capabilities())) {
      INFO("from " << int(from) << " to " << int(to));
      REQUIRE(sink.failures(GroupBuilder().remove("name")) == "");
      REQUIRE(sink.failures(make(from, "name")) == "");
      if (from == FileType::directory) REQUIRE(sink.failures(GroupBuilder("name").put("below", "x")) == "");
      REQUIRE(sink.failures(make(to, "name")) == "");
      const InspectedEntry entry = sink.inspect("", "name");
      REQUIRE(entry.status.ok());
      CHECK(entry.attributes.type == to);
      if (from == FileType::directory && to == FileType::directory) CHECK(sink.holds("name", "below", "x"));
      CHECK(sink.names() == Names{"name"});
    }
}

void sink_may_be_told_twice(const SinkKit& kit) {
  ClaimedSink sink(kit);
  GroupBuilder group;
  group.put("file", "content")
      .make_directory("directory")
      .make_symlink("symlink", "x")
      .make_link("link", "file");
  group.make_special("fifo", special(FileType::fifo))
      .put("gone", "x")
      .remove("gone")
      .directory(directory_attributes());
  for (int i = 0; i < 3; ++i) {
    INFO("time " << i);
    REQUIRE(sink.failures(group) == "");
    CHECK(sink.names() == Names{"directory", "fifo", "file", "link", "symlink"});
    CHECK(sink.holds("", "file", "content"));
    CHECK(sink.inspect("", "file").attributes.inode == sink.inspect("", "link").attributes.inode);
    CHECK(sink.inspect("", "file").attributes.links == 2);
  }
}

void sink_reports_what_is_stale(const SinkKit& kit) {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().put("file", "12345").make_directory("directory")) == "");
  Attributes five = file_attributes(0600);
  five.size = 5;
  Attributes six = five;
  six.size = 6;
  CHECK(sink.failure(GroupBuilder().set_attributes("absent", five)) == Code::not_found);
  CHECK(sink.failure(GroupBuilder().set_attributes("file", six)) == Code::stale);
  CHECK(sink.failure(GroupBuilder().set_attributes("directory", five)) == Code::stale);
  CHECK(sink.failure(GroupBuilder().set_attributes("file", directory_attributes())) == Code::stale);
  CHECK(sink.failure(GroupBuilder().make_link("link", "absent")) == Code::not_found);
  CHECK(sink.failure(GroupBuilder().make_link("link", "absent/file")) == Code::not_found);
  CHECK(sink.failure(GroupBuilder().make_link("link", "directory")) == Code::stale);
  CHECK(sink.inspect("", "file").attributes.mode == 0644);
  CHECK(sink.names() == Names{"directory", "file"});

  // A directory that is not there is one failure of the group, and nothing of it was tried.
  for (const char* absent : {"absent", "absent/below", "file"}) {
    const GroupResult result = sink.apply(GroupBuilder(absent).put("a", "x").put("b", "x"));
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].index == group_failure);
    CHECK(result.failures[0].status.code() == Code::not_found);
    CHECK(result.entries_changed == 0);
  }
  std::vector<InspectedEntry> entries;
  CHECK(sink->inspect("absent", {{"a", false}}, entries).code() == Code::not_found);
  CHECK(sink.inspect("", "absent").status.code() == Code::not_found);
  // One failure leaves the other operations alone.
  const GroupResult result =
      sink.apply(GroupBuilder().put("first", "x").set_attributes("absent", five).put("third", "x"));
  REQUIRE(result.failures.size() == 1);
  CHECK(result.failures[0].index == 1);
  CHECK(result.entries_changed == 2);
  CHECK(sink.names() == Names{"directory", "file", "first", "third"});
}

void sink_stages_large_files(const SinkKit& kit) {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().put("file", "the old content").make_directory("d")) == "");
  const std::string data(300'000, 'x');
  const std::uint64_t gigabyte = 1u << 30;
  const std::vector<Piece> pieces = {{0, "begin"}, {4096, data}, {gigabyte, "end"}};
  for (const Piece& piece : pieces) {
    REQUIRE(sink.failures(GroupBuilder("d").stage(9, piece.offset, piece.data)) == "");
    CHECK(sink.holds("", "file", "the old content"));
    CHECK(sink.names() == Names{"d", "file"});
  }
  const std::uint64_t size = gigabyte + 4096;
  REQUIRE(sink.failures(GroupBuilder().publish("file", 9, size, digest_of_pieces(pieces),
                                               file_attributes(0604))) == "");
  const InspectedEntry entry = sink.inspect("", "file", false);
  check_attributes(entry, file_attributes(0604));
  CHECK(entry.attributes.size == size);
  CHECK(entry.attributes.blocks * 512 < 2'000'000); // holes stay holes
  // A stage that was never written: empty, or nothing but a hole.
  REQUIRE(sink.failures(GroupBuilder("d")
                            .publish("empty", 10, 0, digest_of_pieces({}))
                            .publish("hole", 11, 1'000'000, digest_of_pieces({}))) == "");
  CHECK(sink.holds("d", "empty", ""));
  CHECK(sink.holds("d", "hole", std::string(1'000'000, '\0')));
  // All in one group, over a directory that is in the way.
  REQUIRE(sink.failures(GroupBuilder()
                            .stage(12, 0, "abc")
                            .stage(12, 3, "def")
                            .publish("d", 12, 6, digest_of_pieces({{0, "abc"}, {3, "def"}}))) == "");
  CHECK(sink.holds("", "d", "abcdef"));
}

void sink_publishes_nothing_damaged(const SinkKit& kit) {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().put("file", "old").stage(1, 0, "data").stage(2, 0, "data")) == "");
  const Digest moved = digest_of_pieces({{1, "data"}});
  CHECK(sink.failure(GroupBuilder().publish("file", 1, 4, digest_of_pieces({{0, "dAta"}}))) == Code::corrupt);
  CHECK(sink.failure(GroupBuilder().publish("file", 2, 5, moved)) == Code::corrupt); // the offset counts too
  CHECK(sink.holds("", "file", "old"));
  // Both stages are void: what is published under their numbers now is new.
  CHECK(sink.failure(GroupBuilder().publish("new", 1, 4, digest_of_pieces({{0, "data"}}))) == Code::corrupt);
  REQUIRE(sink.failures(GroupBuilder().stage(3, 0, "data").discard(3).discard(3).discard(99)) == "");
  CHECK(sink.failure(GroupBuilder().publish("new", 3, 4, digest_of_pieces({{0, "data"}}))) == Code::corrupt);
  CHECK(sink.names() == Names{"file"});
  // Data that is not in the payload.
  OperationGroup group = GroupBuilder().put("outside", "1234").build();
  group.operations[0].payload_offset = 2;
  GroupResult result;
  sink->apply(group, result);
  REQUIRE(result.failures.size() == 1);
  CHECK(result.failures[0].status.code() == Code::invalid);
  CHECK(sink.names() == Names{"file"});
}

void sink_holds_many_stages(const SinkKit& kit) {
  constexpr std::uint64_t count = 300; // more than any sink keeps open
  ClaimedSink sink(kit);
  for (std::uint64_t round = 0; round < 3; ++round)
    for (std::uint64_t id = 0; id < count; ++id)
      REQUIRE(sink.failure(GroupBuilder().stage(id, round * 3, "abc")) == Code::ok);
  const Digest digest = digest_of_pieces({{0, "abc"}, {3, "abc"}, {6, "abc"}});
  for (std::uint64_t id = 0; id < count; ++id)
    REQUIRE(sink.failure(GroupBuilder().publish("f" + std::to_string(id), id, 9, digest)) == Code::ok);
  CHECK(sink.names().size() == count);
  CHECK(sink.holds("", "f0", "abcabcabc"));
  CHECK(sink.holds("", "f299", "abcabcabc"));
}

void sink_refuses_bad_names(const SinkKit& kit) {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().make_directory("d").put("file", "x")) == "");
  using namespace std::string_literals;
  const std::vector<std::string> bad_names = {"",  ".",    "..",    "a/b",
                                              "/", "../x", "a\0b"s, std::string(256, 'x')};
  for (const std::string& name : bad_names) {
    INFO("name " << name);
    for (const GroupBuilder& group :
         {GroupBuilder("d").put(name, "x"), GroupBuilder("d").make_directory(name),
          GroupBuilder("d").remove(name), GroupBuilder("d").make_symlink(name, "x"),
          GroupBuilder("d").make_link(name, "file"),
          GroupBuilder("d").set_attributes(name, file_attributes())})
      CHECK(sink.failure(group) == Code::invalid);
  }
  for (const std::string& path : {"/"s, "/etc"s, "d/"s, "d//e"s, "."s, ".."s, "d/../.."s, "d/./e"s, "d\0"s}) {
    INFO("path " << path);
    CHECK(sink.failure(GroupBuilder(path).put("x", "x")) == Code::invalid);
    CHECK(sink.failure(GroupBuilder("d").make_link("x", path)) == Code::invalid);
    std::vector<InspectedEntry> entries;
    CHECK(sink->inspect(path, {{"x", false}}, entries).code() == Code::invalid);
    CHECK(sink->list(path, [](const ListedName&) { return true; }).code() == Code::invalid);
    std::uint64_t count = 0;
    CHECK(sink->count(path, "x", 10, count).code() == Code::invalid);
  }
  Attributes bad = file_attributes();
  bad.mtime.nanoseconds = 1'073'741'823; // UTIME_NOW
  CHECK(sink.failure(GroupBuilder("d").put("x", "x", bad)) == Code::invalid);
  bad = file_attributes(0100644);
  CHECK(sink.failure(GroupBuilder("d").put("x", "x", bad)) == Code::invalid);
  CHECK(sink.names("d").empty());
  CHECK(sink.names() == Names{"d", "file"});
}

void sink_keeps_odd_names(const SinkKit& kit) {
  ClaimedSink sink(kit);
  std::vector<std::string> names = {"-rf",       " ",       "new\nline", "*",        "\\",
                                    "...",       ".hidden", "\xff\xfe",  "\xc3\x28", std::string(255, 'n'),
                                    "e\xcc\x81", "\xc3\xa9"};
  for (int c = 1; c < 256; ++c)
    if (c != '/') names.push_back(std::string("c") + static_cast<char>(c));
  GroupBuilder group;
  for (const std::string& name : names) group.put(name, name);
  REQUIRE(sink.failures(group) == "");
  std::sort(names.begin(), names.end());
  CHECK(sink.names() == names);
  for (const std::string& name : names) REQUIRE(sink.holds("", name, name));
  GroupBuilder removal;
  for (const std::string& name : names) removal.remove(name);
  REQUIRE(sink.failures(removal) == "");
  CHECK(sink.names().empty());
}

void sink_goes_beyond_path_max(const SinkKit& kit) {
  ClaimedSink sink(kit);
  const std::string component(200, 'd');
  std::string path;
  for (int level = 0; level < 60; ++level) {
    REQUIRE(sink.failures(GroupBuilder(path).make_directory(component)) == "");
    path += (path.empty() ? "" : "/") + component;
  }
  REQUIRE(sink.failures(GroupBuilder(path).put("file", "deep").make_symlink("symlink", "x")) == "");
  REQUIRE(sink.failures(GroupBuilder(path).make_link("link", path + "/file")) == "");
  CHECK(sink.holds(path, "file", "deep"));
  CHECK(sink.inspect(path, "link").attributes.links == 2);
  CHECK(sink.names(path) == Names{"file", "link", "symlink"});
  std::uint64_t entries = 0;
  REQUIRE(sink->count("", component, 1000, entries).ok());
  CHECK(entries == 63);
  REQUIRE(sink.failures(GroupBuilder().remove(component)) == "");
  CHECK(sink.names().empty());
}

void sink_removes_trees(const SinkKit& kit) {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().make_directory("tree").put("file", "x")) == "");
  for (int i = 0; i < 20; ++i) {
    const std::string name = "d" + std::to_string(i);
    REQUIRE(sink.failures(GroupBuilder("tree").make_directory(name)) == "");
    GroupBuilder group("tree/" + name);
    for (int j = 0; j < 200; ++j) group.put("f" + std::to_string(j), "x");
    REQUIRE(sink.failures(group) == "");
  }
  const GroupResult removed = sink.apply(GroupBuilder().remove("tree").remove("file").remove("absent"));
  CHECK(removed.failures.empty());
  CHECK(removed.entries_changed == 2);
  CHECK(sink.names().empty());
  // The name is free at once, also for a tree like the one before.
  REQUIRE(sink.failures(GroupBuilder().make_directory("tree")) == "");
  CHECK(sink.names("tree").empty());
  CHECK(sink->sync().ok());
}

void sink_keeps_directory_times(const SinkKit& kit) {
  ClaimedSink sink(kit);
  REQUIRE(sink.failures(GroupBuilder().make_directory("d")) == "");
  Attributes wanted = directory_attributes(0711);
  wanted.mtime = {1'500'000'000, 1};
  REQUIRE(sink.failures(GroupBuilder("d").put("a", "x").directory(wanted)) == "");
  const auto mtime = [&] { return sink.inspect("", "d").attributes.mtime; };
  CHECK(mtime() == wanted.mtime);
  CHECK(sink.inspect("", "d").attributes.mode == 0711);
  // Groups that do not speak of the directory leave its time as it was, also when they fail.
  REQUIRE(sink.failures(GroupBuilder("d").put("b", "x").remove("a").make_directory("e")) == "");
  CHECK(mtime() == wanted.mtime);
  CHECK(sink.failure(GroupBuilder("d").put("c", "x").set_attributes("absent", file_attributes())) ==
        Code::not_found);
  CHECK(mtime() == wanted.mtime);
  wanted.mtime = {1'500'000'001, 2};
  CHECK(sink.failure(GroupBuilder("d").set_attributes("absent", file_attributes()).directory(wanted)) ==
        Code::not_found);
  CHECK(mtime() == wanted.mtime);
  // Also where there is nothing but the directory to set, and for the root.
  wanted.mtime = {1'500'000'002, 3};
  REQUIRE(sink.failures(GroupBuilder("d").directory(wanted)) == "");
  CHECK(mtime() == wanted.mtime);
  REQUIRE(sink.failures(GroupBuilder().put("x", "x").directory(wanted)) == "");
}

void sink_lists_and_counts(const SinkKit& kit) {
  ClaimedSink sink(kit);
  CHECK(sink.names().empty());
  REQUIRE(sink.failures(GroupBuilder().make_directory("d").put("file", "x").make_symlink("symlink", "d")) ==
          "");
  REQUIRE(sink.failures(GroupBuilder("d").make_directory("e").put("a", "x")) == "");
  REQUIRE(sink.failures(GroupBuilder("d/e").put("b", "x").make_symlink("up", "../..")) == "");
  CHECK(sink.names() == Names{"d", "file", "symlink"});
  unsigned visited = 0;
  CHECK(sink->list("", [&](const ListedName&) { return ++visited < 2; }).ok());
  CHECK(visited == 2);
  CHECK(sink->list("absent", [](const ListedName&) { return true; }).code() == Code::not_found);
  CHECK(sink->list("file", [](const ListedName&) { return true; }).code() == Code::not_found);
  CHECK(sink->list("symlink", [](const ListedName&) { return true; }).code() == Code::not_found);
  const auto count = [&](const std::string& directory, const std::string& name, std::uint64_t bound) {
    std::uint64_t entries = 99;
    REQUIRE(sink->count(directory, name, bound, entries).ok());
    return entries;
  };
  CHECK(count("", "d", 100) == 5);
  CHECK(count("", "d", 3) == 3);
  CHECK(count("d", "e", 100) == 3);
  CHECK(count("", "file", 100) == 1);
  CHECK(count("", "symlink", 100) == 1);
  CHECK(count("", "absent", 100) == 0);
}

void sink_keeps_xattrs(const SinkKit& kit) {
  ClaimedSink sink(kit);
  if (!sink.capabilities().xattrs) {
    WARN("skipped: the file system of the temporary directory keeps no xattrs");
    return;
  }
  const std::vector<Xattr> some = {{"user.a", "1"}, {"user.empty", ""}, {"user.z", std::string(1000, 'z')}};
  Attributes file = file_attributes(0400);
  file.xattrs = some;
  Attributes directory = directory_attributes(0500);
  directory.xattrs = some;
  REQUIRE(sink.failures(GroupBuilder().put("file", "x", file).make_directory("d", directory)) == "");
  CHECK(sink.inspect("", "file").attributes.xattrs == some);
  CHECK(sink.inspect("", "file").attributes.has_xattrs);
  CHECK(sink.inspect("", "d").attributes.xattrs == some);
  check_attributes(sink.inspect("", "file"), file);
  CHECK_FALSE(sink.inspect("", "file", false).attributes.has_xattrs);

  const std::vector<Xattr> others = {{"user.a", "2"}, {"user.b", "3"}};
  file.xattrs = others;
  file.size = 1;
  directory.xattrs = others;
  REQUIRE(sink.failures(GroupBuilder().set_attributes("file", file).make_directory("d", directory)) == "");
  CHECK(sink.inspect("", "file").attributes.xattrs == others);
  CHECK(sink.inspect("", "d").attributes.xattrs == others);
  check_attributes(sink.inspect("", "file"), file);

  // Where they were not read, they stay; where they were and are none, they go.
  file.xattrs.clear();
  file.has_xattrs = false;
  REQUIRE(sink.failures(GroupBuilder().set_attributes("file", file)) == "");
  CHECK(sink.inspect("", "file").attributes.xattrs == others);
  file.has_xattrs = true;
  directory.xattrs.clear();
  REQUIRE(sink.failures(GroupBuilder().set_attributes("file", file)) == "");
  REQUIRE(sink.failures(GroupBuilder("d").directory(directory)) == "");
  CHECK(sink.inspect("", "file").attributes.xattrs.empty());
  CHECK(sink.inspect("", "d").attributes.xattrs.empty());
}

void sink_shows_old_or_new(const SinkKit& kit) {
  ClaimedSink sink(kit);
  const std::string versions[2] = {std::string(100'000, 'a'), std::string(150'000, 'b')};
  REQUIRE(sink.failures(GroupBuilder().put("file", versions[0])) == "");
  std::atomic<bool> done{false};
  std::string failures;
  std::thread writer([&] {
    for (std::size_t i = 1; i <= 400; ++i) {
      const std::string& content = versions[i % 2];
      failures +=
          sink.failures(i % 3 == 0 ? GroupBuilder()
                                         .stage(i, 0, content)
                                         .publish("file", i, content.size(), digest_of_pieces({{0, content}}))
                                   : GroupBuilder().put("file", content));
    }
    done = true;
  });
  const Digest digests[2] = {digest_of_content(versions[0]), digest_of_content(versions[1])};
  unsigned looks = 0;
  unsigned wrong = 0;
  while (!done) {
    const InspectedEntry entry = sink.inspect("", "file");
    if (entry.status.code() == Code::stale)
      continue; // replaced between looking and reading: the sink says so
    ++looks;
    if (!entry.status.ok() || (entry.digest != digests[0] && entry.digest != digests[1])) ++wrong;
  }
  writer.join();
  CHECK(failures == "");
  CHECK(wrong == 0);
  CHECK(looks > 0);
}

void sink_applies_in_parallel(const SinkKit& kit) {
  ClaimedSink sink(kit);
  constexpr int threads = 4;
  std::vector<std::thread> workers;
  std::atomic<int> failed{0};
  for (int t = 0; t < threads; ++t)
    REQUIRE(sink.failures(GroupBuilder().make_directory("d" + std::to_string(t))) == "");
  Attributes shared = directory_attributes();
  REQUIRE(sink.failures(GroupBuilder().make_directory("shared", shared)) == "");
  REQUIRE(sink.failures(GroupBuilder("shared").directory(shared)) == "");
  for (int t = 0; t < threads; ++t)
    workers.emplace_back([&, t] {
      const std::string own = "d" + std::to_string(t);
      for (int i = 0; i < 100; ++i) {
        const std::string name = "f" + std::to_string(i);
        const auto id = static_cast<std::uint64_t>(t * 1000 + i);
        if (sink.failures(GroupBuilder(own).put(name, name).make_directory("e" + name).put(name, "again")) !=
            "")
          ++failed;
        if (sink.failures(GroupBuilder("shared").put(own + name, name)) != "") ++failed;
        if (sink.failures(GroupBuilder(own)
                              .stage(id, 0, "x")
                              .publish("s" + name, id, 1, digest_of_pieces({{0, "x"}}))) != "")
          ++failed;
        if (i % 10 == 9 && sink.failures(GroupBuilder(own).remove("e" + name)) != "") ++failed;
        if (!sink.holds(own, name, "again")) ++failed;
      }
    });
  for (int i = 0; i < 5; ++i)
    if (!sink->sync().ok()) ++failed;
  for (std::thread& worker : workers) worker.join();
  CHECK(failed == 0);
  CHECK(sink.names("shared").size() == 400);
  CHECK(sink.names("d0").size() == 290);
  // Several groups worked in it at once; its time is the one it had.
  CHECK(sink.inspect("", "shared").attributes.mtime == shared.mtime);
}

} // namespace osync::test
