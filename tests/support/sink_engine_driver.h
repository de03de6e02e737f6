// Drives a SinkEngine by hand: a test says what the source sends, when jobs end, and what time it is. One
// thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "engine/sink_engine.h"
#include "support/sink_engine_fake.h"

namespace osync::test {

class SinkDriver {
 public:
  static constexpr std::uint64_t session = 9;
  static constexpr Uuid source{1};
  static constexpr Uuid new_replica{2};

  static engine::SinkSettings settings() {
    engine::SinkSettings made;
    made.pipeline = "photos";
    made.replica_name = "mirror1";
    made.build = "0.1.0";
    made.new_replica = new_replica;
    made.order.appliers = 2;
    return made;
  }

  explicit SinkDriver(engine::SinkSettings with = settings(), ReplicaState state = {})
      : engine(std::move(with), std::move(state), SinkCapabilities()) {}

  /// Up to READY. Jobs that are in progress stay so.
  void begin(std::uint64_t number = session, std::uint32_t durability_ms = 5000) {
    engine.connected(now);
    welcome(number, source, durability_ms);
    collect();
    if (const auto request = engine.claim_request()) engine.claimed({}, now);
    collect();
  }
  void welcome(std::uint64_t number = session, const Uuid& from = source,
               std::uint32_t durability_ms = 5000) {
    engine.received(engine::Welcome{number, engine::protocol_version, "0.1.0", from, durability_ms}, now);
    collect();
  }

  /// The next item of the stream, in a frame of its own.
  void send(OperationGroup group) {
    group.sequence = ++sequence;
    send_frame({std::move(group)});
  }
  void send(engine::ListingPiece piece) {
    piece.sequence = ++sequence;
    send_frame({std::move(piece)});
  }
  void send_frame(std::vector<engine::StreamItem> items, std::uint64_t number = session) {
    engine.received(engine::Frame{number, std::move(items)}, now);
    collect();
  }

  void pass(engine::Time time) {
    now += time;
    engine.tick(now);
    collect();
  }
  void stop(bool immediate = false) {
    engine.stop(now, immediate);
    collect();
  }
  void farewell(bool end) {
    engine.received(engine::Farewell{session, end, "the test says so"}, now);
    collect();
  }

  /// Runs the job at `index` to its end.
  void finish(std::size_t index = 0) {
    FakeJob job = std::move(jobs.at(index));
    jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(index));
    while (true) {
      auto result = job.step();
      if (!result) continue;
      engine.job_done(std::move(*result), now);
      break;
    }
    collect();
  }
  void finish_all() {
    while (!jobs.empty()) finish();
  }
  /// Ends the sync that is in progress.
  void finish_sync(Status status = {}) {
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (!jobs[i].is_sync()) continue;
      const engine::SinkJobId id = std::get<engine::SyncJob>(jobs[i].job()).id;
      jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(i));
      engine.job_done(engine::SyncDone{id, std::move(status)}, now);
      collect();
      return;
    }
  }
  [[nodiscard]] std::size_t syncs() const {
    return static_cast<std::size_t>(
        std::count_if(jobs.begin(), jobs.end(), [](const FakeJob& job) { return job.is_sync(); }));
  }

  void collect() {
    for (engine::SinkJob& job : engine.take_jobs()) jobs.emplace_back(replica, std::move(job));
    for (engine::SinkMessage& message : engine.take_messages()) messages.push_back(std::move(message));
  }

  /// Messages of a kind since the last clear().
  template <class Message>
  [[nodiscard]] std::vector<Message> all() const {
    std::vector<Message> found;
    for (const engine::SinkMessage& message : messages)
      if (const auto* wanted = std::get_if<Message>(&message)) found.push_back(*wanted);
    return found;
  }
  template <class Message>
  [[nodiscard]] Message last() const {
    const auto found = all<Message>();
    return found.empty() ? Message() : found.back();
  }

  engine::Time now{std::chrono::seconds(100)};
  engine::SinkEngine engine;
  FakeReplica replica;
  std::vector<FakeJob> jobs;
  std::vector<engine::SinkMessage> messages;
  std::uint64_t sequence = 0;
};

} // namespace osync::test
