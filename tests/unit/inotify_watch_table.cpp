// The table of watches against an obvious model, by random steps.
#include "watch-inotify/watch_table.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <vector>

using osync::ObjectId;
using osync::inotify::WatchTable;

TEST_CASE("inotify watch table: one watch") {
  WatchTable table;
  const ObjectId a{1, 2};
  CHECK_FALSE(table.directory_of(1));
  CHECK_FALSE(table.descriptor_of(a));
  CHECK_FALSE(table.was_added(1));
  CHECK_FALSE(table.remove(1));
  table.add(1, a);
  CHECK(table.directory_of(1) == a);
  CHECK(table.descriptor_of(a) == 1);
  const auto removed = table.remove(1);
  REQUIRE(removed);
  CHECK(removed->directory == a);
  CHECK(removed->current);
  CHECK(table.was_added(1));
  CHECK_FALSE(table.was_added(2));
  CHECK(table.size() == 0);
}

TEST_CASE("inotify watch table: the newest descriptor of a directory is the current one") {
  WatchTable table;
  const ObjectId a{1, 2};
  table.add(1, a);
  table.add(2, a);
  CHECK(table.descriptor_of(a) == 2);
  CHECK(table.directory_of(1) == a);
  const auto old = table.remove(1);
  REQUIRE(old);
  CHECK_FALSE(old->current);
  CHECK(table.descriptor_of(a) == 2);
}

TEST_CASE("inotify watch table: a descriptor that comes back for another directory stands for that one") {
  WatchTable table;
  const ObjectId a{1, 2};
  const ObjectId b{3, 4};
  table.add(1, a);
  table.add(1, b);
  CHECK(table.directory_of(1) == b);
  CHECK(table.descriptor_of(b) == 1);
  CHECK_FALSE(table.descriptor_of(a));
  CHECK(table.size() == 1);
}

TEST_CASE("inotify watch table: random steps agree with a model") {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    WatchTable table;
    std::map<std::int32_t, ObjectId> directories; // of a descriptor
    std::map<ObjectId, std::int32_t> current;
    std::int32_t next = 1;
    const unsigned growth =
        30 + seed % 50; // percent of the steps that add: some tables grow, others stay small
    for (unsigned step = 0; step < 4000; ++step) {
      const ObjectId id{random() % 3, 1 + random() % 300};
      if (random() % 100 < growth) {
        const bool again = !directories.empty() && random() % 4 == 0;
        const std::int32_t wd =
            again ? std::next(directories.begin(), random() % directories.size())->first : next++;
        if (const auto old = directories.find(wd); old != directories.end() && old->second != id)
          if (const auto found = current.find(old->second); found != current.end() && found->second == wd)
            current.erase(found);
        directories[wd] = id;
        current[id] = wd;
        table.add(wd, id);
      } else if (!directories.empty()) {
        const auto victim = std::next(directories.begin(), random() % directories.size());
        const bool was_current = current.contains(victim->second) && current[victim->second] == victim->first;
        const auto removed = table.remove(victim->first);
        REQUIRE(removed);
        REQUIRE(removed->directory == victim->second);
        REQUIRE(removed->current == was_current);
        if (was_current) current.erase(victim->second);
        directories.erase(victim);
      }
      REQUIRE(table.size() == directories.size());
      const auto found = current.find(id);
      REQUIRE(table.descriptor_of(id) ==
              (found == current.end() ? std::nullopt : std::optional(found->second)));
    }
    for (std::int32_t wd = 1; wd < next; ++wd) {
      const auto found = directories.find(wd);
      REQUIRE(table.directory_of(wd) ==
              (found == directories.end() ? std::nullopt : std::optional(found->second)));
      REQUIRE(table.was_added(wd));
    }
    for (const auto& [id, wd] : current) REQUIRE(table.descriptor_of(id) == wd);
    while (!directories.empty()) {
      REQUIRE(table.remove(directories.begin()->first));
      directories.erase(directories.begin());
    }
    REQUIRE(table.memory_bytes() < 2048);
  }
}

TEST_CASE("inotify watch table: at most 64 bytes a watch, whatever their number") {
  WatchTable table;
  std::mt19937_64 random(5);
  for (std::int32_t wd = 1; wd <= 120'000; ++wd) {
    table.add(wd, {random(), random()});
    if (wd > 1000 && wd % 97 == 0) REQUIRE(table.memory_bytes() <= 64 * table.size());
  }
}
