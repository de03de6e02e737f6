// The worker threads, the payload buffers, and the table of open things.
#include "reader_fixture.h"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <set>
#include <thread>

#include "source/job_pool.h"
#include "source/reader_payload.h"
#include "source/reader_table.h"
#include "support/wait.h"

namespace osync::source {
namespace {

using engine::SourceJob;
using engine::SourceJobResult;

/// A gate that jobs wait at.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    opened_.wait(lock, [this] { return open_; });
    --waiting_;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  [[nodiscard]] int waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
  int waiting_ = 0;
};

/// Results in the order of delivery.
class Results {
 public:
  void add(SourceJobResult result) {
    const std::lock_guard lock(mutex_);
    ids_.push_back(std::visit([](const auto& one) { return one.id; }, result));
  }
  [[nodiscard]] std::vector<engine::JobId> ids() {
    const std::lock_guard lock(mutex_);
    return ids_;
  }

 private:
  std::mutex mutex_;
  std::vector<engine::JobId> ids_;
};

SourceJob sweep(engine::JobId id) { return engine::SweepJob{id, {}}; }
std::optional<SourceJobResult> swept(const SourceJob& job) {
  engine::SweepResult result;
  result.id = std::get<engine::SweepJob>(job).id;
  return result;
}

} // namespace

TEST_CASE("job pool: every job is delivered once, and jobs without a result nothing") {
  Results results;
  JobPool pool(
      [](const SourceJob& job) -> std::optional<SourceJobResult> {
        if (std::holds_alternative<engine::CloseCursorJob>(job)) return std::nullopt;
        return swept(job);
      },
      [&](SourceJobResult result) { results.add(std::move(result)); }, 3, 1000);
  for (engine::JobId id = 1; id <= 500; ++id) {
    REQUIRE(pool.submit(sweep(id), id % 2 == 0 ? JobPriority::live : JobPriority::backlog));
    REQUIRE(pool.submit(engine::CloseCursorJob{id}, JobPriority::live));
  }
  CHECK(test::wait_until([&] { return results.ids().size() == 500; }));
  pool.stop();
  const auto ids = results.ids();
  CHECK(std::set<engine::JobId>(ids.begin(), ids.end()).size() == 500);
}

TEST_CASE("job pool: backlog never takes the last worker, so that a live job runs at once") {
  const unsigned workers = GENERATE(2u, 4u);
  Gate gate;
  Results results;
  JobPool pool(
      [&](const SourceJob& job) {
        if (std::get<engine::SweepJob>(job).id < 100) gate.pass();
        return swept(job);
      },
      [&](SourceJobResult result) { results.add(std::move(result)); }, workers, 10);
  for (engine::JobId id = 1; id <= 8; ++id) REQUIRE(pool.submit(sweep(id), JobPriority::backlog));
  REQUIRE(test::wait_until([&] { return gate.waiting() == static_cast<int>(workers) - 1; }));
  for (engine::JobId id = 100; id < 150; ++id) {
    REQUIRE(pool.submit(sweep(id), JobPriority::live));
    REQUIRE(test::wait_until([&] { return results.ids().size() == id - 99; }));
  }
  CHECK(gate.waiting() == static_cast<int>(workers) - 1);
  gate.open();
  CHECK(test::wait_until([&] { return results.ids().size() == 58; }));
}

TEST_CASE("job pool: one worker does everything, live jobs first, each class in order") {
  Gate gate;
  Results results;
  JobPool pool(
      [&](const SourceJob& job) {
        if (std::get<engine::SweepJob>(job).id == 1) gate.pass();
        return swept(job);
      },
      [&](SourceJobResult result) { results.add(std::move(result)); }, 1, 3);
  REQUIRE(pool.submit(sweep(1), JobPriority::backlog));
  REQUIRE(test::wait_until([&] { return gate.waiting() == 1; }));
  for (const engine::JobId id : {2, 3, 4}) REQUIRE(pool.submit(sweep(id), JobPriority::backlog));
  CHECK(pool.full(JobPriority::backlog));
  SourceJob refused = sweep(5);
  CHECK_FALSE(pool.submit(std::move(refused), JobPriority::backlog));
  CHECK(std::get<engine::SweepJob>(refused).id == 5);
  CHECK_FALSE(pool.full(JobPriority::live)); // a full backlog leaves room for live jobs
  for (const engine::JobId id : {10, 11}) REQUIRE(pool.submit(sweep(id), JobPriority::live));
  gate.open();
  REQUIRE(test::wait_until([&] { return results.ids().size() == 6; }));
  CHECK(results.ids() == std::vector<engine::JobId>{1, 10, 11, 2, 3, 4});
}

