// From records to change events: hints, moves, ends of watches, overflow, and records nobody knows.
#include "watch-inotify/inotify_translate.h"

#include <sys/inotify.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "inotify_recorded.h"

using namespace osync::inotify;
using osync::ObjectId;
using osync::WatchEvent;
using Kind = osync::WatchEvent::Kind;

namespace {

const ObjectId root{9, 1};
const ObjectId sub{9, 2};

/// A root with descriptor 1 and a directory below it with descriptor 2.
struct Scene {
  WatchTable table;
  Translator translator{table, root};
  EventBatch batch;
  std::vector<WatchEvent> events;

  Scene() {
    table.add(1, root);
    table.add(2, sub);
    batch.begin(events);
  }
  std::vector<WatchEvent> take(std::int32_t wd, std::uint32_t mask, std::string_view name = {},
                               std::uint32_t cookie = 0) {
    events.clear();
    batch.begin(events);
    translator.translate({wd, mask, cookie, name}, batch);
    return events;
  }
};

} // namespace

TEST_CASE("inotify translate: the mask sees live writes to unlinked names, and directories only") {
  CHECK((watch_mask & IN_EXCL_UNLINK) == 0);
  CHECK((watch_mask & IN_ONLYDIR) != 0);
  CHECK((watch_mask & (IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE)) == 0);
}

TEST_CASE("inotify translate: hints of an entry") {
  struct Row {
    std::uint32_t mask;
    unsigned hints;
  };
  const auto row = GENERATE(values<Row>({
      {IN_CREATE, WatchEvent::existence},
      {IN_DELETE, WatchEvent::existence},
      {IN_MODIFY, WatchEvent::content},
      {IN_CLOSE_WRITE, WatchEvent::content | WatchEvent::closed},
      {IN_ATTRIB, WatchEvent::attributes},
      {IN_MOVED_FROM, WatchEvent::existence},
      {IN_MOVED_TO | IN_ISDIR, WatchEvent::existence | WatchEvent::is_directory},
      {IN_CREATE | IN_ISDIR, WatchEvent::existence | WatchEvent::is_directory},
      {IN_ATTRIB | IN_ISDIR, WatchEvent::attributes | WatchEvent::is_directory},
  }));
  Scene scene;
  const auto events = scene.take(2, row.mask, "name");
  REQUIRE(events.size() == 1);
  CHECK(events[0].kind == Kind::entry);
  CHECK(events[0].directory == sub);
  CHECK(events[0].name == "name");
  CHECK(events[0].hints == row.hints);
  CHECK(events[0].token == 0);
}

TEST_CASE("inotify translate: moves carry their cookie, other records none") {
  Scene scene;
  CHECK(scene.take(1, IN_MOVED_FROM, "x", 77).at(0).token == 77);
  CHECK(scene.take(2, IN_MOVED_TO, "y", 77).at(0).token == 77);
  CHECK(scene.take(2, IN_MODIFY, "y", 77).at(0).token == 0);
}

TEST_CASE("inotify translate: what happens to a directory itself has no name") {
  Scene scene;
  const auto changed = scene.take(2, IN_ATTRIB | IN_ISDIR);
  REQUIRE(changed.size() == 1);
  CHECK(changed[0].kind == Kind::entry);
  CHECK(changed[0].directory == sub);
  CHECK(changed[0].name.empty());
  CHECK(changed[0].hints == (WatchEvent::attributes | WatchEvent::is_directory));
  for (const std::uint32_t mask : {IN_MOVE_SELF, IN_DELETE_SELF}) {
    const auto events = scene.take(2, mask);
    REQUIRE(events.size() == 1);
    CHECK(events[0].kind == Kind::entry);
    CHECK(events[0].hints == (WatchEvent::existence | WatchEvent::is_directory));
  }
}

TEST_CASE("inotify translate: the end of a watch is told and clears the table") {
  Scene scene;
  const std::uint32_t mask = GENERATE(std::uint32_t{IN_IGNORED}, std::uint32_t{IN_UNMOUNT});
  const auto events = scene.take(2, mask);
  REQUIRE(events.size() == 1);
  CHECK(events[0].kind == Kind::watch_lost);
  CHECK(events[0].directory == sub);
  CHECK_FALSE(scene.table.descriptor_of(sub));
  CHECK(scene.take(2, IN_IGNORED).empty());
  CHECK(scene.take(2, IN_MODIFY, "late").empty());
  CHECK(scene.translator.strangers() == 0);
}

