// Both engines, the very objects that the daemon runs, stepped by a seed: scans, looks, events, messages and appliers are
// interleaved at will while the source changes between any two steps, events are lost in overflows, and connections
// break. In the end both trees are equal.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "engine/source_engine.h"
#include "support/sink_engine_driver.h"
#include "simulation/source_model.h"

using namespace osync;
using namespace osync::test;

namespace {

const bool tracing = std::getenv("OSYNC_TRACE") != nullptr;

class LiveFirst final : public Policy {
 public:
  PolicyChoice choose(const PolicyView& view) noexcept override {
    return {view.live.items > 0 ? WorkClass::live : WorkClass::backlog, 4096};
  }
};

struct Features {
  bool overflows = false;
  bool disconnects = false;
  bool source_restarts = false;
  bool sink_crashes = false; ///< losing what was not durable
  bool failures = false;     ///< operations that fail on the sink for a while
  bool pauses = false;
  enum class End { flush, drain, once } end = End::flush;
};

class Simulation {
 public:
  Simulation(std::uint64_t seed, Features features)
      : random_(seed), features_(features), model_(seed * 31 + 7) {
    start_sink();
    for (std::uint64_t i = random_.below(60); i > 0; --i) model_.change();
    start_source();
  }

  /// The empty text when all went well.
  std::string run() {
    for (int i = 0; i < 1500; ++i) step(true);
    faulty_ = false;
    source_->resume(true, now_);
    if (features_.end == Features::End::once) {
      if (connected_) disconnect();
      start_source(true);
    }
    for (int i = 0; i < 200'000; ++i) {
      if (connected_ && model_.quiet() && ended()) break;
      step(false);
      if (!end_asked_ && connected_) ask_for_end();
    }
    if (features_.end != Features::End::flush)
      return source_->exit() != engine::Exit::done ? "NOT ENDED: " + describe() : compare();
    for (int i = 0; i < 400; ++i) step(false); // what nobody waits for ends too, such as stages that are discarded
    return flushed_ ? compare() : "STUCK: " + describe();
  }

 private:
  std::string compare() const {
    if (model_.dump() == sink_->replica.dump()) return "";
    return "DIFFERENT\n-- source\n" + model_.dump() + "-- replica\n" + sink_->replica.dump();
  }

  std::string describe() {
    return model_.dump() + " waiting for " + source_->waiting_for() + log_ + source_->dump() + describe_flow();
  }

  void ask_for_end() {
    end_asked_ = true;
    if (features_.end == Features::End::drain) source_->stop(true, now_);
    else if (features_.end == Features::End::flush) source_->flush(1, now_);
    take_source();
  }

  /// A flush does not wait for what has failed; here it is asked for again until nothing has.
  bool ended() {
    if (features_.end != Features::End::flush) return source_->exit() != engine::Exit::running;
    if (!flushed_) return false;
    if (source_->failures().empty()) return true;
    flushed_ = end_asked_ = false;
    return false;
  }

  void start_sink(ReplicaState state = {}) {
    FakeReplica kept = sink_ ? durable_ : FakeReplica();
    sink_ = std::make_unique<SinkDriver>(sink_settings(), std::move(state));
    sink_->replica = std::move(kept);
    durable_ = sink_->replica.durable_copy();
    sink_->now = now_;
    if (features_.failures)
      sink_->replica.fault = [this](const Operation& operation) { return fault(operation); };
  }

  Status fault(const Operation& operation) {
    constexpr Code codes[] = {Code::no_space, Code::io, Code::denied, Code::read_only};
    if (operation.kind == OperationKind::discard_stage) return {}; // the end of the session removes it
    if (operation.kind == OperationKind::publish && damaged_.erase(operation.stage) > 0)
      return {Code::corrupt, "the digest differs"};
    if (!faulty_ || !random_.one_in(8)) return {};
    if (operation.kind == OperationKind::stage_data) damaged_.insert(operation.stage);
    return {codes[random_.below(4)], "the test lets it fail"};
  }

  /// The machine of the replica goes down: what is not durable is lost.
  void crash_sink() {
    if (tracing) std::printf("CRASH\n");
    if (connected_) disconnect();
    ReplicaState state;
    if (identity_) {
      state.content = ReplicaState::Content::own_identity;
      state.identity = *identity_;
    }
    start_sink(state);
  }