TEST_CASE("job pool: stop finishes what runs, drops what waits, and takes nothing more") {
  Gate gate;
  Results results;
  JobPool pool(
      [&](const SourceJob& job) {
        gate.pass();
        return swept(job);
      },
      [&](SourceJobResult result) { results.add(std::move(result)); }, 2, 10);
  REQUIRE(pool.submit(sweep(1), JobPriority::backlog));
  REQUIRE(test::wait_until([&] { return gate.waiting() == 1; }));
  REQUIRE(pool.submit(sweep(2), JobPriority::backlog));
  std::thread opener([&] { // once stop() has begun
    static_cast<void>(test::wait_until([&] { return pool.full(JobPriority::live); }));
    gate.open();
  });
  pool.stop();
  opener.join();
  CHECK(results.ids() == std::vector<engine::JobId>{1});
  CHECK_FALSE(pool.submit(sweep(3), JobPriority::live));
  pool.stop();
}

TEST_CASE("job pool: a reader serves several workers, whose threads have names") {
  test::TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  for (int d = 0; d < 20; ++d)
    for (int f = 0; f < 20; ++f)
      test::write_file(directory / (std::to_string(d) + "/" + std::to_string(f)), std::string(3'000, 'x'));
  std::atomic<int> files{0}, bad{0}, unnamed{0};
  JobPool pool(
      [&](const SourceJob& job) {
        char name[16] = {};
        pthread_getname_np(pthread_self(), name, sizeof name);
        if (std::strncmp(name, "osync-read-", 11) != 0) ++unnamed;
        return on.reader().run(job);
      },
      [&](SourceJobResult result) {
        const auto& read = std::get<engine::ReadResult>(result);
        if (!read.status.ok() || !read.end) ++bad;
        for (const auto& entry : read.entries)
          if (entry.outcome != engine::EntryRead::Outcome::ready || entry.operation.length != 3'000) ++bad;
        files += static_cast<int>(read.entries.size());
      },
      4, 100);
  for (int d = 0; d < 20; ++d)
    REQUIRE(pool.submit(on.scan_job(on.ref(std::to_string(d)), engine::ScanMode::transfer),
                        d % 2 == 0 ? JobPriority::live : JobPriority::backlog));
  CHECK(test::wait_until([&] { return files == 400; }));
  pool.stop();
  CHECK(bad == 0);
  CHECK(unnamed == 0);
  CHECK(on.reader().idle_buffers() <= 4);
}

TEST_CASE("payload pool: buffers come back from any thread, and a bounded number is kept") {
  Buffer outliving;
  {
    const auto pool = PayloadPool::make(1000, 2);
    std::vector<Buffer> buffers;
    for (int i = 0; i < 5; ++i) buffers.push_back(pool->share(pool->take(), 10));
    CHECK(pool->idle() == 0);
    Buffer copy = buffers[0];
    std::thread([&] { buffers.clear(); }).join();
    CHECK(pool->idle() == 2);
    auto taken = pool->take();
    CHECK(pool->idle() == 1);
    copy = {};
    CHECK(pool->idle() == 2);
    outliving = pool->share(std::move(taken), 10);
  }
  CHECK(outliving.size() == 10); // the pool lives as long as its buffers
}

TEST_CASE("payload writer: small contents are copied out, larger ones keep the buffer") {
  const auto pool = PayloadPool::make(1000, 4);
  PayloadWriter writer(*pool, 100);
  CHECK(writer.finish().empty());
  CHECK(pool->idle() == 0);
  const auto put = [&](char byte, std::size_t size) {
    const auto space = writer.space();
    std::memset(space.data(), byte, size);
    writer.commit(size);
  };
  put('a', 50);
  put('b', 49);
  CHECK(writer.space().size() == 901);
  const Buffer small = writer.finish();
  CHECK(text_of(small, 0, 99) == std::string(50, 'a') + std::string(49, 'b'));
  put('c', 100);
  const Buffer large = writer.finish();
  CHECK(text_of(small, 0, 1) == "a"); // not the same memory
  CHECK(text_of(large, 0, 100) == std::string(100, 'c'));
  CHECK(writer.used() == 0);
}

TEST_CASE("table: items are lent, kept or closed, and numbers are never used twice") {
  Table<int> table(2);
  auto first = table.reserve();
  REQUIRE(first.valid());
  first.set(std::make_unique<int>(1));
  const auto number = first.keep();
  {
    auto lent = table.take(number);
    REQUIRE(lent.valid());
    CHECK(*lent.item() == 1);
    CHECK_FALSE(table.take(number).valid()); // lent to somebody else
    auto second = table.reserve();
    CHECK(second.valid());
    CHECK_FALSE(table.reserve().valid()); // full
    CHECK(lent.keep() == number);
  }
  CHECK(table.size() == 1);
  { const auto dropped = table.take(number); }
  CHECK(table.size() == 0);
  auto third = table.reserve();
  third.set(std::make_unique<int>(3));
  CHECK(third.keep() > number);
}

} // namespace osync::source
