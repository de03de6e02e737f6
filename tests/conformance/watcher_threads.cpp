// Barriers under load, waking, and calls from several threads.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdio>
#include <memory>
#include <random>
#include <thread>

#include "support/wait.h"
#include "watcher_suite.h"

namespace osync::test {

namespace {

using Kind = WatchEvent::Kind;
using std::chrono::milliseconds;

/// Renames one file from number to number, as fast as it is allowed to, and says how far it has come.
class Renamer {
 public:
  /// Number k is the name k in directory "d" + (k modulo directories). The file of number 0 is made.
  Renamer(const WatchedTree& tree, unsigned directories, std::uint32_t seed) : random_(seed) {
    for (unsigned i = 0; i < directories; ++i) directories_.push_back(tree.path("d" + std::to_string(i)));
    write_file(name_of(0), "x");
    thread_ = std::thread([this] { run(); });
  }
  ~Renamer() { stop(); }
  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  /// The last number whose rename has returned.
  [[nodiscard]] std::uint64_t done() const noexcept { return done_.load(); }
  /// Lets it go on up to this number, so that the kernel's queue does not overflow.
  void allow(std::uint64_t number) noexcept { allowed_.store(number); }
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  [[nodiscard]] std::string name_of(std::uint64_t number) const {
    return (directories_[number % directories_.size()] / std::to_string(number)).string();
  }
  void run() {
    std::uint64_t number = 0;
    while (!stopping_) {
      if (number >= allowed_.load() || random_() % 64 == 0) { // uneven, so that barriers fall in all places
        std::this_thread::yield();
        if (number >= allowed_.load()) continue;
      }
      if (rename(name_of(number).c_str(), name_of(number + 1).c_str()) != 0) {
        failed_ = true;
        return;
      }
      done_.store(++number);
    }
  }

  std::vector<std::filesystem::path> directories_;
  std::mt19937 random_;
  std::atomic<std::uint64_t> done_ = 0;
  std::atomic<std::uint64_t> allowed_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> failed_ = false;
  std::thread thread_;
};

/// Makes the queue busy: one file written by turns at two places.
class Noise {
 public:
  explicit Noise(const WatchedTree& tree)
      : one_(tree.path("d0/noise"), O_CREAT | O_WRONLY), two_(tree.path("d1/noise"), O_CREAT | O_WRONLY),
        thread_([this] { run(); }) {}
  ~Noise() {
    stopping_ = true;
    thread_.join();
  }

 private:
  void run() {
    while (!stopping_)
      for (const int fd : {one_.fd(), two_.fd()})
        if (pwrite(fd, "x", 1, 0) != 1) return;
  }
  OpenFile one_;
  OpenFile two_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

/// Which numbers have been seen as names. A rescan of everything stands for all whose rename may have begun
/// by then.
class SeenNumbers {
 public:
  explicit SeenNumbers(const Renamer& renamer) : renamer_(renamer) {}
  /// Takes events just after they were pulled.
  void take(const WatchEvents& events) {
    for (const WatchEvent& event : events) {
      if (event.kind == Kind::rescan) checked_ = std::max(checked_, renamer_.done() + 2);
      if (event.kind != Kind::entry || event.name.empty() || event.name == "noise") continue;
      const std::uint64_t number = std::stoull(event.name);
      if (number >= seen_.size()) seen_.resize(number + 1);
      seen_[number] = true;
    }
  }
  /// The first number up to `last` that has not been seen; last + 1 where all were.
  std::uint64_t first_missing(std::uint64_t last) {
    while (checked_ <= last && checked_ < seen_.size() && seen_[checked_]) ++checked_;
    return std::min(checked_, last + 1);
  }

