// Directories: those that come and go, what happens to themselves, and their watches.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "watcher_suite.h"

namespace osync::test {

namespace {

using Kind = WatchEvent::Kind;

bool lost(const WatchEvents& events, const ObjectId& directory) {
  for (const WatchEvent& event : events)
    if (event.kind == Kind::watch_lost && event.directory == directory) return true;
  return false;
}

void checks_appearing(WatchedTree& tree) {
  SECTION("mkdir -p shows at its top, and below once that is watched") {
    std::filesystem::create_directories(tree.path("d/one/two/three"));
    CHECK(WatchedTree::shows(tree.drain(), tree.id("d"), "one",
                             WatchEvent::existence | WatchEvent::is_directory));
    tree.watch("d/one");
    write_file(tree.path("d/one/two/three/file"), "x");
    CHECK(WatchedTree::shows(tree.drain(), tree.id("d/one/two/three"), "file", WatchEvent::content));
  }
  SECTION("rmdir shows in the parent, and ends the watch") {
    std::filesystem::create_directory(tree.path("d/gone"));
    tree.watch("d/gone");
    tree.drain();
    const ObjectId gone = tree.id("d/gone");
    std::filesystem::remove(tree.path("d/gone"));
    const WatchEvents events = tree.drain();
    INFO(describe(events));
    CHECK(WatchedTree::shows(events, tree.id("d"), "gone", WatchEvent::existence));
    if (tree.watcher().needs_directory_watches()) CHECK(lost(events, gone));
  }
  SECTION("a directory that replaces another is reported as itself") {
    for (unsigned i = 0; i < 50; ++i) {
      std::filesystem::create_directory(tree.path("d/again"));
      tree.watch("d/again");
      const ObjectId now = tree.id("d/again");
      write_file(tree.path("d/again/file"), "x");
      std::filesystem::remove_all(tree.path("d/again"));
      REQUIRE(WatchedTree::shows(tree.drain(), now, "file", WatchEvent::existence));
    }
  }
  SECTION("rename over an empty directory ends its watch") {
    const ObjectId victim = tree.id("e");
    REQUIRE(rename(tree.path("d").c_str(), tree.path("e").c_str()) == 0);
    const WatchEvents events = tree.drain();
    CHECK(WatchedTree::shows(events, tree.id(""), "d", WatchEvent::existence));
    CHECK(WatchedTree::shows(events, tree.id(""), "e", WatchEvent::existence));
    if (tree.watcher().needs_directory_watches()) CHECK(lost(events, victim));
  }
}

void checks_own_changes(WatchedTree& tree) {
  SECTION("attributes of a directory show in it or in its parent") {
    REQUIRE(chmod(tree.path("d").c_str(), 0711) == 0);
    const WatchEvents events = tree.drain();
    CHECK((WatchedTree::shows(events, tree.id("d"), "", WatchEvent::attributes) ||
           WatchedTree::shows(events, tree.id(""), "d", WatchEvent::attributes)));
  }
  SECTION("attributes of the root show in itself") {
    REQUIRE(chmod(tree.path("").c_str(), 0711) == 0);
    CHECK(WatchedTree::shows(tree.drain(), tree.id(""), "", WatchEvent::attributes));
  }
}

void checks_root(WatchedTree& tree) {
  const bool removed = GENERATE(true, false);
  if (removed)
    std::filesystem::remove_all(tree.path(""));
  else
    std::filesystem::rename(tree.path(""), tree.outside("elsewhere"));
  WatchEvents events;
  // A root that is held open is noticed by asking, so it may come some time after the barrier.
  for (unsigned i = 0; i < 100 && WatchedTree::count(events, Kind::root_gone) == 0; ++i)
    REQUIRE(tree.watcher().next_batch(std::chrono::milliseconds(200), events).ok());
  CHECK(WatchedTree::count(events, Kind::root_gone) == 1);
}

void checks_watches(WatchedTree& tree) {
  const OpenFile directory(tree.path("d"), O_RDONLY | O_DIRECTORY);
  const ObjectId id = tree.id("d");
  Watcher& watcher = tree.watcher();
  const std::uint64_t watches = watcher.queue_report().watches;
  SECTION("watching again changes nothing, also after a move") {
    REQUIRE(watcher.watch(directory.fd(), id).ok());
    std::filesystem::rename(tree.path("d"), tree.path("e/d"));
    REQUIRE(watcher.watch(directory.fd(), id).ok());
    CHECK(watcher.queue_report().watches == watches);
    write_file(tree.path("e/d/file"), "x");
    CHECK(WatchedTree::shows(tree.drain(), id, "file", WatchEvent::content));
  }
  SECTION("after unwatch there is silence, and watching goes on when asked again") {
    write_file(tree.path("d/before"), "x"); // still queued when the watch ends: may come or not
    watcher.unwatch(id);
    watcher.unwatch(id);
    CHECK(watcher.queue_report().watches == watches - 1);
    tree.drain();
    write_file(tree.path("d/file"), "x");
    const WatchEvents silent = tree.drain();
    INFO(describe(silent));
    for (const WatchEvent& event : silent) CHECK(event.directory != id);
    CHECK(WatchedTree::count(silent, Kind::rescan) == 0);
    REQUIRE(watcher.watch(directory.fd(), id).ok());
    write_file(tree.path("d/file"), "y");
    CHECK(WatchedTree::shows(tree.drain(), id, "file", WatchEvent::content));
  }
  SECTION("what ends the old watch says nothing about the new one") {
    watcher.unwatch(id);
    REQUIRE(watcher.watch(directory.fd(), id).ok());
    const WatchEvents events = tree.drain();
    CHECK(WatchedTree::count(events, Kind::watch_lost) == 0);
  }
  SECTION("what cannot be watched is refused") {
    write_file(tree.path("file"), "x");
    const OpenFile file(tree.path("file"), O_RDONLY);
    CHECK_FALSE(watcher.watch(file.fd(), {7, 7}).ok());
    CHECK(watcher.watch(directory.fd(), {}).code() == Code::invalid);
    CHECK(watcher.queue_report().watches == watches);
  }
}

} // namespace

void watcher_follows_directories(const WatcherKit& kit) {
  WatchedTree tree(kit, {"d", "e"});
  SECTION("appearing and going") { checks_appearing(tree); }
  SECTION("its own changes") { checks_own_changes(tree); }
  SECTION("the root's end") { checks_root(tree); }
  if (tree.watcher().needs_directory_watches()) {
    SECTION("watches") { checks_watches(tree); }
  }
}

} // namespace osync::test
