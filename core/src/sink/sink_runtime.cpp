#include "sink/sink_runtime.h"

#include <pthread.h>

#include <algorithm>
#include <future>
#include <utility>

#include "wire/codec.h"

namespace osync::sink {
namespace {

using Clock = std::chrono::steady_clock;
using engine::Time;

constexpr PeerId the_source = 1;
constexpr std::chrono::milliseconds farewell_linger(2000);
constexpr std::chrono::seconds longest_wait(1);

// Housekeeping goes in slices, so that a sync never waits long for it, and leaves the disk to the appliers in
// between.
constexpr std::chrono::milliseconds housekeeping_slice(20);
constexpr std::chrono::milliseconds housekeeping_pause(5);
constexpr std::chrono::milliseconds housekeeping_interval(50); ///< once nothing was left

Time now_time() { return std::chrono::duration_cast<Time>(Clock::now().time_since_epoch()); }

/// Names of the directory that were not listed, and how much is below those that are directories.
Status find_extras(Sink& sink, const engine::InspectJob& job, engine::InspectDone& done) {
  Status status = sink.list(job.directory, [&](const ListedName& listed) {
    if (!job.seen->contains(listed.name))
      done.extras.push_back({std::string(listed.name), listed.type == FileType::directory, 1});
    return true;
  });
  if (!status.ok()) return status;
  for (engine::InspectDone::Extra& extra : done.extras) {
    if (!extra.directory) continue;
    status = sink.count(job.directory, extra.name, job.count_bound, extra.entries);
    if (!status.ok()) extra.entries = 1; // cannot be counted: it is at least itself, and its removal will say why
  }
  return {};
}

} // namespace

unsigned applier_count() { return std::clamp(std::thread::hardware_concurrency(), 2u, 16u); }

SinkRuntime::SinkRuntime(SinkParts parts, engine::SinkSettings settings, ReplicaState state,
                         SinkCapabilities capabilities)
    : parts_(parts), engine_(std::move(settings), std::move(state), std::move(capabilities)) {}

SinkRuntime::~SinkRuntime() { stop_threads(); }

engine::SinkJobResult SinkRuntime::run_job(const engine::SinkJob& job) {
  if (const auto* apply = std::get_if<engine::ApplyJob>(&job)) {
    engine::ApplyDone done{apply->id, std::vector<GroupResult>(apply->groups.size())};
    for (std::size_t i = 0; i < apply->groups.size(); ++i) parts_.sink.apply(*apply->groups[i], done.results[i]);
    return done;
  }
  if (const auto* inspect = std::get_if<engine::InspectJob>(&job)) {
    engine::InspectDone done;
    done.id = inspect->id;
    done.status = parts_.sink.inspect(inspect->directory, inspect->items, done.entries);
    if (done.status.ok() && inspect->find_extras) done.status = find_extras(parts_.sink, *inspect, done);
    return done;
  }
  const auto& sync = std::get<engine::SyncJob>(job);
  engine::SyncDone done{sync.id, parts_.sink.sync()};
  if (!done.status.ok() || !sync.clear_suspicion) return done;
  if (const Status cleared = parts_.sink.clear_suspicion(); !cleared.ok())
    parts_.logger.warning("what was suspect and has been compared stays suspect for the next start: " + cleared.to_string());
  return done;
}

void SinkRuntime::apply_jobs() {
  pthread_setname_np(pthread_self(), "osync-apply");
  while (true) {
    std::unique_lock lock(jobs_mutex_);
    jobs_ready_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    const engine::SinkJob job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    inbox_.post(run_job(job));
    if (std::holds_alternative<engine::ApplyJob>(job)) note_housework();
  }
}

void SinkRuntime::note_housework() {
  {
    const std::lock_guard lock(jobs_mutex_);
    if (std::exchange(housework_, true)) return;
  }
  syncs_ready_.notify_one();
}

/// One slice and the pause after it, which a sync cuts short.
void SinkRuntime::housekeep() {
  bool done = false;
  {
    const std::lock_guard between_sessions(claim_mutex_);
    done = parts_.sink.housekeep(housekeeping_slice);
  }
  std::unique_lock lock(jobs_mutex_);
  if (!done) housework_ = true;
  syncs_ready_.wait_for(lock, done ? housekeeping_interval : housekeeping_pause,
                        [&] { return stopping_ || !syncs_.empty(); });
}

void SinkRuntime::sync_jobs() {
  pthread_setname_np(pthread_self(), "osync-sync");
  while (true) {
    std::unique_lock lock(jobs_mutex_);
    syncs_ready_.wait(lock, [&] { return stopping_ || !syncs_.empty() || housework_; });
    if (stopping_) return;
    if (syncs_.empty()) {
      housework_ = false;
      lock.unlock();
      housekeep();
      continue;
    }
    housework_ = true; // some work only becomes possible by a sync
    const engine::SyncJob job = syncs_.front();
    syncs_.pop_front();
    lock.unlock();
    inbox_.post(run_job(job));
  }
}

void SinkRuntime::start_threads() {
  for (unsigned i = 0; i < applier_count(); ++i) threads_.emplace_back([this] { apply_jobs(); });
  threads_.emplace_back([this] { sync_jobs(); });
}

void SinkRuntime::stop_threads() {
  {
    const std::lock_guard lock(jobs_mutex_);
    stopping_ = true;
  }
  jobs_ready_.notify_all();
  syncs_ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void SinkRuntime::run() {
  pthread_setname_np(pthread_self(), "osync-sink");
  start_threads();
  session::PeerLink::Handlers handlers;
  handlers.connected = [this](PeerId) { inbox_.post(Connected{}); };
  handlers.disconnected = [this](PeerId) { inbox_.post(Disconnected{}); };
  handlers.received = [this](PeerId, Message message) {
    Result<engine::SourceMessage> decoded = wire::decode_source_message(message);
    if (decoded.ok()) inbox_.post(Received{std::move(decoded).value()});
    else inbox_.post(Undecodable{decoded.status()});
  };
  link_ = std::make_unique<session::PeerLink>(parts_.transport, parts_.logger, std::move(handlers));
  std::vector<Input> inputs;
  Time now = now_time();
  while (perform(now)) {
    const Time limit = now + longest_wait;
    const Time wakeup = std::min(engine_.next_wakeup().value_or(limit), limit);
    inputs.clear();
    inbox_.wait_and_take(Clock::time_point(std::chrono::duration_cast<Clock::duration>(wakeup)), inputs);
    now = now_time();
    for (Input& input : inputs) handle(std::move(input), now);
    engine_.tick(now);
  }
  link_->stop(farewell_linger);
  stop_threads();
  if (const Status closed = parts_.sink.close(); !closed.ok()) {
    parts_.logger.error("closing the replica: " + closed.to_string());
    if (end_.status.ok()) end_.status = closed;
  }
  const std::lock_guard lock(ended_mutex_);
  ended_ = true;
  inputs.clear();
  inbox_.wait_and_take(Clock::now(), inputs);
  for (Input& input : inputs)
    if (auto* request = std::get_if<Request>(&input)) (*request)(engine_, now_time());
}

void SinkRuntime::handle(Input input, Time now) {
  if (auto* received = std::get_if<Received>(&input)) {
    engine_.received(std::move(received->message), now);
  } else if (auto* result = std::get_if<engine::SinkJobResult>(&input)) {
    engine_.job_done(std::move(*result), now);
  } else if (std::holds_alternative<Connected>(input)) {
    connected_ = true;
    engine_.connected(now);
  } else if (std::holds_alternative<Disconnected>(input)) {
    connected_ = false;
    engine_.disconnected(now);
  } else if (auto* bad = std::get_if<Undecodable>(&input)) {
    parts_.logger.error("a message that is not understood; the connection is dropped: " + bad->status.to_string());
    link_->disconnect(the_source);
  } else if (auto* request = std::get_if<Request>(&input)) {
    (*request)(engine_, now);
  }
}

void SinkRuntime::hand_out(std::vector<engine::SinkJob> jobs) {
  std::size_t work = 0, syncs = 0;
  {
    const std::lock_guard lock(jobs_mutex_);
    for (engine::SinkJob& job : jobs) {
      if (auto* sync = std::get_if<engine::SyncJob>(&job)) {
        syncs_.push_back(*sync);
        ++syncs;
      } else {
        jobs_.push_back(std::move(job));
        ++work;
      }
    }
  }
  // After the mutex was released, or those who wake would wait for it at once.
  for (; work > 0; --work) jobs_ready_.notify_one();
  if (syncs > 0) syncs_ready_.notify_one();
}

bool SinkRuntime::perform(Time now) {
  while (const std::optional<engine::ClaimRequest> request = engine_.claim_request()) {
    Status status;
    {
      const std::lock_guard no_housekeeping(claim_mutex_);
      status = parts_.sink.claim(request->identity, request->adopt);
    }
    engine_.claimed(status, now);
    if (status.ok()) note_housework(); // what an earlier session left
  }
  for (const engine::SinkNote& note : engine_.take_notes()) parts_.logger.log(note.level, note.text);
  std::vector<engine::SinkJob> jobs = engine_.take_jobs();
  if (!jobs.empty()) hand_out(std::move(jobs));
  for (engine::SinkMessage& message : engine_.take_messages()) link_->send(the_source, std::move(message));
  const std::optional<engine::SinkEnd> end = engine_.finished();
  if (!end) return true;
  if (end->end_process) {
    end_ = *end;
    return false;
  }
  if (connected_) { // another session may follow: a new connection begins it
    connected_ = false;
    link_->disconnect(the_source);
    engine_.disconnected(now);
  }
  return true;
}

void SinkRuntime::request_stop(bool immediate) {
  const std::lock_guard lock(ended_mutex_);
  if (!ended_) inbox_.post(Request([immediate](engine::SinkEngine& engine, Time now) { engine.stop(now, immediate); }));
}

engine::SinkCounters SinkRuntime::counters() {
  std::promise<engine::SinkCounters> promise;
  std::future<engine::SinkCounters> answer = promise.get_future();
  {
    const std::lock_guard lock(ended_mutex_);
    if (ended_) return engine_.counters();
    inbox_.post(Request([&](engine::SinkEngine& engine, Time) { promise.set_value(engine.counters()); }));
  }
  return answer.get();
}

} // namespace osync::sink
