// Drives one SinkEngine: the engine's thread with its inbox, the applier threads, the thread that syncs, or housekeeps
// while there is nothing to sync, and the link to the source.
//
// Threads: run() makes the calling thread the engine's; request_stop() and the status functions from any thread.
// Bounds: the inbox holds at most the jobs in progress and what the source may send within its window.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "base/inbox.h"
#include "engine/sink_engine.h"
#include "osync/logger.h"
#include "osync/sink.h"
#include "osync/transport.h"
#include "session/peer_link.h"

namespace osync::sink {

struct SinkParts {
  Sink& sink; ///< open
  Transport& transport; ///< connecting
  Logger& logger;
};

class SinkRuntime {
 public:
  SinkRuntime(SinkParts parts, engine::SinkSettings settings, ReplicaState state, SinkCapabilities capabilities);
  ~SinkRuntime();
  SinkRuntime(const SinkRuntime&) = delete;
  SinkRuntime& operator=(const SinkRuntime&) = delete;

  /// Runs until the engine ends for good, and closes the sink. Call once.
  void run();

  /// Ends soon: what was received is applied first unless `immediate`.
  void request_stop(bool immediate);

  [[nodiscard]] engine::SinkCounters counters();
  [[nodiscard]] bool connected() const { return connected_; }

  /// After run().
  [[nodiscard]] const engine::SinkEnd& end() const { return end_; }

 private:
  struct Received {
    engine::SourceMessage message;
  };
  struct Connected {};
  struct Disconnected {};
  struct Undecodable {
    Status status;
  };
  using Request = std::function<void(engine::SinkEngine&, engine::Time)>;
  using Input = std::variant<Received, Connected, Disconnected, Undecodable, engine::SinkJobResult, Request>;

  void apply_jobs();
  void sync_jobs();
  void housekeep();
  void note_housework();
  engine::SinkJobResult run_job(const engine::SinkJob& job);
  void handle(Input input, engine::Time now);
  /// Takes and performs all outputs; true while the engine goes on.
  bool perform(engine::Time now);
  void hand_out(std::vector<engine::SinkJob> jobs);
  void start_threads();
  void stop_threads();

  SinkParts parts_;
  engine::SinkEngine engine_;
  Inbox<Input> inbox_;
  std::unique_ptr<session::PeerLink> link_;
  std::mutex jobs_mutex_;
  std::condition_variable jobs_ready_;
  std::deque<engine::SinkJob> jobs_;
  std::deque<engine::SyncJob> syncs_;
  std::condition_variable syncs_ready_;
  bool stopping_ = false; ///< with jobs_mutex_ held
  bool housework_ = false; ///< likewise: the sink may have some
  std::mutex claim_mutex_; ///< held by claim() and by housekeep(), of which never two run at once
  std::vector<std::thread> threads_;
  std::atomic<bool> connected_{false};
  engine::SinkEnd end_;
  std::mutex ended_mutex_;
  bool ended_ = false;
};

/// How many appliers suit this machine.
[[nodiscard]] unsigned applier_count();

} // namespace osync::sink