  static engine::SinkSettings sink_settings() {
    engine::SinkSettings settings = SinkDriver::settings();
    settings.window = 4096;
    return settings;
  }

  static void trace(const engine::SourceMessage& message) {
    const auto* frame = std::get_if<engine::Frame>(&message);
    if (frame == nullptr) return;
    for (const engine::StreamItem& item : frame->items) {
      if (const auto* piece = std::get_if<engine::ListingPiece>(&item))
        std::printf("%lu list %s (%zu)\n", piece->sequence, piece->directory.c_str(), piece->entries.size());
      const auto* group = std::get_if<OperationGroup>(&item);
      if (group == nullptr) continue;
      std::printf("%lu group %s%s:", group->sequence, group->directory.c_str(), group->directory_attributes ? " +attributes" : "");
      for (const Operation& operation : group->operations)
        std::printf(" %d(%lu) %s%s%s", static_cast<int>(operation.kind), operation.stage, operation.name.c_str(), operation.target.empty() ? "" : " -> ",
                    operation.target.c_str());
      std::printf("\n");
    }
  }

  std::string describe_flow() {
    const engine::SourceStatus status = source_->status(now_);
    const engine::SinkCounters counters = sink_->engine.counters();
    return "\nsent " + std::to_string(status.sequence) + " applied " + std::to_string(status.applied) + " durable " +
           std::to_string(status.durable) + " in flight " + std::to_string(status.in_flight_bytes) + " of " +
           std::to_string(status.window) + "; sink received " + std::to_string(counters.received) + " applied " +
           std::to_string(counters.applied) + " waiting " + std::to_string(counters.items_waiting) + " jobs " +
           std::to_string(sink_->jobs.size()) + " messages " + std::to_string(to_sink_.size()) + "/" +
           std::to_string(to_source_.size());
  }

  void start_source(bool once = false) {
    if (tracing) std::printf("START\n");
    engine::SourceSettings settings;
    settings.pipeline = "photos";
    settings.replica = "mirror1";
    settings.source = SinkDriver::source;
    settings.known_replica.replica = known_;
    settings.session_seed = 1000 * ++starts_;
    settings.torn_retries = 1000;
    settings.once = once;
    if (features_.failures) {
      settings.first_retry = std::chrono::milliseconds(50);
      settings.longest_retry = std::chrono::milliseconds(400);
    }
    source_ = std::make_unique<engine::SourceEngine>(settings, SourceModel::id_of(*model_.root()), policy_, rules_);
    jobs_.clear();
    cursors_ = {};
    model_.forget_looks();
  }

  void take_source() {
    engine::SourceOutputs outputs = source_->take_outputs();
    if (tracing)
      for (const auto& job : outputs.jobs)
        if (const auto* read = std::get_if<engine::ReadJob>(&job.job)) {
          std::printf("  ask %lu %s:", read->id, read->directory.path.c_str());
          for (const std::string& name : read->names) std::printf(" %s", name.c_str());
          std::printf("\n");
        }
    for (auto& job : outputs.jobs) jobs_.emplace_back(model_, cursors_, std::move(job.job));
    for (auto& message : outputs.messages) {
      if (tracing) trace(message);
      if (connected_) to_sink_.push_back(std::move(message));
    }
    for (const std::uint64_t token : outputs.barriers) model_.request_barrier(token);
    for (const ObjectId& id : outputs.unwatch) model_.unwatch(id);
    if (outputs.replica) known_ = outputs.replica->replica;
    if (tracing && !outputs.flushed.empty()) std::printf("FLUSHED\n");
    if (!outputs.flushed.empty()) flushed_ = true;
    for (const auto& line : outputs.log)
      if (line.level == LogLevel::error) log_ += "\n  " + line.text;
  }

  void take_sink() {
    sink_->collect();
    if (const auto request = sink_->engine.claim_request()) {
      identity_ = request->identity;
      sink_->replica.claimed();
      sink_->engine.claimed({}, sink_->now);
      sink_->collect();
    }
    for (auto& message : sink_->messages)
      if (connected_) to_source_.push_back(std::move(message));
    sink_->messages.clear();
  }

