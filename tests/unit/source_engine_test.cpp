// The source engine by hand, without a model of a file system: what it asks for and says in single situations.
#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "engine/source_engine.h"

using namespace osync;
using namespace osync::engine;

namespace {

class LiveFirst final : public Policy {
 public:
  PolicyChoice choose(const PolicyView& view) noexcept override {
    return {view.live.items > 0 ? WorkClass::live : WorkClass::backlog, 1u << 20};
  }
};

/// Feeds a SourceEngine and keeps what comes out of it.
class Source {
 public:
  static constexpr ObjectId root{7, 1};
  static constexpr Uuid replica{2};

  static SourceSettings settings() {
    SourceSettings made;
    made.pipeline = "photos";
    made.replica = "mirror1";
    made.build = "0.1.0";
    made.source = {1};
    return made;
  }
  explicit Source(SourceSettings with = settings()) : engine(std::move(with), root, policy, rules) {}

  void collect() {
    SourceOutputs taken = engine.take_outputs();
    for (auto& job : taken.jobs) jobs.push_back(std::move(job.job));
    for (auto& message : taken.messages) messages.push_back(std::move(message));
    barriers.insert(barriers.end(), taken.barriers.begin(), taken.barriers.end());
    flushed.insert(flushed.end(), taken.flushed.begin(), taken.flushed.end());
  }
  void pass(Time time = std::chrono::milliseconds(1)) {
    now += time;
    engine.advance(now);
    collect();
  }
  void receive(SinkMessage message) {
    engine.received(std::move(message), now);
    pass();
  }
  void register_sink(std::uint32_t version = protocol_version, const std::string& pipeline = "photos") {
    engine.connected(now);
    Register message;
    message.version = version;
    message.build = "0.2.0";
    message.pipeline = pipeline;
    message.replica_name = "mirror1";
    receive(message);
  }
  void ready(bool empty = true, std::uint64_t window = 1u << 20) {
    register_sink();
    Ready message;
    message.session = last<Welcome>().session;
    message.identity = {{1}, replica, 1};
    message.window = window;
    message.empty = empty;
    session = message.session;
    receive(message);
  }
  void applied(std::uint64_t sequence, std::uint64_t durable = 0, std::vector<WireFailure> failures = {}) {
    receive(Acknowledge{session, sequence, sequence, durable, std::move(failures)});
  }

  /// The oldest job of the kind that is not answered; the test fails without one.
  template <class Job>
  Job take() {
    const auto found = std::find_if(jobs.begin(), jobs.end(), [](const SourceJob& job) { return std::holds_alternative<Job>(job); });
    REQUIRE(found != jobs.end());
    Job job = std::get<Job>(std::move(*found));
    jobs.erase(found);
    return job;
  }
  template <class Job>
  [[nodiscard]] bool asks_for() const {
    return std::any_of(jobs.begin(), jobs.end(), [](const SourceJob& job) { return std::holds_alternative<Job>(job); });
  }
  template <class Message>
  [[nodiscard]] std::vector<Message> all() const {
    std::vector<Message> found;
    for (const SourceMessage& message : messages)
      if (const auto* wanted = std::get_if<Message>(&message)) found.push_back(*wanted);
    return found;
  }
  template <class Message>
  [[nodiscard]] Message last() const {
    const auto found = all<Message>();
    return found.empty() ? Message() : found.back();
  }
  /// "directory: kind name, ..." of all groups sent.
  [[nodiscard]] std::vector<std::string> sent() const {
    std::vector<std::string> lines;
    for (const Frame& frame : all<Frame>())
      for (const StreamItem& item : frame.items)
        if (const auto* group = std::get_if<OperationGroup>(&item))
          for (const Operation& operation : group->operations)
            lines.push_back(std::to_string(static_cast<int>(operation.kind)) + " " + group->directory + "/" + operation.name);
    return lines;
  }

