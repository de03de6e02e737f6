// Merging within a batch: what is merged, and what must never be.
#include "watch-inotify/event_batch.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>
#include <vector>

using osync::ObjectId;
using osync::WatchEvent;
using osync::inotify::EventBatch;
using Kind = osync::WatchEvent::Kind;

namespace {
const ObjectId a{1, 1};
const ObjectId b{1, 2};
} // namespace

TEST_CASE("inotify batch: 100,000 writes are one event with all hints") {
  EventBatch batch;
  std::vector<WatchEvent> events;
  batch.begin(events);
  for (unsigned i = 0; i < 100'000; ++i) {
    batch.entry(a, "log", WatchEvent::content, 0);
    batch.entry(a, "other", WatchEvent::content, 0);
  }
  batch.entry(a, "log", WatchEvent::content | WatchEvent::closed, 0);
  REQUIRE(events.size() == 2);
  CHECK(events[0].directory == a);
  CHECK(events[0].name == "log");
  CHECK(events[0].hints == (WatchEvent::content | WatchEvent::closed));
  CHECK(events[1].hints == WatchEvent::content);
}

TEST_CASE("inotify batch: other directories, names and kinds stay apart") {
  EventBatch batch;
  std::vector<WatchEvent> events;
  batch.begin(events);
  batch.entry(a, "x", WatchEvent::content, 0);
  batch.entry(b, "x", WatchEvent::content, 0);
  batch.entry(a, "", WatchEvent::attributes, 0);
  batch.watch_lost(a);
  batch.watch_lost(a);
  CHECK(events.size() == 5);
}

TEST_CASE("inotify batch: nothing is merged across a fence") {
  EventBatch batch;
  std::vector<WatchEvent> events;
  batch.begin(events);
  const auto fence = GENERATE(Kind::barrier, Kind::rescan, Kind::root_gone);
  batch.entry(a, "x", WatchEvent::content, 0);
  if (fence == Kind::barrier) batch.barrier(7);
  if (fence == Kind::rescan) batch.rescan({}, true);
  if (fence == Kind::root_gone) batch.root_gone(a);
  batch.entry(a, "x", WatchEvent::existence, 0);
  batch.entry(a, "x", WatchEvent::content, 0);
  REQUIRE(events.size() == 3);
  CHECK(events[0].hints == WatchEvent::content);
  CHECK(events[1].kind == fence);
  CHECK(events[2].hints == (WatchEvent::existence | WatchEvent::content));
}

TEST_CASE("inotify batch: rescans and barriers are never merged away") {
  EventBatch batch;
  std::vector<WatchEvent> events;
  batch.begin(events);
  batch.rescan({}, true);
  batch.rescan({}, true);
  batch.barrier(5);
  batch.barrier(5);
  REQUIRE(events.size() == 4);
  CHECK(events[1].kind == Kind::rescan);
  CHECK(events[1].recursive);
  CHECK_FALSE(events[1].directory.valid());
  CHECK(events[3].token == 5);
}

TEST_CASE("inotify batch: both ends of a move keep its token") {
  EventBatch batch;
  std::vector<WatchEvent> events;
  batch.begin(events);
  batch.entry(a, "x", WatchEvent::content, 0);
  batch.entry(a, "x", WatchEvent::existence, 11); // joins what is known of x
  batch.entry(b, "y", WatchEvent::existence, 11);
  batch.entry(a, "x", WatchEvent::existence, 12); // another move of that name
  batch.entry(a, "x", WatchEvent::content, 0);
  REQUIRE(events.size() == 3);
  CHECK(events[0].token == 11);
  CHECK(events[1].token == 11);
  CHECK(events[2].token == 12);
  CHECK(events[2].hints == (WatchEvent::existence | WatchEvent::content));
}

TEST_CASE("inotify batch: each batch begins anew behind what was there") {
  EventBatch batch;
  std::vector<WatchEvent> events;
  batch.begin(events);
  batch.entry(a, "x", WatchEvent::content, 0);
  batch.begin(events);
  batch.entry(a, "x", WatchEvent::closed, 0);
  REQUIRE(events.size() == 2);
  std::vector<WatchEvent> others;
  batch.begin(others);
  batch.entry(a, "x", WatchEvent::attributes, 0);
  REQUIRE(others.size() == 1);
  CHECK(others[0].hints == WatchEvent::attributes);
}

TEST_CASE("inotify batch: random events lose no hint") {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    EventBatch batch;
    std::vector<WatchEvent> events;
    batch.begin(events);
    std::vector<std::map<std::pair<ObjectId, std::string>, unsigned>> expected(
        1); // one map between two fences
    for (unsigned i = 0; i < 3000; ++i) {
      const ObjectId directory{0, 1 + random() % 20};
      const std::string name = std::to_string(random() % 60);
      const auto hints = static_cast<std::uint8_t>(1u << (random() % 5));
      batch.entry(directory, name, hints, random() % 8 == 0 ? 1 + random() % 5 : 0);
      expected.back()[{directory, name}] |= hints;
      if (random() % 500 == 0) {
        batch.barrier(i);
        expected.emplace_back();
      }
    }
    std::vector<std::map<std::pair<ObjectId, std::string>, unsigned>> seen(1);
    for (const WatchEvent& event : events) {
      if (event.kind == Kind::barrier)
        seen.emplace_back();
      else
        seen.back()[{event.directory, event.name}] |= event.hints;
    }
    REQUIRE(seen == expected);
  }
}