TEST_CASE("inotify translate: the end of an old descriptor says nothing about a directory watched anew") {
  Scene scene;
  scene.table.add(3, sub);
  CHECK(scene.take(2, IN_MODIFY, "x").at(0).directory == sub);
  CHECK(scene.take(2, IN_IGNORED).empty());
  CHECK(scene.table.descriptor_of(sub) == 3);
  CHECK(scene.take(3, IN_IGNORED).at(0).kind == Kind::watch_lost);
}

TEST_CASE("inotify translate: the root's end is told once") {
  Scene scene;
  const std::uint32_t mask =
      GENERATE(std::uint32_t{IN_DELETE_SELF}, std::uint32_t{IN_MOVE_SELF}, std::uint32_t{IN_UNMOUNT});
  auto events = scene.take(1, mask);
  const auto more = scene.take(1, IN_IGNORED);
  events.insert(events.end(), more.begin(), more.end());
  REQUIRE(events.size() == 2);
  CHECK(std::count_if(events.begin(), events.end(),
                      [](const auto& e) { return e.kind == Kind::root_gone; }) == 1);
  CHECK(std::count_if(events.begin(), events.end(),
                      [](const auto& e) { return e.kind == Kind::watch_lost; }) == 1);
  CHECK(events[0].directory == root);
}

TEST_CASE("inotify translate: an overflow means looking at everything again") {
  Scene scene;
  scene.translator.translate({1, IN_MODIFY, 0, "x"}, scene.batch);
  for (unsigned i = 0; i < 2; ++i) scene.translator.translate({-1, IN_Q_OVERFLOW, 0, {}}, scene.batch);
  scene.translator.translate({1, IN_MODIFY, 0, "x"}, scene.batch);
  REQUIRE(scene.events.size() == 4);
  for (const std::size_t i : {1u, 2u}) {
    CHECK(scene.events[i].kind == Kind::rescan);
    CHECK(scene.events[i].recursive);
    CHECK_FALSE(scene.events[i].directory.valid());
  }
  CHECK(scene.translator.overflows() == 2);
}

TEST_CASE("inotify translate: records of removed watches are dropped, of unknown ones never") {
  Scene scene;
  scene.table.add(5, {9, 5});
  scene.table.remove(5);
  CHECK(scene.take(5, IN_CREATE, "x").empty());
  CHECK(scene.take(5, IN_IGNORED).empty());
  for (const std::int32_t stranger : {6, 0x7fffffff, 0, -1, -7}) {
    INFO("descriptor " << stranger);
    const auto events = scene.take(stranger, IN_CREATE, "x");
    REQUIRE(events.size() == 1);
    CHECK(events[0].kind == Kind::rescan);
    CHECK(events[0].recursive);
    CHECK_FALSE(events[0].directory.valid());
  }
  CHECK(scene.translator.strangers() == 5);
}

TEST_CASE("inotify translate: a name that cannot be an entry's makes the directory suspect") {
  Scene scene;
  for (const std::string& name :
       {std::string(".."), std::string("."), std::string("a/b"), std::string(256, 'x')}) {
    const auto events = scene.take(2, IN_CREATE, name);
    REQUIRE(events.size() == 1);
    CHECK(events[0].kind == Kind::rescan);
    CHECK(events[0].directory == sub);
    CHECK_FALSE(events[0].recursive);
  }
}

TEST_CASE("inotify translate: a recorded session of a directory below the root") {
  WatchTable table;
  table.add(1, sub);
  Translator translator(table, root);
  EventBatch batch;
  std::vector<WatchEvent> events;
  batch.begin(events);
  auto rest = osync::test::recorded_bytes();
  RawRecord record;
  std::size_t size = 0;
  for (; decode_record(rest, record, size) == Decoded::record; rest = rest.subspan(size))
    translator.translate(record, batch);
  // sub; a (created, written, closed, moved away); its new name; the directory itself; the end of its watch
  REQUIRE(events.size() == 5);
  CHECK(events[0].name == "sub");
  CHECK(events[1].name == "a");
  CHECK(events[1].hints == (WatchEvent::existence | WatchEvent::content | WatchEvent::closed));
  CHECK(events[1].token != 0);
  CHECK(events[2].name == "a-name-of-17-byt");
  CHECK(events[2].token == events[1].token);
  CHECK(events[3].name.empty());
  CHECK(events[3].hints == (WatchEvent::attributes | WatchEvent::existence | WatchEvent::is_directory));
  CHECK(events[4].kind == Kind::watch_lost);
  CHECK(table.size() == 0);
}