 private:
  const Renamer& renamer_;
  std::vector<bool> seen_;
  std::uint64_t checked_ = 1; ///< all before it are seen
};

void check_barriers_under_load(const WatcherKit& kit, std::uint32_t seed, unsigned trials, bool noisy) {
  INFO("seed " << seed << (noisy ? " with noise" : ""));
  WatchedTree tree(kit, {"d0", "d1", "d2"});
  const std::unique_ptr<Noise> noise = noisy ? std::make_unique<Noise>(tree) : nullptr;
  Renamer renamer(tree, 3, seed);
  SeenNumbers seen(renamer);
  std::mt19937 random(seed * 7919);
  renamer.allow(4000);
  std::uint64_t last = 0;
  for (unsigned trial = 0; trial < trials; ++trial) {
    if (random() % 4 == 0) { // sometimes in the middle of taking, sometimes with a backlog in the kernel
      WatchEvents events;
      REQUIRE(tree.watcher().next_batch(milliseconds(0), events).ok());
      seen.take(events);
      REQUIRE(WatchedTree::count(events, Kind::barrier) == 0);
    }
    // At first from one step to the next, so that each barrier has a change of its own to be late or early
    // for.
    if (trial % 2 == 0) wait_until([&] { return renamer.done() > last || renamer.failed(); });
    const std::uint64_t before = renamer.done(); // whatever has returned by now ...
    seen.take(tree.drain());                     // ... is reported before the barrier
    INFO("trial " << trial << ": " << before << " renames had returned");
    REQUIRE(seen.first_missing(before) == before + 1);
    last = before;
    renamer.allow(before + 4000);
  }
  renamer.stop();
  REQUIRE_FALSE(renamer.failed());
}

/// Asks for barriers from a thread of its own, and keeps what had happened before each of them.
class BarrierAsker {
 public:
  BarrierAsker(Watcher& watcher, const Renamer& renamer, std::size_t count, std::uint32_t seed)
      : watcher_(watcher), renamer_(renamer), random_(seed), before_(count), thread_([this] { run(); }) {}
  ~BarrierAsker() {
    stopping_ = true;
    thread_.join();
  }
  /// How many renames had returned when barrier `token` was asked for.
  [[nodiscard]] std::uint64_t before(std::uint64_t token) const { return before_.at(token).load(); }
  void delivered(std::uint64_t token) noexcept { delivered_ = token + 1; }
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  void run() {
    for (std::uint64_t token = 0; token < before_.size() && !stopping_; ++token) {
      while (token > delivered_ + 64 && !stopping_) std::this_thread::yield();
      // A while of any length, so that requests fall into every place of what the puller does.
      for (unsigned turns = random_() % 64; turns > 0; --turns) (void)watcher_.queue_report();
      before_[token] = renamer_.done();
      if (!watcher_.request_barrier(token).ok()) failed_ = true;
    }
  }
  Watcher& watcher_;
  const Renamer& renamer_;
  std::mt19937 random_;
  std::vector<std::atomic<std::uint64_t>> before_;
  std::atomic<std::uint64_t> delivered_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> failed_ = false;
  std::thread thread_;
};

/// The asker's requests fall into reads in progress, whose bytes are in nobody's count.
void check_barriers_of_another_thread(const WatcherKit& kit, std::uint32_t seed, std::uint64_t count) {
  INFO("seed " << seed);
  WatchedTree tree(kit, {"d0", "d1", "d2"});
  Renamer renamer(tree, 3, seed);
  SeenNumbers seen(renamer);
  renamer.allow(4000);
  BarrierAsker asker(tree.watcher(), renamer, count, seed * 31);
  std::uint64_t next = 0;
  std::mt19937 random(seed);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (next < count && std::chrono::steady_clock::now() < deadline) {
    if (random() % 4 != 0) // lets the kernel's queue grow, so that a read takes its time
      wait_until([&] { return tree.watcher().queue_report().queued_bytes > 50'000; }, milliseconds(3));
    WatchEvents events;
    REQUIRE(tree.watcher().next_batch(milliseconds(200), events).ok());
    for (WatchEvent& event : events) {
      if (event.kind != Kind::barrier) {
        seen.take({event});
        continue;
      }
      REQUIRE(event.token == next++);
      const std::uint64_t before = asker.before(event.token);
      INFO("barrier " << event.token << ": " << before << " renames had returned");
      REQUIRE(seen.first_missing(before) == before + 1);
      asker.delivered(event.token);
      renamer.allow(before + 4000);
    }
  }
  CHECK(next == count);
  CHECK_FALSE(asker.failed());
}

} // namespace

void watcher_keeps_barriers(const WatcherKit& kit) {
  SECTION("nothing happened: it comes at once, alone") {
    WatchedTree tree(kit);
    CHECK(tree.drain().empty());
    CHECK(tree.drain().empty());
  }
  SECTION("a barrier asked for while nobody reads waits") {
    WatchedTree tree(kit);
    REQUIRE(tree.watcher().request_barrier(5).ok());
    CHECK(tree.pull_until(5).empty());
  }
  SECTION("barriers come in the order they were asked for, each behind its own changes") {
    WatchedTree tree(kit);
    const ObjectId root = tree.id("");
    for (std::uint64_t i = 1; i <= 500; ++i) {
      OpenFile(tree.path(std::to_string(i)), O_CREAT | O_EXCL | O_WRONLY);
      REQUIRE(tree.watcher().request_barrier(i).ok());
    }
    for (std::uint64_t i = 1; i <= 500; ++i) {
      INFO("barrier " << i);
      REQUIRE(WatchedTree::shows(tree.pull_until(i), root, std::to_string(i), WatchEvent::existence));
    }
  }
  SECTION("a write between two barriers is reported between them, although one before was reported") {
    WatchedTree tree(kit);
    const OpenFile file(tree.path("f"), O_CREAT | O_WRONLY);
    for (std::uint64_t i = 1; i <= 200; ++i) {
      REQUIRE(write(file.fd(), "x", 1) == 1);
      REQUIRE(tree.watcher().request_barrier(2 * i).ok());
      REQUIRE(tree.watcher().request_barrier(2 * i + 1).ok());
    }
    // The kernel merges the writes into the first record as long as that is queued: they show before the
    // first barrier.
    CHECK(WatchedTree::shows(tree.pull_until(2), tree.id(""), "f", WatchEvent::content));
    tree.pull_until(401);
    for (unsigned i = 0; i < 200; ++i) {
      REQUIRE(write(file.fd(), "x", 1) == 1);
      REQUIRE(WatchedTree::shows(tree.drain(), tree.id(""), "f", WatchEvent::content));
    }
  }
  SECTION("under load") {
    for (std::uint32_t seed = 1; seed <= 4; ++seed) check_barriers_under_load(kit, seed, 1000, seed % 2 == 0);
  }
  SECTION("asked for by another thread, under load") {
    for (std::uint32_t seed = 11; seed <= 12; ++seed) check_barriers_of_another_thread(kit, seed, 4000);
  }
}

namespace {

/// A thread that calls next_batch() until the watcher is stopped.
class WaitingPuller {
 public:
  explicit WaitingPuller(Watcher& watcher) : watcher_(watcher), thread_([this] { run(); }) {}
  ~WaitingPuller() {
    watcher_.wake();
    thread_.join();
  }
  /// Waits until the thread sleeps in the kernel.
  [[nodiscard]] bool waits() const {
    return wait_until([&] {
      if (id_ == 0) return false;
      const std::string stat = read_file("/proc/self/task/" + std::to_string(id_) + "/stat"); // proc(5)
      const std::size_t state = stat.rfind(") ");
      return state != std::string::npos && stat.compare(state, 3, ") S") == 0;
    });
  }
  [[nodiscard]] std::size_t barriers() const noexcept { return barriers_; }
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  /// How it ended.
  [[nodiscard]] Code result() const noexcept { return result_; }

 private:
  void run() {
    id_ = gettid();
    Status status;
    while (status.ok()) {
      WatchEvents events;
      status = watcher_.next_batch(milliseconds(60'000), events);
      barriers_ += WatchedTree::count(events, Kind::barrier);
    }
    result_ = status.code();
    ended_ = true;
  }
  Watcher& watcher_;
  std::atomic<pid_t> id_ = 0;
  std::atomic<std::size_t> barriers_ = 0;
  std::atomic<bool> ended_ = false;
  std::atomic<Code> result_ = Code::ok;
  std::thread thread_;
};

void checks_waiting(const WatcherKit& kit) {
  WatchedTree tree(kit);
  WatchEvents events;
  SECTION("waiting in vain is no error") {
    CHECK(tree.watcher().next_batch(milliseconds(0), events).ok());
    CHECK(tree.watcher().next_batch(milliseconds(5), events).ok());
    CHECK(tree.watcher().next_batch(milliseconds(-5), events).ok());
    CHECK(events.empty());
  }
  SECTION("events are appended") {
    events.resize(3);
    OpenFile(tree.path("x"), O_CREAT | O_WRONLY);
    CHECK(tree.watcher().next_batch(milliseconds(1000), events).ok());
    CHECK(events.size() > 3);
  }
  SECTION("starting twice is refused") {
    const OpenFile root(tree.path(""), O_RDONLY | O_DIRECTORY);
    CHECK(tree.watcher().start(root.fd(), tree.id("")).code() == Code::invalid);
    CHECK(tree.drain().empty());
  }
  SECTION("woken before it waits") {
    tree.watcher().wake();
    CHECK(tree.watcher().next_batch(milliseconds::max(), events).code() == Code::closed);
  }
  SECTION("woken while it waits") {
    WaitingPuller puller(tree.watcher());
    REQUIRE(puller.waits());
    tree.watcher().wake();
    CHECK(wait_until([&] { return puller.ended(); }));
    CHECK(puller.result() == Code::closed);
  }
  SECTION("a barrier ends the wait") {
    WaitingPuller puller(tree.watcher());
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 1; i <= 10; ++i) {
      REQUIRE(puller.waits());
      REQUIRE(tree.watcher().request_barrier(i).ok());
      REQUIRE(wait_until([&] { return puller.barriers() == i; }));
    }
    // Each takes microseconds, and none the second after which a waiting watcher may look around by itself.
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  }
}

/// One thread of those that find directories: makes, watches, fills and sometimes removes them again.
void make_directories(WatchedTree& tree, unsigned number, unsigned count, std::vector<ObjectId>& ids,
                      std::atomic<bool>& failed) {
  try {
    for (unsigned i = 0; i < count; ++i) {
      const std::string name = std::to_string(number) + "-" + std::to_string(i);
      std::filesystem::create_directory(tree.path(name));
      tree.watch(name);
      OpenFile(tree.path(name + "/file"), O_CREAT | O_WRONLY);
      ids.push_back(tree.id(name));
      if (i % 3 == 0) tree.watcher().unwatch(ids.back());
      if (i % 5 == 0) std::filesystem::remove_all(tree.path(name));
      if (i % 7 == 0) (void)tree.watcher().queue_report();
    }
  } catch (const std::exception&) {
    failed = true;
  }
}

void checks_watching_from_threads(const WatcherKit& kit) {
  constexpr unsigned threads = 3;
  constexpr unsigned count = 400;
  WatchedTree tree(kit);
  std::vector<ObjectId> ids[threads];
  std::atomic<bool> failed = false;
  std::atomic<unsigned> running = threads;
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < threads; ++i)
    workers.emplace_back([&, i] {
      make_directories(tree, i, count, ids[i], failed);
      --running;
    });
  WatchEvents events;
  bool good = true;
  while (running > 0) good = tree.watcher().next_batch(milliseconds(1), events).ok() && good;
  for (std::thread& worker : workers) worker.join();
  const WatchEvents rest = tree.drain();
  events.insert(events.end(), rest.begin(), rest.end());
  CHECK(good);
  CHECK_FALSE(failed);
  CHECK(WatchedTree::count(events, Kind::rescan) == 0);
  for (const auto& of_thread : ids) {
    REQUIRE(of_thread.size() == count);
    for (unsigned i = 0; i < count; ++i)
      if (i % 3 != 0) REQUIRE(WatchedTree::shows(events, of_thread[i], "file", WatchEvent::existence));
  }
}

/// Directories change at the very moment when they begin to be watched: no event may be taken for a
/// stranger's.
void checks_watching_what_changes(const WatcherKit& kit) {
  constexpr unsigned count = 3000;
  constexpr unsigned changes_ahead = 4000; // of the reader, so that the kernel's queue does not overflow
  WatchedTree tree(kit);
  std::vector<ObjectId> ids;
  for (unsigned i = 0; i < count; ++i) {
    std::filesystem::create_directory(tree.path(std::to_string(i)));
    ids.push_back(tree.id(std::to_string(i)));
  }
  tree.drain();
  std::atomic<unsigned> current = 0;
  std::atomic<bool> failed = false;
  std::atomic<unsigned> changes = 0, allowed = changes_ahead;
  std::thread changer([&] {
    for (unsigned at = current; at < count && !failed; at = current) {
      if (changes >= allowed) {
        std::this_thread::yield();
        continue;
      }
      failed = failed || chmod(tree.path(std::to_string(at)).c_str(), 0700) != 0;
      ++changes;
    }
  });
  std::thread finder([&] {
    for (; current < count && !failed; ++current) {
      const OpenFile directory(tree.path(std::to_string(current)), O_RDONLY | O_DIRECTORY);
      if (!tree.watcher().watch(directory.fd(), ids[current]).ok()) failed = true;
      std::this_thread::yield();
    }
  });
  WatchEvents events;
  bool good = true;
  while (current < count && !failed) {
    const unsigned before = changes;
    const std::size_t had = events.size();
    good = tree.watcher().next_batch(milliseconds(1), events).ok() && good;
    if (events.size() == had) allowed = before + changes_ahead; // everything until then has been read
  }
  changer.join();
  finder.join();
  CHECK(good);
  CHECK_FALSE(failed);
  CHECK(WatchedTree::count(events, Kind::rescan) == 0);
}

} // namespace

void watcher_keeps_to_its_threads(const WatcherKit& kit) {
  SECTION("waiting") { checks_waiting(kit); }
  SECTION("watches from several threads") { checks_watching_from_threads(kit); }
  SECTION("watches of what changes") { checks_watching_what_changes(kit); }
}

} // namespace osync::test
