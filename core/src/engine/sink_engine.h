// The engine of one replica: registers with its source, orders what arrives, compares listings, acknowledges.
//
// A single-threaded state machine without system calls, clock or threads. Inputs: the connection's state,
// messages of the source, results of jobs, and the time. Outputs: messages, jobs for applier threads, a
// request to claim the replica, lines for the log, and the end of a session or of all. The runtime
// (core/src/sink/) drives it: after each input it takes messages, jobs, notes and the claim request, and
// looks at finished().
//
// Sessions. One at a time, and never two generations of appliers (RULES.md 12): when a session ends, what was
// not handed out is dropped, what was is waited for, stages that are left are discarded, and only then the
// next session is claimed (with a greater epoch) and READY is sent. Messages of another session are counted
// and ignored.
//
// Acknowledgements. `applied` counts failures too: each is reported once, and repeating is the source's
// business. `durable` is what was applied when a successful Sink::sync began. A failed sync ends the session,
// because then nothing since the last good one is certain; the source makes all that pending again, and
// contents are compared from then on.
//
// Threads: one. Jobs: at most `order.appliers` ApplyJob and InspectJob at a time, and beside them at most one
// SyncJob. Bounds: the window (and one frame) of items waiting; ApplyOrder's, SinkListings' and LinkMap's
// own; `stage_bound` open stages; `note_bound` lines nobody took.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/apply_order.h"
#include "engine/compare.h"
#include "engine/messages.h"
#include "engine/sink_admission.h"
#include "engine/sink_jobs.h"
#include "engine/sink_listings.h"
#include "engine/sink_progress.h"
#include "engine/time.h"
#include "osync/logger.h"
#include "osync/sink.h"

namespace osync::engine {

/// Whether the source is told what the replica has beyond its listings (INTERFACE.md, safety defaults).
enum class DeleteExtra : std::uint8_t {
  unless_adopted, ///< nothing was said: an adopted replica keeps what it had
  always,         ///< `delete: {extra: true}` is written, or --delete-extra given
  never,          ///< --keep-extra
};

struct SinkSettings {
  std::string pipeline;
  std::string replica_name;
  std::string build;
  Uuid new_replica{};               ///< random: the identity of a replica that has none yet
  std::uint64_t window = 16u << 20; ///< bytes (of credit_cost) granted to the source
  ApplyOrder::Limits order;         ///< `appliers` is the number of jobs at a time
  SinkListings::Limits listings;
  bool adopt = false;
  bool take_over = false;
  DeleteExtra delete_extra = DeleteExtra::unless_adopted;
  Time report_interval{std::chrono::seconds(1)};
  Time acknowledge_interval{std::chrono::milliseconds(2)};
  std::uint64_t sync_bytes = 64u << 20; ///< of credit_cost; a sync begins once so much was applied, also before its time
  std::uint64_t extra_count_bound = 1'000'000; ///< entries counted below an extra directory
  std::size_t link_bound = 131'072;            ///< pairs of inodes that LinkMap holds
  std::uint32_t failed_sessions = 3; ///< in a row without a successful sync: then the engine gives up
  unsigned without_order_rules = 0;  ///< ApplyOrder::Rule, for tests
};

/// The runtime is to call Sink::claim with this, no job being in progress, and to answer with claimed().
struct ClaimRequest {
  ReplicaIdentity identity;
  bool adopt = false;
};

/// How a session, or everything, ended. No job is in progress, and the last messages have been handed out.
struct SinkEnd {
  enum class Reason : std::uint8_t {
    stopped,  ///< stop() was called
    farewell, ///< the source ended the session
    refused,  ///< by either side, for safety or for its version: nothing was written
    failed,   ///< the stream contradicted the protocol, or the replica failed
  };
  Reason reason = Reason::stopped;
  Status status; ///< ok for stopped and farewell, unless not everything could be made durable
  bool end_process =
      true; ///< false: drop the connection, call disconnected(), and connect again after a pause
};

struct SinkNote {
  LogLevel level = LogLevel::info;
  std::string text;
};

/// Figures for `status`. Totals since the engine was made, where not said otherwise.
struct SinkCounters {
  static constexpr std::size_t codes = static_cast<std::size_t>(Code::internal) + 1;
  std::uint64_t sessions = 0;
  std::uint64_t groups = 0;
  std::uint64_t operations = 0;
  std::uint64_t entries = 0; ///< changed
  std::uint64_t bytes = 0;   ///< of payload applied
  std::uint64_t listing_pieces = 0, entries_compared = 0, wants = 0, extras = 0;
  std::uint64_t removals = 0, possibly_torn = 0; ///< operations that did not fail
  std::uint64_t operations_failed = 0; ///< a group that failed as a whole counts once
  std::array<std::uint64_t, codes> failures_by_code{};
  std::uint64_t syncs = 0, syncs_failed = 0;
  std::uint64_t acknowledgements = 0;
  std::uint64_t ignored_messages = 0; ///< of an older session, or after its end
  // Now, and of this session:
  std::uint64_t received = 0, applied = 0, durable = 0;
  std::uint64_t window_used = 0;
  std::uint64_t items_waiting = 0, jobs_running = 0, stages_open = 0, listings_open = 0;
};

class SinkEngine {
 public:
  static constexpr std::size_t stage_bound = 65'536;
  static constexpr std::size_t note_bound = 256;
  static constexpr std::size_t failures_in_message = 512; ///< below wire::max_failures, and a message's bound