  static EntryRead file(const std::string& name, std::uint64_t mtime = 1) {
    EntryRead read;
    read.operation.kind = OperationKind::put_file;
    read.operation.name = name;
    read.operation.attributes.type = FileType::regular;
    read.operation.attributes.mtime.seconds = static_cast<std::int64_t>(mtime);
    return read;
  }
  static EntryRead directory(const std::string& name, std::uint64_t number) {
    EntryRead read = file(name);
    read.operation.kind = OperationKind::make_directory;
    read.operation.attributes.type = FileType::directory;
    read.id = {7, number};
    return read;
  }
  static EntryRead absent(const std::string& name) {
    EntryRead read = file(name);
    read.outcome = EntryRead::Outcome::absent;
    return read;
  }
  /// Answers the oldest scan in mode transfer.
  void scanned(std::vector<EntryRead> entries, Status status = {}) {
    ReadResult result;
    result.id = take<ScanJob>().id;
    result.status = std::move(status);
    result.entries = std::move(entries);
    engine.job_done(std::move(result), now);
    pass();
  }
  /// Answers the oldest look.
  ReadJob looked(std::vector<EntryRead> entries, Status status = {}) {
    ReadJob job = take<ReadJob>();
    ReadResult result;
    result.id = job.id;
    result.status = std::move(status);
    result.entries = std::move(entries);
    engine.job_done(std::move(result), now);
    pass();
    return job;
  }
  void changed(const ObjectId& where, const std::string& name,
               std::uint8_t hints = WatchEvent::existence | WatchEvent::closed) {
    WatchEvent event;
    event.directory = where;
    event.name = name;
    event.hints = hints;
    engine.watched(event, now);
    pass();
  }
  void barrier_passed() {
    REQUIRE_FALSE(barriers.empty());
    WatchEvent event;
    event.kind = WatchEvent::Kind::barrier;
    event.token = barriers.front();
    barriers.erase(barriers.begin());
    engine.watched(event, now);
    pass();
  }
  void all_barriers_pass() {
    while (!barriers.empty()) barrier_passed();
  }

  LiveFirst policy;
  Rules rules;
  Time now{std::chrono::seconds(100)};
  SourceEngine engine;
  std::uint64_t session = 0;
  std::vector<SourceJob> jobs;
  std::vector<SourceMessage> messages;
  std::vector<std::uint64_t> barriers, flushed;
};

} // namespace

TEST_CASE("source engine: another protocol version or pipeline is refused by name", "[source_engine]") {
  Source source;
  source.register_sink(protocol_version + 1);
  CHECK_THAT(source.last<Refuse>().reason, Catch::Contains("protocol version 2 (osync 0.2.0)") && Catch::Contains("1 (osync 0.1.0)"));
  source.register_sink(protocol_version, "films");
  CHECK_THAT(source.last<Refuse>().reason, Catch::Contains("\"films\""));
  CHECK(source.all<Welcome>().empty());
  CHECK(source.engine.exit() == Exit::running);
}

TEST_CASE("source engine: nothing is sent before READY, and then at once", "[source_engine]") {
  Source source;
  source.register_sink();
  CHECK_FALSE(source.asks_for<ScanJob>());
  source.ready();
  source.scanned({Source::file("a")});
  CHECK(source.sent() == std::vector<std::string>{"0 /a"});
}

TEST_CASE("source engine: credit is respected, and live changes go before the backlog", "[source_engine]") {
  Source source;
  source.ready(true, 64);
  source.scanned({Source::file("a")}); // uses up the window
  REQUIRE(source.sent().size() == 1);
  source.pass();
  source.changed(Source::root, "b");
  source.looked({Source::file("b")});
  CHECK(source.sent().size() == 1);
  source.applied(1);
  CHECK(source.sent() == std::vector<std::string>{"0 /a", "0 /b"});
}

TEST_CASE("source engine: a flush is reached when all before it is durable", "[source_engine]") {
  Source source;
  source.ready();
  source.scanned({});
  source.all_barriers_pass();
  source.changed(Source::root, "a");
  source.engine.flush(5, source.now);
  source.pass();
  source.all_barriers_pass();
  source.looked({Source::file("a")});
  const std::uint64_t sequence = source.engine.status(source.now).sequence;
  source.applied(sequence);
  CHECK(source.flushed.empty());
  CHECK(source.last<SyncRequest>().sequence == sequence);
  source.applied(sequence, sequence);
  CHECK(source.flushed == std::vector<std::uint64_t>{5});
}

