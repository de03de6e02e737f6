#include <catch2/catch.hpp>

#include <functional>

#include "engine/compare.h"
#include "support/sink_engine_fake.h"

namespace osync::test {
namespace {

using engine::compare;
using engine::CompareContext;
using engine::Difference;
using engine::LinkMap;
using engine::ListedEntry;

/// An entry, and the same as the replica has it.
struct Pair {
  ListedEntry listed;
  InspectedEntry found;
  CompareContext context;
};

Pair equal_pair(FileType type) {
  Pair pair;
  Attributes attributes = attributes_of(type, 0644, 1000);
  attributes.mtime.nanoseconds = 123'456'789;
  attributes.ctime.seconds = 2000;
  attributes.uid = 7;
  attributes.gid = 8;
  attributes.size = 10;
  attributes.device_major = 1;
  attributes.device_minor = 3;
  attributes.inode = 42;
  pair.listed.name = "entry";
  pair.listed.attributes = attributes;
  pair.found.attributes = attributes;
  pair.found.attributes.inode = 99;
  return pair;
}

Pair with_digest(FileType type) {
  Pair pair = equal_pair(type);
  pair.listed.has_digest = true;
  pair.listed.digest = pair.found.digest = {1, 2};
  pair.listed.attributes.has_xattrs = pair.found.attributes.has_xattrs = true;
  pair.listed.attributes.xattrs = {{"security.capability", "c"}, {"user.a", "1"}};
  pair.found.attributes.xattrs = pair.listed.attributes.xattrs;
  return pair;
}

Difference difference(const Pair& pair) {
  LinkMap links(100);
  return compare("directory", pair.listed, pair.found, pair.context, links);
}

struct Row {
  const char* what;
  FileType type;
  std::function<void(Pair&)> change;
  Difference expected;
};

constexpr FileType regular = FileType::regular;
constexpr FileType directory = FileType::directory;
constexpr FileType symlink = FileType::symlink;
constexpr FileType device = FileType::block_device;

std::vector<Row> attribute_rows() {
  return {
      {"nothing", regular, [](Pair&) {}, Difference::none},
      {"nothing, fifo", FileType::fifo, [](Pair&) {}, Difference::none},
      {"nothing, socket", FileType::socket, [](Pair&) {}, Difference::none},
      {"an owner that is not said", regular,
       [](Pair& p) { p.listed.attributes.uid = p.listed.attributes.gid = keep_owner; }, Difference::none},
      {"a group that is not said, and another owner", regular,
       [](Pair& p) { p.listed.attributes.uid = 1, p.listed.attributes.gid = keep_owner; }, Difference::owner},
      {"absent", regular, [](Pair& p) { p.found.status = Status(Code::not_found, ""); }, Difference::absent},
      {"no access", regular, [](Pair& p) { p.found.status = Status(Code::denied, ""); },
       Difference::unreadable},
      {"type", regular, [](Pair& p) { p.found.attributes.type = symlink; }, Difference::type},
      {"unknown type", FileType::unknown, [](Pair&) {}, Difference::type},
      {"size", regular, [](Pair& p) { p.found.attributes.size = 11; }, Difference::size},
      {"size of a directory", directory, [](Pair& p) { p.found.attributes.size = 11; }, Difference::none},
      {"mtime", regular, [](Pair& p) { ++p.found.attributes.mtime.nanoseconds; }, Difference::mtime},
      {"mtime of a symlink", symlink, [](Pair& p) { ++p.found.attributes.mtime.seconds; }, Difference::mtime},
      {"mtime of a directory", directory, [](Pair& p) { ++p.found.attributes.mtime.seconds; },
       Difference::none},
      {"mode", regular, [](Pair& p) { p.found.attributes.mode = 0600; }, Difference::mode},
      {"mode of a directory", directory, [](Pair& p) { p.found.attributes.mode = 0600; }, Difference::mode},
      {"mode of a symlink", symlink, [](Pair& p) { p.found.attributes.mode = 0777; }, Difference::none},
      {"set-uid", regular, [](Pair& p) { p.listed.attributes.mode |= 04000; }, Difference::mode},
      {"uid", regular, [](Pair& p) { ++p.found.attributes.uid; }, Difference::owner},
      {"gid of a directory", directory, [](Pair& p) { ++p.found.attributes.gid; }, Difference::owner},
      {"target", symlink, [](Pair& p) { p.found.target = "x"; }, Difference::target},
      {"device number", device, [](Pair& p) { ++p.found.attributes.device_minor; }, Difference::device},
      {"device number of a file", regular, [](Pair& p) { ++p.found.attributes.device_minor; },
       Difference::none},
      {"inode", regular, [](Pair& p) { ++p.found.attributes.inode; }, Difference::none},
  };
}

std::vector<Row> capability_rows() {
  const auto coarse = [](std::uint32_t granularity, Timestamp source, Timestamp replica) {
    return [=](Pair& p) {
      p.context.capabilities.time_granularity_ns = granularity;
      p.listed.attributes.mtime = source;
      p.found.attributes.mtime = replica;
    };
  };
  return {
      {"100 ns times", regular, coarse(100, {5, 199}, {5, 100}), Difference::none},
      {"100 ns times, another one", regular, coarse(100, {5, 199}, {5, 200}), Difference::mtime},
      {"1 s times", regular, coarse(1'000'000'000, {5, 999}, {5, 0}), Difference::none},
      {"2 s times", regular, coarse(2'000'000'000, {5, 999}, {4, 0}), Difference::none},
      {"2 s times before the epoch", regular, coarse(2'000'000'000, {-5, 999}, {-6, 0}), Difference::none},
      {"2 s times, another one", regular, coarse(2'000'000'000, {6, 0}, {4, 0}), Difference::mtime},
      {"owners not kept", regular,
       [](Pair& p) {
         p.context.capabilities.owners = false;
         ++p.found.attributes.uid;
         p.listed.attributes.mode |= 04000;
       },
       Difference::none},
      {"owners not kept, set-gid of a directory", directory,
       [](Pair& p) {
         p.context.capabilities.owners = false;
         p.listed.attributes.mode |= 02000;
       },
       Difference::mode},
      {"owners not kept, mode", regular,
       [](Pair& p) {
         p.context.capabilities.owners = false;
         p.listed.attributes.mode = 0600;
       },
       Difference::mode},
      {"devices not kept", device,
       [](Pair& p) {
         p.context.capabilities.devices = false;
         p.found.status = Status(Code::not_found, "");
       },
       Difference::none},
      {"devices not kept, a file is there", device,
       [](Pair& p) {
         p.context.capabilities.devices = false;
         p.found.attributes.type = regular;
       },
       Difference::type},
      {"suspect", regular,
       [](Pair& p) {
         p.context.suspect_since = Timestamp{2000, 0};
       },
       Difference::suspect},
      {"older than suspect", regular,
       [](Pair& p) {
         p.context.suspect_since = Timestamp{2000, 1};
       },
       Difference::none},
      {"a directory is not suspect", directory,
       [](Pair& p) {
         p.context.suspect_since = Timestamp{1, 0};
       },
       Difference::none},
  };
}

std::vector<Row> digest_rows() {
  return {
      {"nothing", regular, [](Pair&) {}, Difference::none},
      {"content", regular, [](Pair& p) { ++p.found.digest.low; }, Difference::content},
      {"digest of a directory", directory, [](Pair& p) { ++p.found.digest.low; }, Difference::none},
      {"not suspect with a digest", regular,
       [](Pair& p) {
         p.context.suspect_since = Timestamp{1, 0};
       },
       Difference::none},
      {"xattr value", regular, [](Pair& p) { p.found.attributes.xattrs[1].value = "2"; }, Difference::xattrs},
      {"xattr beyond", directory,
       [](Pair& p) {
         p.found.attributes.xattrs.push_back({"user.b", ""});
       },
       Difference::xattrs},
      {"xattr missing", regular, [](Pair& p) { p.found.attributes.xattrs.pop_back(); }, Difference::xattrs},
      {"xattrs not read here", regular, [](Pair& p) { p.found.attributes.has_xattrs = false; },
       Difference::xattrs},
      {"xattrs not read there", regular,
       [](Pair& p) {
         p.listed.attributes.has_xattrs = false;
         p.found.attributes.xattrs.clear();
       },
       Difference::none},
      {"privileged xattrs not kept", regular,
       [](Pair& p) {
         p.context.capabilities.privileged_xattrs = false;
         p.found.attributes.xattrs = {{"security.selinux", "s"}, {"user.a", "1"}};
       },
       Difference::none},
      {"privileged xattrs not kept, another differs", regular,
       [](Pair& p) {
         p.context.capabilities.privileged_xattrs = false;
         p.found.attributes.xattrs = {{"security.selinux", "s"}};
       },
       Difference::xattrs},
      {"no xattrs kept", regular,
       [](Pair& p) {
         p.context.capabilities.xattrs = false;
         p.found.attributes.xattrs.clear();
         p.found.attributes.has_xattrs = false;
       },
       Difference::none},
  };
}

void check(const std::vector<Row>& rows, Pair (*make)(FileType)) {
  for (const Row& row : rows) {
    Pair pair = make(row.type);
    row.change(pair);
    CAPTURE(row.what);
    CHECK(engine::difference_name(difference(pair)) == engine::difference_name(row.expected));
  }
}

/// A name of a file: inode and number of names on the source, and on the replica.
Difference name_of(LinkMap& links, const std::string& name, std::uint64_t inode, std::uint32_t names,
                   std::uint64_t replica_inode, std::uint32_t replica_names,
                   const SinkCapabilities& capabilities = {}) {
  Pair pair = equal_pair(regular);
  pair.context.capabilities = capabilities;
  pair.listed.name = name;
  pair.listed.attributes.inode = inode;
  pair.listed.attributes.links = names;
  pair.found.attributes.inode = replica_inode;
  pair.found.attributes.links = replica_names;
  return compare("directory", pair.listed, pair.found, pair.context, links);
}

} // namespace

TEST_CASE("attributes are compared", "[compare]") { check(attribute_rows(), equal_pair); }

TEST_CASE("what the replica cannot keep is not compared", "[compare]") {
  check(capability_rows(), equal_pair);
}

TEST_CASE("contents and extended attributes are compared where there is a digest", "[compare]") {
  check(digest_rows(), with_digest);
}

TEST_CASE("every difference has a name", "[compare]") {
  CHECK(engine::difference_name(Difference::none) == "none");
  CHECK(engine::difference_name(Difference::suspect) == "suspect");
  CHECK(engine::difference_name(Difference::links) == "links");
  CHECK(engine::difference_name(static_cast<Difference>(99)) == "unknown");
}

TEST_CASE("files with several names have to be the same files on both sides", "[compare]") {
  LinkMap links(100);
  SECTION("the same group") {
    CHECK(name_of(links, "a", 1, 2, 50, 2) == Difference::none);
    CHECK(name_of(links, "b", 1, 2, 50, 2) == Difference::none);
    CHECK(name_of(links, "c", 2, 3, 51, 2) == Difference::none); // one name is outside of the root
    CHECK(name_of(links, "d", 3, 2, 52, 1) == Difference::none); // likewise
  }
  SECTION("one file there, two here") {
    CHECK(name_of(links, "a", 1, 2, 50, 1) == Difference::none);
    CHECK(name_of(links, "b", 1, 2, 51, 1) == Difference::links);
  }
  SECTION("two files there, one here") {
    CHECK(name_of(links, "a", 1, 2, 50, 2) == Difference::none);
    CHECK(name_of(links, "b", 2, 2, 50, 2) == Difference::links);
  }
  SECTION("a mapping that has become old costs one transfer") {
    CHECK(name_of(links, "a", 1, 2, 50, 2) == Difference::none);
    CHECK(name_of(links, "a", 1, 2, 60, 2) == Difference::links);
    CHECK(name_of(links, "a", 1, 2, 60, 2) == Difference::none);
  }
  SECTION("a file with one name there and several here") {
    CHECK(name_of(links, "a", 0, 1, 50, 2) == Difference::none); // the other may be outside of the root
    CHECK(name_of(links, "a", 0, 1, 50, 2) == Difference::none);
    CHECK(name_of(links, "b", 0, 1, 50, 2) == Difference::links);
    CHECK(name_of(links, "c", 7, 2, 50, 2) == Difference::links);
  }
  SECTION("a sink without hard links") {
    SinkCapabilities capabilities;
    capabilities.hard_links = false;
    CHECK(name_of(links, "a", 1, 2, 50, 1, capabilities) == Difference::none);
    CHECK(name_of(links, "b", 1, 2, 51, 1, capabilities) == Difference::none);
  }
  SECTION("links of directories mean nothing") {
    Pair pair = equal_pair(directory);
    pair.listed.attributes.links = 5;
    pair.found.attributes.links = 9;
    CHECK(compare("", pair.listed, pair.found, pair.context, links) == Difference::none);
    CHECK(links.size() == 0);
  }
}

TEST_CASE("a full link map makes entries wanted, but not those with one name", "[compare]") {
  LinkMap links(8);
  for (std::uint64_t inode = 1; inode <= 4; ++inode)
    CHECK(name_of(links, "a", inode, 2, 100 + inode, 2) == Difference::none);
  CHECK(links.size() == 8);
  CHECK(name_of(links, "b", 9, 2, 109, 2) == Difference::links);
  CHECK(name_of(links, "c", 0, 1, 110, 2) == Difference::none);
  CHECK(name_of(links, "a", 1, 2, 101, 2) == Difference::none); // known before
  CHECK(links.size() == 8);
}

TEST_CASE("files with one name leave room in the link map", "[compare]") {
  LinkMap links(8);
  for (std::uint64_t inode = 1; inode <= 100; ++inode)
    CHECK(name_of(links, "n" + std::to_string(inode), 0, 1, 100 + inode, 2) == Difference::none);
  CHECK(links.size() == 4);
  CHECK(name_of(links, "a", 1, 2, 50, 2) == Difference::none);
}

} // namespace osync::test
