// watch-inotify: the suite that holds for every watcher, and what is inotify's own: overflow, limits, lost
// watches.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>
#include <memory>

#include "watcher_suite.h"

using namespace osync;
using namespace osync::test;
using Kind = WatchEvent::Kind;

namespace {

const WatcherKit kit{"watch-inotify", {}, {}};

WatcherKit kit_with(OptionValues options) { return {"watch-inotify", std::move(options), {}}; }

/// Another value for a kernel setting, as long as the object lives.
class Sysctl {
 public:
  Sysctl(std::string file, const std::string& value) : file_(std::move(file)), before_(read_file(file_)) {
    changed_ = set(value);
  }
  ~Sysctl() {
    if (changed_) set(before_);
  }
  Sysctl(const Sysctl&) = delete;
  Sysctl& operator=(const Sysctl&) = delete;
  [[nodiscard]] bool changed() const noexcept { return changed_; }

 private:
  bool set(const std::string& value) {
    std::ofstream stream(file_);
    stream << value << std::flush;
    return static_cast<bool>(stream);
  }
  std::string file_;
  std::string before_;
  bool changed_ = false;
};

/// A tree whose watcher has a queue of 128 events (the setting counts when the watcher starts); nothing where
/// this user may not change it.
std::unique_ptr<WatchedTree> tree_with_short_queue(const std::vector<std::string>& directories) {
  const Sysctl limit("/proc/sys/fs/inotify/max_queued_events", "128");
  if (!limit.changed()) {
    WARN("left out: only root may lower fs.inotify.max_queued_events");
    return nullptr;
  }
  return std::make_unique<WatchedTree>(kit, directories);
}

void make_files(const WatchedTree& tree, const std::string& prefix, unsigned count) {
  for (unsigned i = 0; i < count; ++i) OpenFile(tree.path(prefix + std::to_string(i)), O_CREAT | O_WRONLY);
}

unsigned rescans_of_everything(const WatchEvents& events) {
  unsigned found = 0;
  for (const WatchEvent& event : events)
    found += event.kind == Kind::rescan && !event.directory.valid() && event.recursive ? 1 : 0;
  return found;
}

} // namespace

TEST_CASE("watch-inotify: shows every change") { watcher_shows_every_change(kit); }
TEST_CASE("watch-inotify: shows moves") { watcher_shows_moves(kit); }
TEST_CASE("watch-inotify: follows directories") { watcher_follows_directories(kit); }
TEST_CASE("watch-inotify: keeps names") { watcher_keeps_names(kit); }
TEST_CASE("watch-inotify: keeps barriers") { watcher_keeps_barriers(kit); }
TEST_CASE("watch-inotify: keeps to its threads") { watcher_keeps_to_its_threads(kit); }

TEST_CASE("watch-inotify: both ends of a move have the same token") {
  WatchedTree tree(kit, {"d", "e"});
  write_file(tree.path("d/f"), "x");
  tree.drain();
  std::filesystem::rename(tree.path("d/f"), tree.path("e/g"));
  std::uint64_t tokens[2] = {0, 0};
  for (const WatchEvent& event : tree.drain()) {
    if (event.directory == tree.id("d") && event.name == "f") tokens[0] = event.token;
    if (event.directory == tree.id("e") && event.name == "g") tokens[1] = event.token;
  }
  CHECK(tokens[0] != 0);
  CHECK(tokens[0] == tokens[1]);
}

TEST_CASE("watch-inotify: an overflow is told, counted, and over") {
  const auto tree = tree_with_short_queue({"d"});
  if (!tree) return;
  CHECK(tree->watcher().queue_report().capacity_events == 128);
  make_files(*tree, "d/a", 100); // create and close each
  const WatchEvents events = tree->drain();
  CHECK(rescans_of_everything(events) == 1);
  CHECK(tree->watcher().queue_report().overflows == 1);
  CHECK(tree->log().count("fs.inotify.max_queued_events", LogLevel::warning) >= 1);
  CHECK(tree->log().count("overflowed", LogLevel::warning) == 1);

  write_file(tree->path("d/later"), "x");
  const WatchEvents later = tree->drain();
  CHECK(rescans_of_everything(later) == 0);
  CHECK(WatchedTree::shows(later, tree->id("d"), "later", WatchEvent::content));

  make_files(*tree, "d/b", 100);
  CHECK(rescans_of_everything(tree->drain()) == 1);
  CHECK(tree->watcher().queue_report().overflows == 2);
}

TEST_CASE("watch-inotify: watches that ended during an overflow are found") {
  std::vector<std::string> directories = {"stays"};
  for (unsigned i = 0; i < 200; ++i) directories.push_back("gone" + std::to_string(i));
  const auto tree = tree_with_short_queue(directories);
  if (!tree) return;
  std::vector<ObjectId> gone;
  for (unsigned i = 0; i < 200; ++i) gone.push_back(tree->id("gone" + std::to_string(i)));
  for (unsigned i = 0; i < 200; ++i) std::filesystem::remove(tree->path("gone" + std::to_string(i)));
  WatchEvents events = tree->drain();
  REQUIRE(rescans_of_everything(events) == 1);
  REQUIRE(WatchedTree::count(events, Kind::watch_lost) < 200);
  for (unsigned i = 0; i < 50 && WatchedTree::count(events, Kind::watch_lost) < 200; ++i)
    REQUIRE(tree->watcher().next_batch(std::chrono::milliseconds(100), events).ok());
  for (const ObjectId& id : gone)
    CHECK(std::count_if(events.begin(), events.end(), [&](const WatchEvent& event) {
            return event.kind == Kind::watch_lost && event.directory == id;
          }) == 1);
  CHECK(tree->watcher().queue_report().watches == 2);
  write_file(tree->path("stays/f"), "x");
  CHECK(WatchedTree::shows(tree->drain(), tree->id("stays"), "f", WatchEvent::content));
}