  /// `state` and `capabilities` as Sink::open told them.
  SinkEngine(SinkSettings settings, ReplicaState state, SinkCapabilities capabilities);

  // ---- inputs ----
  void connected(Time now);
  /// The connection is gone: messages not taken are void.
  void disconnected(Time now);
  void received(SourceMessage message, Time now);
  void job_done(SinkJobResult result, Time now);
  /// The answer to claim_request().
  void claimed(const Status& status, Time now);
  /// Time has passed: to be called at next_wakeup() at the latest.
  void tick(Time now);
  /// Ends everything: what was received is applied first, unless `immediate`; what was applied is made
  /// durable. May be called again to become immediate.
  void stop(Time now, bool immediate);

  // ---- outputs ----
  [[nodiscard]] std::vector<SinkMessage> take_messages();
  [[nodiscard]] std::vector<SinkJob> take_jobs();
  [[nodiscard]] std::vector<SinkNote> take_notes();
  /// Handed out once for each claim.
  [[nodiscard]] std::optional<ClaimRequest> claim_request();
  /// When tick() is wanted next, if nothing else happens.
  [[nodiscard]] std::optional<Time> next_wakeup() const;
  /// Set while a session is over (see SinkEnd); void again after disconnected(), unless the process is to
  /// end.
  [[nodiscard]] std::optional<SinkEnd> finished() const;
  [[nodiscard]] SinkCounters counters() const;
  [[nodiscard]] std::uint64_t session() const noexcept { return session_; }
  [[nodiscard]] bool streaming() const noexcept { return phase_ == Phase::streaming; }

 private:
  enum class Phase : std::uint8_t {
    offline,     ///< no connection
    registering, ///< Register is sent, or waits for a claim that is under way
    settling,    ///< welcomed; jobs of the session before are in progress
    claiming,    ///< Sink::claim is under way
    streaming,   ///< READY was sent
    ending,      ///< farewell or stop: what was received is being applied and made durable
    over,        ///< the session is over; jobs may be in progress
  };

  // What a job in progress is about.
  struct OpenJob {
    std::uint64_t generation = 0; ///< of the session that it belongs to
    std::uint64_t work = 0;       ///< ApplyOrder's; 0: stages of an older session are discarded
    std::uint64_t listing = 0;    ///< sequence number of the piece; 0: groups
    std::vector<std::shared_ptr<const OperationGroup>> groups;
  };
  struct OpenSync {
    SinkJobId id = 0;
    std::uint64_t generation = 0;
    std::uint64_t applied = 0;   ///< when it began
    std::uint64_t completed = 0; ///< likewise
    bool clears_suspicion = false;
  };

