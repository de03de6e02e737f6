// Drives one SourceEngine: the engine's thread with its inbox, the watcher's thread, the reader's workers and the link to
// the sink. See docs/architecture.md for the way of a change through them.
//
// Threads: run() makes the calling thread the engine's; post() and request_stop() from any thread.
// Bounds: the inbox holds at most the jobs in progress, a few batches of the watcher (whose thread waits while
// `batches_bound` are not consumed) and what the link received (bounded by what the sink has to say about the window).
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <optional>
#include <map>
#include <thread>
#include <variant>
#include <vector>

#include "base/inbox.h"
#include "engine/source_engine.h"
#include "osync/logger.h"
#include "osync/policy.h"
#include "osync/transport.h"
#include "osync/watcher.h"
#include "session/peer_link.h"
#include "source/attribute_choice.h"
#include "source/job_pool.h"
#include "source/mount_guard.h"
#include "source/reader.h"
#include "source/source_root.h"
#include "source/source_state.h"

namespace osync::source {

struct SourceParts {
  SourceRoot& root;
  Watcher& watcher;
  Policy& policy;
  Transport& transport; ///< listening
  const engine::Rules& rules;
  AttributeChoice attributes;
  SourceState& state;
  std::mutex& state_mutex; ///< several replicas share the state
  Logger& logger;
};

class SourceRuntime {
 public:
  using Request = std::function<void(engine::SourceEngine&, engine::Time)>;

  SourceRuntime(SourceParts parts, engine::SourceSettings settings);
  ~SourceRuntime();
  SourceRuntime(const SourceRuntime&) = delete;
  SourceRuntime& operator=(const SourceRuntime&) = delete;

  /// Runs until the engine ends. Call once.
  void run();

  /// Runs `request` in the engine's thread, soon. After run() has ended: does nothing.
  void post(Request request);

  /// Posts a flush and waits for it in the calling thread. False: not reached before `deadline`, or the engine ended.
  bool flush(std::chrono::steady_clock::time_point deadline);
  /// Posts a comparison of everything and waits for its report in the calling thread (SourceEngine::verify). Nothing: not
  /// done before `deadline` (it goes on), or the engine ended.
  std::optional<engine::VerifyReport> verify(bool checksum, bool repair, std::chrono::steady_clock::time_point deadline);

  /// A copy of the engine's figures, made in its thread; the last ones once it has ended. Any thread.
  [[nodiscard]] engine::SourceStatus status();
  [[nodiscard]] std::vector<engine::FailureReport> failures();
  [[nodiscard]] std::string waiting_for();

  /// After run().
  [[nodiscard]] engine::Exit exit() const { return engine_.exit(); }
  [[nodiscard]] const Status& exit_status() const { return engine_.exit_status(); }

 private:
  static constexpr std::uint32_t batches_bound = 4;

  using WatchBatch = std::vector<WatchEvent>;
  struct PeerMessage {
    PeerId peer;
    engine::SinkMessage message;
  };
  struct PeerConnected {
    PeerId peer;
  };
  struct PeerLost {
    PeerId peer;
  };
  struct WatcherFailed {
    Status status;
  };
  using Input = std::variant<WatchBatch, engine::SourceJobResult, PeerMessage, PeerConnected, PeerLost, WatcherFailed, Request>;

  void watch();
  void handle(Input input, engine::Time now);
  void perform(engine::SourceOutputs outputs, engine::Time now);
  void on_peer_message(PeerMessage input, engine::Time now);
  void remember_replica(const ReplicaIdentity& identity);
  void remember_checkpoint(const engine::CheckpointReached& checkpoint, engine::Time now);
  void save_state();
  void begin_guard();
  /// Calls `ask` in the engine's thread and waits for it; in the calling thread once the engine has ended.
  template <class Answer>
  Answer ask(std::function<Answer(engine::SourceEngine&, engine::Time)> question);

  SourceParts parts_;
  std::string replica_;
  SourceReader reader_;
  MountGuard guard_;
  engine::SourceEngine engine_;
  Inbox<Input> inbox_;
  std::unique_ptr<session::PeerLink> link_;
  std::unique_ptr<JobPool> pool_;
  std::thread watcher_thread_;
  std::atomic<bool> stopping_{false};
  std::mutex batches_mutex_;
  std::condition_variable batches_consumed_;
  std::uint32_t batches_waiting_ = 0;
  PeerId peer_ = 0;
  std::mutex ended_mutex_; ///< orders post() against the end of run()
  bool ended_ = false;
  std::mutex flush_mutex_;
  std::condition_variable flush_done_;
  std::vector<std::uint64_t> flushes_done_;
  std::set<std::uint64_t> verifies_awaited_; ///< reports of others are dropped
  std::map<std::uint64_t, engine::VerifyReport> verifies_done_;
  std::uint64_t next_flush_ = 1;
};

} // namespace osync::source