TEST_CASE("source engine: a flush waits for what is sent again because what it built on was missing", "[source_engine]") {
  Source source;
  source.ready();
  source.scanned({});
  source.changed(Source::root, "a");
  source.engine.flush(5, source.now);
  source.pass();
  source.all_barriers_pass();
  source.looked({Source::file("a")});
  const std::uint64_t sequence = source.engine.status(source.now).sequence;
  source.applied(sequence, sequence, {{sequence, 0, Status(Code::stale, "nothing to link to")}});
  CHECK(source.flushed.empty());
  source.looked({Source::file("a")});
  source.applied(sequence + 1, sequence + 1);
  CHECK(source.flushed == std::vector<std::uint64_t>{5});
}

TEST_CASE("source engine: a failure is listed, tried again after a delay, and cleared", "[source_engine]") {
  Source source;
  source.ready();
  source.scanned({Source::file("a")});
  source.applied(1, 0, {{1, 0, Status(Code::denied, "no")}});
  REQUIRE(source.engine.failures().size() == 1);
  CHECK(source.engine.failures()[0].path == "a");
  CHECK_FALSE(source.asks_for<ReadJob>());
  source.pass(std::chrono::seconds(3));
  source.looked({Source::file("a")});
  source.applied(source.engine.status(source.now).sequence);
  CHECK(source.engine.failures().empty());
}

TEST_CASE("source engine: failures of a directory that is gone do no harm", "[source_engine]") {
  Source source;
  source.ready();
  source.scanned({Source::directory("d", 9)});
  source.scanned({Source::file("x")});
  const std::uint64_t sequence = source.engine.status(source.now).sequence;
  source.changed(Source::root, "d", WatchEvent::existence | WatchEvent::is_directory);
  source.looked({Source::absent("d")}); // detached, until a barrier shows that it is gone
  source.applied(sequence, 0, {{sequence, 0, Status(Code::io, "bad disk")}, {sequence, group_failure, Status(Code::io, "bad disk")}});
  CHECK(source.engine.failures().empty());
  CHECK(source.engine.exit() == Exit::running);
}

TEST_CASE("source engine: what is pending in a vanished directory does not hold up a flush", "[source_engine]") {
  Source source;
  source.ready();
  source.scanned({Source::directory("d", 9)});
  source.engine.flush(5, source.now);
  source.pass();
  source.all_barriers_pass(); // all are asked for while the directory is still believed to be there
  source.changed(Source::root, "d", WatchEvent::existence | WatchEvent::is_directory);
  source.looked({Source::absent("d")});
  source.pass();
  source.all_barriers_pass();
  const std::uint64_t sequence = source.engine.status(source.now).sequence;
  source.applied(sequence, sequence);
  CHECK(source.flushed == std::vector<std::uint64_t>{5});
}

TEST_CASE("source engine: a source root that is empty and was not is refused", "[source_engine]") {
  SourceSettings settings = Source::settings();
  settings.had_entries = true;
  Source source(settings);
  source.ready();
  source.scanned({});
  CHECK(source.engine.exit() == Exit::refused);
  CHECK(source.sent().empty());
}

TEST_CASE("source engine: a driver that waits for the next wake-up does not spin", "[source_engine]") {
  Source source;
  SECTION("without a sink") {
    source.pass(std::chrono::hours(1));
    CHECK(source.engine.next_wakeup() > source.now);
  }
  SECTION("after the replica was full") {
    source.ready();
    source.scanned({Source::file("a")});
    source.applied(1, 0, {{1, 0, Status(Code::no_space, "full")}});
    CHECK(source.engine.next_wakeup() > source.now);
    for (int i = 0; i < 10; ++i) source.pass(std::chrono::seconds(1));
    source.pass();
    CHECK(source.engine.next_wakeup() > source.now);
  }
}

TEST_CASE("source engine: stop ships what was seen although everything is paused, and leaves the backlog", "[source_engine]") {
  Source source;
  source.ready();
  source.scanned({Source::directory("d", 9)});
  source.engine.pause(false, source.now);
  source.changed(Source::root, "a");
  source.engine.stop(false, source.now);
  source.pass();
  source.looked({Source::file("a")});
  const std::uint64_t sequence = source.engine.status(source.now).sequence;
  source.applied(sequence, sequence);
  REQUIRE(source.all<Farewell>().size() == 1);
  CHECK_FALSE(source.last<Farewell>().end);
  source.receive(Unregister{source.session, {}});
  CHECK(source.engine.exit() == Exit::done);
}