  void connect() {
    connected_ = true;
    source_->connected(now_);
    sink_->engine.connected(now_);
    take_sink();
  }

  void disconnect() {
    if (tracing) std::printf("DISCONNECT\n");
    connected_ = false;
    to_sink_.clear();
    to_source_.clear();
    source_->disconnected(now_);
    model_.forget_looks();
    sink_->engine.disconnected(now_);
    take_source();
    take_sink();
  }

  /// What a job of the source found, as the engine is told.
  static void trace(const engine::SourceJobResult& result) {
    const auto print = [](const char* what, std::uint64_t id, const Status& status) {
      std::printf("  job %lu %s %s", id, what, status.ok() ? "" : std::string(status.message()).c_str());
    };
    if (const auto* read = std::get_if<engine::ReadResult>(&result)) {
      print("read", read->id, read->status);
      for (const engine::EntryRead& entry : read->entries)
        std::printf(" %s:%d:%lu(%u)", entry.operation.name.c_str(), static_cast<int>(entry.outcome), entry.id.low,
                    entry.operation.attributes.links);
    } else if (const auto* list = std::get_if<engine::ListResult>(&result)) {
      print("list", list->id, list->status);
      for (const engine::ListedEntry& entry : list->entries) std::printf(" %s:%lu", entry.name.c_str(), entry.id.low);
    } else if (const auto* found = std::get_if<engine::LinksFound>(&result)) {
      print("links", found->id, found->status);
      for (const std::string& name : found->names) std::printf(" %s", name.c_str());
    } else if (const auto* closed = std::get_if<engine::FileClosed>(&result)) {
      print("closed", closed->id, closed->status);
    }
    std::printf("\n");
  }

  static void trace(const WatchEvent& event) {
    std::printf("  event %d %lu/%s hints %d token %lu\n", static_cast<int>(event.kind), event.directory.low, event.name.c_str(),
                event.hints, event.token);
  }

  static void trace(const engine::SinkMessage& message) {
    if (const auto* answer = std::get_if<engine::ListingAnswer>(&message)) {
      std::printf("  answer %lu %s wants", answer->sequence, answer->status.ok() ? "" : "failed");
      for (const auto& want : answer->wants) std::printf(" %s%s", want.name.c_str(), want.absent ? "(absent)" : "");
      std::printf(" extras");
      for (const auto& extra : answer->extras) std::printf(" %s", extra.name.c_str());
      std::printf("\n");
    } else if (const auto* acknowledge = std::get_if<engine::Acknowledge>(&message)) {
      for (const auto& failure : acknowledge->failures)
        std::printf("  failure %lu #%d %s\n", failure.sequence, static_cast<int>(failure.index),
                    std::string(failure.status.message()).c_str());
    }
  }

  void step_source_job() {
    if (jobs_.empty()) return;
    const std::size_t index = random_.below(jobs_.size());
    std::optional<engine::SourceJobResult> result;
    if (!jobs_[index].step(result)) return;
    jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(index));
    if (result && tracing) trace(*result);
    if (result) source_->job_done(std::move(*result), now_);
  }

  void step_sink_job() {
    if (sink_->jobs.empty()) return;
    const std::size_t index = random_.below(sink_->jobs.size());
    auto result = sink_->jobs[index].step();
    if (!result) return;
    if (std::holds_alternative<engine::SyncDone>(*result)) durable_ = sink_->replica.durable_copy();
    sink_->jobs.erase(sink_->jobs.begin() + static_cast<std::ptrdiff_t>(index));
    sink_->engine.job_done(std::move(*result), sink_->now);
  }

