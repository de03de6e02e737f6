#include "source/source_runtime.h"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <future>

#include "source/mount_monitor.h"
#include "wire/codec.h"

namespace osync::source {
namespace {

using Clock = std::chrono::steady_clock;
using engine::Time;

constexpr unsigned reader_workers = 3; // one of them is always free for live changes
constexpr std::size_t job_capacity = 512;
constexpr std::chrono::milliseconds farewell_linger(2000);
constexpr std::chrono::milliseconds watcher_wait(1000);
constexpr std::int64_t clock_margin_seconds = 2; ///< more than any timestamp granularity

Time now_time() { return std::chrono::duration_cast<Time>(Clock::now().time_since_epoch()); }

/// The time of day at `time`, less a margin.
Timestamp wall_before(Time time) {
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  const std::int64_t age = std::chrono::duration_cast<std::chrono::seconds>(now_time() - time).count();
  return {wall.tv_sec - age - clock_margin_seconds, static_cast<std::uint32_t>(wall.tv_nsec)};
}

engine::SourceSettings with_workers(engine::SourceSettings settings) {
  settings.workers = reader_workers;
  return settings;
}

} // namespace

SourceRuntime::SourceRuntime(SourceParts parts, engine::SourceSettings settings)
    : parts_(parts), replica_(settings.replica),
      reader_(parts.root, &parts.watcher, parts.rules, ReaderLimits{}, parts.logger), guard_(parts.root),
      engine_(with_workers(std::move(settings)), parts.root.id(), parts.policy, parts.rules) {}

SourceRuntime::~SourceRuntime() = default;

void SourceRuntime::watch() {
  pthread_setname_np(pthread_self(), "osync-watch");
  while (!stopping_) {
    WatchBatch batch;
    const Status status = parts_.watcher.next_batch(watcher_wait, batch);
    if (!batch.empty()) {
      std::unique_lock lock(batches_mutex_);
      batches_consumed_.wait(lock, [&] { return batches_waiting_ < batches_bound || stopping_; });
      ++batches_waiting_;
      lock.unlock();
      inbox_.post(std::move(batch));
    }
    if (status.ok()) continue;
    if (!stopping_) inbox_.post(WatcherFailed{status});
    return;
  }
}

void SourceRuntime::run() {
  pthread_setname_np(pthread_self(), "osync-source");
  begin_guard();
  const auto read = [this](const engine::SourceJob& job) {
    auto result = reader_.run(job);
    if (!result) return result;
    guard_.restrict(job, *result);
    reduce(*result, parts_.attributes);
    return result;
  };
  pool_ = std::make_unique<JobPool>(read,
                                    [this](engine::SourceJobResult result) { inbox_.post(std::move(result)); },
                                    reader_workers, job_capacity);
  session::PeerLink::Handlers handlers;
  handlers.connected = [this](PeerId peer) { inbox_.post(PeerConnected{peer}); };
  handlers.disconnected = [this](PeerId peer) { inbox_.post(PeerLost{peer}); };
  handlers.received = [this](PeerId peer, Message message) {
    Result<engine::SinkMessage> decoded = wire::decode_sink_message(message);
    if (decoded.ok()) return inbox_.post(PeerMessage{peer, std::move(decoded).value()});
    parts_.logger.error("a message that is not understood; the peer is dropped: " + decoded.status().to_string());
    link_->send(peer, engine::SourceMessage(engine::Refuse{decoded.status().code(), decoded.status().to_string()}));
    link_->disconnect(peer);
  };
  link_ = std::make_unique<session::PeerLink>(parts_.transport, parts_.logger, std::move(handlers));
  watcher_thread_ = std::thread([this] { watch(); });
  MountMonitor::Handlers mounts;
  mounts.root_gone = [this] { post([](engine::SourceEngine& engine, Time now) { engine.root_gone(now); }); };
  mounts.changed = [this](std::string path, bool mounted) {
    guard_.refresh(); // before the engine looks
    post([path = std::move(path), mounted](engine::SourceEngine& engine, Time now) {
      engine.mount_changed(path, mounted, now);
    });
  };
  auto monitor = std::make_unique<MountMonitor>(parts_.root, std::move(mounts));
  if (const Status started = monitor->start(); !started.ok())
    parts_.logger.warning("mounts on the source are not noticed: " + started.to_string());

  std::vector<Input> inputs;
  while (engine_.exit() == engine::Exit::running) {
    const Time wakeup = std::max(engine_.next_wakeup(), now_time());
    const auto until = Clock::time_point(std::chrono::duration_cast<Clock::duration>(
        std::min(wakeup, now_time() + std::chrono::seconds(1))));
    inputs.clear();
    inbox_.wait_and_take(until, inputs);
    const Time now = now_time();
    for (Input& input : inputs) handle(std::move(input), now);
    engine_.advance(now);
    perform(engine_.take_outputs(), now);
  }
  monitor.reset();
  stopping_ = true;
  batches_consumed_.notify_all();
  parts_.watcher.wake();
  reader_.interrupt();
  watcher_thread_.join();
  pool_->stop();
  link_->stop(farewell_linger);
  {
    const std::lock_guard lock(ended_mutex_);
    ended_ = true;
    inputs.clear();
    inbox_.wait_and_take(Clock::now(), inputs);
    for (Input& input : inputs)
      if (auto* request = std::get_if<Request>(&input)) (*request)(engine_, now_time());
  }
  const std::lock_guard lock(flush_mutex_);
  flush_done_.notify_all();
}

/// Mounts that belonged to the tree and are not there now must not look like deleted files (RULES.md 17).
void SourceRuntime::begin_guard() {
  const std::lock_guard lock(parts_.state_mutex);
  Mounts& remembered = parts_.state.memory().mounts;
  const Mounts mounts = guard_.begin(remembered);
  for (const std::string& path : guard_.changed())
    parts_.logger.warning("a mount that was part of the source is not there, or is another file system; what the replica has below it is left alone until "
                          "it is mounted again (gone for good: delete the state directory): " + path);
  if (mounts == remembered) return;
  remembered = mounts;
  save_state();
}

void SourceRuntime::handle(Input input, Time now) {
  if (auto* batch = std::get_if<WatchBatch>(&input)) {
    for (const WatchEvent& event : *batch) engine_.watched(event, now);
    const std::lock_guard lock(batches_mutex_);
    --batches_waiting_;
    batches_consumed_.notify_one();
  } else if (auto* result = std::get_if<engine::SourceJobResult>(&input)) {
    engine_.job_done(std::move(*result), now);
  } else if (auto* message = std::get_if<PeerMessage>(&input)) {
    on_peer_message(std::move(*message), now);
  } else if (auto* lost = std::get_if<PeerLost>(&input)) {
    if (lost->peer != peer_) return;
    peer_ = 0;
    engine_.disconnected(now);
  } else if (auto* failed = std::get_if<WatcherFailed>(&input)) {
    parts_.logger.error("the watcher ended: " + failed->status.to_string());
    WatchEvent gone;
    gone.kind = WatchEvent::Kind::root_gone;
    engine_.watched(gone, now);
  } else if (auto* request = std::get_if<Request>(&input)) {
    (*request)(engine_, now);
  }
}

/// One sink at a time: the one that registered last. Others are not answered until they register.
void SourceRuntime::on_peer_message(PeerMessage input, Time now) {
  const bool registers = std::holds_alternative<engine::Register>(input.message);
  if (input.peer != peer_) {
    if (!registers) return;
    if (peer_ != 0) {
      parts_.logger.warning("another sink registers for this replica; the earlier connection is dropped");
      engine_.disconnected(now);
      perform(engine_.take_outputs(), now);
      link_->disconnect(peer_);
    }
    peer_ = input.peer;
    engine_.connected(now);
  }
  engine_.received(std::move(input.message), now);
}

void SourceRuntime::perform(engine::SourceOutputs outputs, Time now) {
  for (const engine::LogLine& line : outputs.log) parts_.logger.log(line.level, line.text);
  for (const ObjectId& directory : outputs.unwatch) parts_.watcher.unwatch(directory);
  for (engine::PrioritizedJob& job : outputs.jobs) {
    const JobPriority priority = job.live ? JobPriority::live : JobPriority::backlog;
    if (!pool_->submit(std::move(job.job), priority))
      parts_.logger.error("internal: the reader's queue is full although the engine bounds its jobs");
  }
  for (engine::SourceMessage& message : outputs.messages)
    if (peer_ != 0) link_->send(peer_, std::move(message));
  for (const std::uint64_t token : outputs.barriers)
    if (const Status status = parts_.watcher.request_barrier(token); !status.ok())
      parts_.logger.error("the watcher gives no barrier: " + status.to_string());
  if (outputs.replica) remember_replica(*outputs.replica);
  for (const engine::CheckpointReached& checkpoint : outputs.checkpoints) remember_checkpoint(checkpoint, now);
  if (outputs.flushed.empty() && outputs.verified.empty()) return;
  const std::lock_guard lock(flush_mutex_);
  for (engine::VerifyReport& report : outputs.verified)
    if (const std::uint64_t token = report.token; verifies_awaited_.contains(token))
      verifies_done_.emplace(token, std::move(report));
  flushes_done_.insert(flushes_done_.end(), outputs.flushed.begin(), outputs.flushed.end());
  flush_done_.notify_all();
}

/// A new replica's entries are as they were after this moment; of another one nothing is known.
void SourceRuntime::remember_replica(const ReplicaIdentity& identity) {
  const std::lock_guard lock(parts_.state_mutex);
  ReplicaMemory& memory = parts_.state.memory().replicas[replica_];
  if (memory.replica != identity.replica) {
    const bool fresh = engine_.replica_was_empty();
    memory = ReplicaMemory{identity.replica, fresh ? wall_before(now_time()) : Timestamp{}, 0};
  }
  parts_.state.memory().file_system = parts_.root.file_system_id();
  save_state();
}

void SourceRuntime::remember_checkpoint(const engine::CheckpointReached& checkpoint, Time) {
  const std::lock_guard lock(parts_.state_mutex);
  ReplicaMemory& memory = parts_.state.memory().replicas[replica_];
  if (checkpoint.entries > 0) parts_.state.memory().had_entries = true;
  // Only a complete pass makes older doubts void. A clock that was set back lowers it, as it must.
  if (checkpoint.pass_complete) {
    memory.since = wall_before(checkpoint.time);
    memory.entries = checkpoint.entries;
    engine_.checkpointed(memory.since);
  }
  save_state();
}

void SourceRuntime::save_state() {
  if (const Status status = parts_.state.save(); !status.ok())
    parts_.logger.warning("the source's state is not saved; a restart compares more than it would have to: " +
                          status.to_string());
}

void SourceRuntime::post(Request request) {
  const std::lock_guard lock(ended_mutex_);
  if (!ended_) inbox_.post(std::move(request));
}

template <class Answer>
Answer SourceRuntime::ask(std::function<Answer(engine::SourceEngine&, Time)> question) {
  std::promise<Answer> promise;
  std::future<Answer> answer = promise.get_future();
  {
    const std::lock_guard lock(ended_mutex_);
    if (ended_) return question(engine_, now_time());
    inbox_.post(Request([&](engine::SourceEngine& engine, Time now) { promise.set_value(question(engine, now)); }));
  }
  return answer.get();
}

bool SourceRuntime::flush(Clock::time_point deadline) {
  std::uint64_t token = 0;
  {
    const std::lock_guard lock(flush_mutex_);
    token = next_flush_++;
  }
  post([token](engine::SourceEngine& engine, Time now) { engine.flush(token, now); });
  std::unique_lock lock(flush_mutex_);
  const auto reached = [&] {
    return std::find(flushes_done_.begin(), flushes_done_.end(), token) != flushes_done_.end();
  };
  flush_done_.wait_until(lock, deadline, [&] { return reached() || stopping_; });
  const bool done = reached();
  std::erase(flushes_done_, token);
  return done;
}

std::optional<engine::VerifyReport> SourceRuntime::verify(bool checksum, bool repair, Clock::time_point deadline) {
  std::uint64_t token = 0;
  {
    const std::lock_guard lock(flush_mutex_);
    token = next_flush_++;
    verifies_awaited_.insert(token);
  }
  post([=](engine::SourceEngine& engine, Time now) { engine.verify(token, checksum, repair, now); });
  std::unique_lock lock(flush_mutex_);
  flush_done_.wait_until(lock, deadline, [&] { return verifies_done_.contains(token) || stopping_; });
  verifies_awaited_.erase(token);
  const auto done = verifies_done_.find(token);
  if (done == verifies_done_.end()) return std::nullopt;
  engine::VerifyReport report = std::move(done->second);
  verifies_done_.erase(done);
  return report;
}

engine::SourceStatus SourceRuntime::status() {
  return ask<engine::SourceStatus>([](engine::SourceEngine& engine, Time now) { return engine.status(now); });
}

std::vector<engine::FailureReport> SourceRuntime::failures() {
  return ask<std::vector<engine::FailureReport>>([](engine::SourceEngine& engine, Time) { return engine.failures(); });
}

std::string SourceRuntime::waiting_for() {
  return ask<std::string>([](engine::SourceEngine& engine, Time) { return engine.waiting_for(); });
}

} // namespace osync::source