  // ---- sink_engine.cpp: the session ----
  void send_register();
  void on_welcome(const Welcome& message, Time now);
  void on_refuse(const Refuse& message, Time now);
  void on_farewell(const Farewell& message);
  void begin_claim();
  void cancel_claim();
  void send_ready(Time now);
  void drop_session();
  void begin_ending(SinkEnd end);
  void drop_waiting();
  void finish_ending(Time now);
  void end_session(SinkEnd end, Status unregister, Time now);
  void fail_session(Status status, Time now);
  void ignore(const char* what);
  [[nodiscard]] bool jobs_idle() const noexcept;
  void pump(Time now);
  void say(LogLevel level, std::string text);

  // ---- sink_transfer.cpp: the stream and its jobs ----
  void on_frame(Frame frame, Time now);
  [[nodiscard]] Status accept_item(StreamItem item);
  void hand_out_work();
  void discard_stages();
  [[nodiscard]] std::optional<OpenJob> close_job(SinkJobId id);
  void on_applied(ApplyDone done, Time now);
  void on_group_applied(const OperationGroup& group, const GroupResult& result, bool current);
  void on_stages_discarded(const ApplyDone& done);
  void track_stages(const OperationGroup& group, const GroupResult& result);
  void on_inspected(InspectDone done, Time now);
  void item_completed(Time now);

  // ---- sink_durability.cpp: sync, acknowledgements, reports ----
  void on_sync_request(const SyncRequest& message);
  void begin_sync();
  void sync_failed(const Status& status, Time now);
  [[nodiscard]] bool unsynced() const noexcept { return completed_ > synced_; }
  [[nodiscard]] std::optional<Time> sync_due() const;
  void sync_if_due(Time now);
  void on_synced(const SyncDone& done, Time now);
  [[nodiscard]] bool acknowledge_wanted() const;
  void acknowledge_if_due(Time now);
  void acknowledge(Time now);
  void report_if_due(Time now);
  void report(Time now, bool final);

  SinkSettings settings_;
  ReplicaState state_;
  SinkCapabilities capabilities_;
  CompareContext compare_;
  Phase phase_ = Phase::offline;
  bool registered_ = false; ///< Register was sent on this connection, and neither side has ended the session
  bool ready_sent_ = false; ///< in this session
  std::uint64_t session_ = 0;
  std::uint64_t generation_ =
      1; ///< counts sessions on this side; results of older ones do not touch the stream
  std::uint32_t failed_sessions_ = 0;
  bool compare_contents_ = false;
  Admission admission_;
  bool claim_wanted_ = false;      ///< to be handed out
  bool claim_outstanding_ = false; ///< handed out and not answered
  SinkEnd end_;                    ///< in phases ending and over
  bool dropped_ = false;           ///< ending: not everything that was received is applied

  ApplyOrder order_;
  SinkListings listings_;
  LinkMap links_;
  SinkProgress progress_;
  std::unordered_map<SinkJobId, OpenJob> jobs_;
  std::optional<OpenSync> sync_;
  SinkJobId last_job_ = 0;
  std::unordered_set<std::uint64_t> stages_; ///< written to and neither published nor discarded

  std::vector<SinkMessage> messages_;
  std::vector<SinkJob> ready_jobs_;
  std::deque<SinkNote> notes_;

  Time durability_interval_{std::chrono::seconds(5)};
  std::uint64_t completed_ = 0, synced_ = 0; ///< items completed, and of those before the last good sync
  std::optional<Time> unsynced_since_;
  std::uint64_t unsynced_bytes_ = 0; ///< of credit_cost, completed since the last sync began
  std::uint64_t sync_wanted_ = 0;    ///< SyncRequest: wait for this, then sync; 0: none
  std::optional<std::uint64_t> all_compared_at_; ///< once this is applied and synced nothing is suspect any more
  std::deque<WireFailure> failures_; ///< not reported yet
  bool acknowledge_now_ = false;
  std::uint64_t acknowledged_applied_ = 0, acknowledged_durable_ = 0, acknowledged_freed_ = 0;
  Time last_acknowledge_{0};
  Time last_report_{0};
  bool report_changed_ = false;
  SinkCounters counters_;
  TransferReport session_figures_;
};

} // namespace osync::engine