  void step(bool churn) {
    now_ += std::chrono::microseconds(200 + random_.below(2000));
    sink_->now = now_;
    const std::uint64_t kind = random_.below(100);
    if (churn && kind < 12) model_.change();
    else if (kind < 30) {
      for (const WatchEvent& event : model_.events(1 + random_.below(4))) {
        if (tracing) trace(event);
        source_->watched(event, now_);
      }
    } else if (kind < 60) step_source_job();
    else if (kind < 75) step_sink_job();
    else if (kind < 84 && !to_sink_.empty()) {
      engine::SourceMessage message = std::move(to_sink_.front());
      to_sink_.pop_front();
      sink_->engine.received(std::move(message), now_);
    } else if (kind < 93 && !to_source_.empty()) {
      engine::SinkMessage message = std::move(to_source_.front());
      to_source_.pop_front();
      if (tracing) trace(message);
      source_->received(std::move(message), now_);
    } else if (!connected_ && random_.one_in(4)) connect();
    else if (churn && features_.overflows && random_.one_in(20)) model_.overflow();
    else if (churn && features_.disconnects && connected_ && random_.one_in(30)) disconnect();
    else if (churn && features_.sink_crashes && random_.one_in(60)) crash_sink();
    else if (churn && features_.failures && random_.one_in(20)) faulty_ = !faulty_;
    else if (churn && features_.pauses && random_.one_in(20)) random_.one_in(2) ? source_->pause(random_.one_in(2), now_) : source_->resume(false, now_);
    else if (churn && features_.source_restarts && random_.one_in(60)) {
      if (connected_) disconnect();
      model_.overflow(); // what the old process had not read is lost with it
      for (const WatchEvent& event : model_.events(1000)) static_cast<void>(event);
      start_source();
    }
    if (random_.one_in(2)) source_->advance(now_);
    sink_->engine.tick(now_);
    take_source();
    take_sink();
  }

  Random random_;
  Features features_;
  SourceModel model_;
  std::unique_ptr<SinkDriver> sink_;
  FakeReplica durable_;
  std::optional<ReplicaIdentity> identity_;
  bool faulty_ = false;
  std::set<std::uint64_t> damaged_; ///< stages that lack a piece
  LiveFirst policy_;
  engine::Rules rules_;
  std::unique_ptr<engine::SourceEngine> source_;
  SourceModelJob::Cursors cursors_;
  std::vector<SourceModelJob> jobs_;
  std::deque<engine::SourceMessage> to_sink_;
  std::deque<engine::SinkMessage> to_source_;
  engine::Time now_{std::chrono::seconds(100)};
  Uuid known_{};
  std::uint64_t starts_ = 0;
  bool connected_ = false, end_asked_ = false, flushed_ = false;
  std::string log_;
};

/// OSYNC_SEEDS=N runs more; OSYNC_SEED=N only that one.
void run_seeds(Features features, std::uint64_t count) {
  const char* one = std::getenv("OSYNC_SEED");
  const char* many = std::getenv("OSYNC_SEEDS");
  if (many != nullptr) count = std::strtoull(many, nullptr, 10);
  std::uint64_t failed = 0;
  for (std::uint64_t seed = one ? std::strtoull(one, nullptr, 10) : 1; seed <= count || one; ++seed) {
    const std::string result = Simulation(seed, features).run();
    if (!result.empty() && ++failed <= 3) {
      INFO("seed " << seed << ": " << result);
      CHECK(result.empty());
    }
    if (one) break;
  }
  INFO("seeds run: " << count);
  CHECK(failed == 0);
}

} // namespace

TEST_CASE("simulation: changes at any moment end equal", "[simulation]") { run_seeds({}, 1000); }

TEST_CASE("simulation: with overflows", "[simulation]") { run_seeds({.overflows = true}, 1000); }

TEST_CASE("simulation: with broken connections", "[simulation]") { run_seeds({.overflows = true, .disconnects = true}, 1000); }

TEST_CASE("simulation: with restarts of the source", "[simulation]") { run_seeds({.overflows = true, .disconnects = true, .source_restarts = true}, 1000); }

TEST_CASE("simulation: with crashes of the sink", "[simulation]") {
  run_seeds({.overflows = true, .disconnects = true, .sink_crashes = true}, 1000);
}

TEST_CASE("simulation: with failures of the sink", "[simulation]") { run_seeds({.overflows = true, .failures = true}, 1000); }

TEST_CASE("simulation: with pauses, and drained in the end", "[simulation]") {
  run_seeds({.overflows = true, .pauses = true, .end = Features::End::drain}, 1000);
}

TEST_CASE("simulation: a run with --once in the end", "[simulation]") {
  run_seeds({.disconnects = true, .end = Features::End::once}, 1000);
}

TEST_CASE("simulation: with everything that can go wrong", "[simulation]") {
  run_seeds({.overflows = true, .disconnects = true, .source_restarts = true, .sink_crashes = true, .failures = true, .pauses = true}, 1000);
}