TEST_CASE("watch-inotify: warns once when the queue fills up") {
  WatchedTree tree(kit_with({{"queue_warning", std::int64_t{1}}}));
  tree.drain();
  const auto fill = [&](const char* prefix) {
    make_files(tree, prefix, 400); // 800 of 16,384 events, if nobody has changed that
    tree.drain();
  };
  if (tree.watcher().queue_report().capacity_events > 40'000) {
    WARN("left out: fs.inotify.max_queued_events is too large here");
    return;
  }
  const auto warned = [&] { return tree.log().count("% full", LogLevel::warning); };
  for (unsigned i = 0; i < 200 && warned() == 0; ++i) fill(("a" + std::to_string(i) + "-").c_str());
  CHECK(warned() == 1);
}

TEST_CASE("watch-inotify: a batch is bounded, and nothing of the rest is lost") {
  WatchedTree tree(kit_with({{"batch_events", std::int64_t{64}}}));
  for (unsigned i = 0; i < 1000; ++i) REQUIRE(mkfifo(tree.path("p" + std::to_string(i)).c_str(), 0600) == 0);
  WatchEvents all;
  for (unsigned i = 0; i < 1000 && all.size() < 1000; ++i) {
    WatchEvents batch;
    REQUIRE(tree.watcher().next_batch(std::chrono::milliseconds(0), batch).ok());
    REQUIRE(batch.size() <= 64);
    all.insert(all.end(), batch.begin(), batch.end());
  }
  for (unsigned i = 0; i < 1000; ++i)
    REQUIRE(WatchedTree::shows(all, tree.id(""), "p" + std::to_string(i), WatchEvent::existence));
  CHECK(tree.watcher().queue_report().events == 1000);
}

TEST_CASE("watch-inotify: the report counts what is queued and watched") {
  WatchedTree tree(kit, {"d"});
  const WatchQueueReport before = tree.watcher().queue_report();
  CHECK(before.watches == 2);
  CHECK(before.queued_bytes == 0);
  CHECK(before.capacity_events > 0);
  CHECK(before.watch_limit > 0);
  REQUIRE(mkfifo(tree.path("d/p").c_str(), 0600) == 0);
  CHECK(tree.watcher().queue_report().queued_bytes == 32);
  tree.drain();
  CHECK(tree.watcher().queue_report().queued_bytes == 0);
}

TEST_CASE("watch-inotify: an unmounted directory loses its watch") {
  WatchedTree tree(kit, {"m"});
  if (mount("none", tree.path("m").c_str(), "tmpfs", 0, "size=1m") != 0) {
    WARN("left out: only root may mount");
    return;
  }
  ObjectId mounted;
  try {
    tree.watch("m");
    mounted = tree.id("m");
    write_file(tree.path("m/f"), "x");
  } catch (...) {
    umount2(tree.path("m").c_str(), MNT_DETACH);
    throw;
  }
  REQUIRE(umount2(tree.path("m").c_str(), 0) == 0);
  const WatchEvents events = tree.drain();
  INFO(describe(events));
  CHECK(WatchedTree::shows(events, mounted, "f", WatchEvent::content));
  CHECK(std::count_if(events.begin(), events.end(), [&](const WatchEvent& event) {
          return event.kind == Kind::watch_lost && event.directory == mounted;
        }) == 1);
  CHECK(WatchedTree::count(events, Kind::root_gone) == 0);
}

namespace {

/// What the child of the next test found, as its exit code.
enum Found : int {
  all_well = 0,
  no_namespace = 1,
  no_error = 2,
  wrong_error = 3,
  old_watch_dead = 4,
  trouble = 5
};

/// Runs out of watches in a user namespace of its own, where the limit can be lowered without harm to others.
Found exhaust_watches() {
  if (unshare(CLONE_NEWUSER) != 0) return no_namespace;
  std::ofstream limit("/proc/sys/user/max_inotify_watches");
  limit << 10 << std::flush;
  if (!limit) return no_namespace;
  std::vector<std::string> directories;
  for (unsigned i = 0; i < 9; ++i) directories.push_back("d" + std::to_string(i));
  WatchedTree tree(kit, directories);
  if (tree.watcher().queue_report().watch_limit != 10) return wrong_error;
  std::filesystem::create_directory(tree.path("more"));
  const OpenFile more(tree.path("more"), O_RDONLY | O_DIRECTORY);
  const Status status = tree.watcher().watch(more.fd(), tree.id("more"));
  if (status.ok()) return no_error;
  const std::string message(status.message());
  for (const char* part :
       {"fs.inotify.max_user_watches", "user.max_inotify_watches = 10", "osync holds 10", "sysctl -w"})
    if (message.find(part) == std::string::npos) return wrong_error;
  if (status.code() != Code::limit || status.sys_errno() != ENOSPC) return wrong_error;
  OpenFile(tree.path("d8/f"), O_CREAT | O_WRONLY);
  return WatchedTree::shows(tree.drain(), tree.id("d8"), "f", WatchEvent::existence) ? all_well
                                                                                     : old_watch_dead;
}

} // namespace

TEST_CASE("watch-inotify: at the limit of watches, the earlier ones live on") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int found = trouble;
    try {
      found = exhaust_watches();
    } catch (const std::exception&) {
      // reported as trouble
    }
    _exit(found);
  }
  int state = 0;
  REQUIRE(waitpid(child, &state, 0) == child);
  REQUIRE(WIFEXITED(state));
  if (WEXITSTATUS(state) == no_namespace)
    WARN("left out: no user namespaces for this user");
  else
    CHECK(WEXITSTATUS(state) == all_well);
}
