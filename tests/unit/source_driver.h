// Drives a SourceEngine by hand: a test answers its jobs, plays its sink, and says what time it is. One thread.
#pragma once

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "engine/source_engine.h"

namespace osync::test {

using namespace osync::engine;

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
            lines.push_back(std::to_string(static_cast<int>(operation.kind)) + " " + group->directory + "/" + operation.name +
                            (operation.kind == OperationKind::move_directory ? " <- " + operation.target : std::string()));
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

} // namespace osync::test
