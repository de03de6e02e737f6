// The engine of one source and one replica: decides what is read, what is sent, and when the replica is up to date.
//
// A single-threaded state machine without system calls, clock or threads. Inputs: watch events, results of jobs,
// messages of the sink, requests of the user, and the time. Outputs, collected in SourceOutputs: jobs for the source's
// file system, messages, requests to the watcher, log lines, and answers to requests. The same object code runs in the
// daemon and, stepped by a seed, in simulation.
//
// Why nothing is lost (docs/architecture.md has the whole argument):
//  - Invariant 1: every path at which source and replica may differ is dirty, in flight, or below a directory that
//    still has to be scanned.
//  - Invariant 2: an entry's mark is cleared before its first read; a later change marks it again, and its operation
//    enters the stream after the first one's, because an entry has at most one open operation, and a scan's reading of
//    an entry is dropped when a look was begun after it.
//  - Invariant 3: a directory's path is only a guess; jobs compare identities, and a mismatch keeps what is pending on
//    the node and looks at the parent again.
//
// Bounds: jobs in progress, bytes read ahead, open cursors and files, listing pieces unanswered (SourceSettings);
// the stream's window; failures listed. Names of wanted entries are bounded by the listing pieces under way.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "engine/former_names.h"
#include "engine/hot_files.h"
#include "engine/link_index.h"
#include "engine/messages.h"
#include "engine/pending_tree.h"
#include "engine/rules.h"
#include "engine/source_jobs.h"
#include "engine/stream.h"
#include "engine/time.h"
#include "engine/work_counts.h"
#include "osync/logger.h"
#include "osync/policy.h"
#include "osync/watcher.h"

namespace osync::engine {

struct SourceSettings {
  std::string pipeline;
  std::string replica;
  std::string build;
  Uuid source{};
  ReplicaIdentity known_replica;    ///< of the last session; zero where there was none
  Timestamp since;                  ///< entries with a ctime at or after it are compared by content; zero: all
  bool had_entries = false;         ///< the source root was not empty when it was last seen
  std::uint64_t replica_entries = 0; ///< as counted by the last complete pass; 0: unknown
  std::optional<bool> delete_extra; ///< unset: yes, but not what an adopted replica had before; false: never delete
  bool delete_excluded = false;
  double hold_above_percent = 1;
  std::uint64_t hold_above_entries = 1000;
  bool directory_watches = true;    ///< Watcher::needs_directory_watches
  bool once = false;                ///< end when everything is durable
  bool end_with_sink = false;       ///< a sink that refuses or leaves ends the source too (both run in one process)
  std::uint64_t session_seed = 1;   ///< random; makes session numbers unique across restarts
  std::uint32_t workers = 2;        ///< reader threads: bounds jobs in progress
  std::uint64_t read_ahead = 8u << 20; ///< bytes of backlog read and not sent
  std::uint64_t bandwidth = 0;      ///< bytes a second; 0: no limit
  std::uint32_t durability_interval_ms = 5000;
  Time settle{std::chrono::milliseconds(20)};      ///< a file being written is read this long after its first event
  Time longest_damping{std::chrono::milliseconds(800)};
  Time first_retry{std::chrono::seconds(2)};
  Time longest_retry{std::chrono::minutes(5)};
  Time poll_interval{std::chrono::seconds(10)};    ///< of directories without a watch
  Time checkpoint_interval{std::chrono::seconds(10)};
  std::uint32_t torn_retries = 8;   ///< then a changing file is published, marked as possibly torn
};

/// A path that could not be brought over, as the user sees it.
struct FailureReport {
  std::string path;
  Code code = Code::io;
  std::string message;
  std::uint64_t attempts = 0;
};

/// Figures for `status`, `--progress` and the final report.
struct SourceStatus {
  enum class Phase : std::uint8_t { waiting, transferring, paused, stopping, ended };
  Phase phase = Phase::waiting;
  bool connected = false;
  bool initial_pass_done = false;
  std::uint64_t entries_sent = 0, bytes_sent = 0, removals_sent = 0, moves_sent = 0;
  std::uint64_t directories_scanned = 0, entries_compared = 0, directories_known = 0, directories_watched = 0;
  std::uint64_t directories_polled = 0;
  std::uint64_t live_pending = 0, backlog_pending = 0; ///< units of work; backlog's true size is not known
  std::uint64_t events = 0, rescans = 0;
  std::uint64_t in_flight_bytes = 0, window = 0, delivery_rate = 0;
  std::uint64_t sequence = 0, applied = 0, durable = 0;
  std::uint64_t failures = 0, possibly_torn = 0, held_deletions = 0, unsupported = 0;
  Time lag{0}; ///< age of the oldest live change that is not applied
  std::vector<std::string> mounts_skipped; ///< at most 100
  TransferReport transfer_report;
};

struct LogLine {
  LogLevel level;
  std::string text;
};

enum class Exit : std::uint8_t { running, done, failures, refused, peer_lost, fatal };

struct CheckpointReached {
  Time time{0};              ///< all changes reported before it are durable
  bool pass_complete = false; ///< everything was compared or sent at least once
  std::uint64_t entries = 0;
};

struct PrioritizedJob {
  SourceJob job;
  bool live = false;
};

/// What the engine wants done. The driver takes all of it after each round of inputs.
struct SourceOutputs {
  std::vector<PrioritizedJob> jobs;
  std::vector<SourceMessage> messages;
  std::vector<std::uint64_t> barriers;  ///< tokens for Watcher::request_barrier
  std::vector<ObjectId> unwatch;
  std::vector<std::uint64_t> flushed;   ///< tokens of flush() that are reached
  std::vector<CheckpointReached> checkpoints;
  std::optional<ReplicaIdentity> replica; ///< a session has begun with it: to be remembered
  std::vector<LogLine> log;
};

class SourceEngine {
 public:
  SourceEngine(SourceSettings settings, const ObjectId& root, Policy& policy, const Rules& rules);

  // ---- inputs; each may be followed by take_outputs() ----
  void connected(Time now);
  void disconnected(Time now);
  void received(SinkMessage message, Time now);
  void watched(const WatchEvent& event, Time now);
  void job_done(SourceJobResult result, Time now);
  /// Time has passed; also to be called once after every round of other inputs: hands out work.
  void advance(Time now);
  /// Everything changed before now is to become durable; `token` comes back in SourceOutputs::flushed.
  void flush(std::uint64_t token, Time now);
  /// Ship the live changes already seen, make them durable, end. With `drain` the backlog and all changes up to the
  /// end too, and the sink ends as well.
  void stop(bool drain, Time now);
  /// Ends at once; what is not durable is left for the next start.
  void abort() { finish(Exit::done, Status()); }
  /// The root's mount is gone (unmounted lazily), or `path` below it was mounted on or unmounted.
  void root_gone(Time now) { mark_parent(root_node, epoch_, now); }
  void mount_changed(const std::string& path, bool mounted, Time now);
  void pause(bool backlog_only, Time now);
  /// Goes on. `accept_deletions`: also with the deletions held by now, and with those that the present backlog finds.
  void resume(bool accept_deletions, Time now);
  /// A checkpoint was remembered: from now on entries with a ctime before `since` count as compared.
  void checkpointed(Timestamp since) { settings_.since = since; }

  // ---- outputs ----
  [[nodiscard]] SourceOutputs take_outputs();
  /// When advance() is wanted next at the latest, if nothing else happens.
  [[nodiscard]] Time next_wakeup() const;
  [[nodiscard]] Exit exit() const noexcept { return exit_; }
  [[nodiscard]] const Status& exit_status() const noexcept { return exit_status_; }
  [[nodiscard]] SourceStatus status(Time now) const;
  [[nodiscard]] std::vector<FailureReport> failures() const;
  /// Whether the replica held nothing when the present session began.
  [[nodiscard]] bool replica_was_empty() const noexcept { return sink_.empty; }
  /// Why a flush asked for now would have to wait, in words; empty: it would not.
  [[nodiscard]] std::string waiting_for() const;
  /// Everything that is marked or open, for tests and debugging: one line a directory.
  [[nodiscard]] std::string dump() const;

 private:
  enum class Session : std::uint8_t { none, welcomed, ready };

  // What a job in progress is about.
  struct OpenJob {
    enum class Kind : std::uint8_t { sweep, scan, look, find_links, open_file, read_file, close_file };
    Kind kind = Kind::look;
    NodeRef node;
    std::uint32_t placement = 0; ///< of looks: the node's when it was asked
    bool live = false;
    ScanMode mode = ScanMode::transfer;
    Epoch epoch = 0;
    std::uint64_t transfer = 0; ///< file jobs: key into transfers_
    std::uint64_t scan = 0;     ///< of scan jobs: results of a scan that was given up are void
    std::vector<std::string> names; ///< of looks
    bool self = false;          ///< a look that also answers the directory's own mark
    std::uint32_t budget = 0;
  };

  // A scan under way.
  struct Scan {
    NodeRef node;
    ScanMode mode = ScanMode::transfer;
    CursorId cursor = 0;
    bool started = false;
    bool job_open = false;
    bool ended = false;            ///< the last piece was read
    bool live = false;             ///< the directory has arrived by a live change
    bool doubt = false;            ///< as Node::scan_doubt
    std::uint32_t pieces_open = 0; ///< groups or listing pieces that are not sent or not answered
    std::uint64_t id = 0;          ///< also the number of its listing
    bool listed_before = false;    ///< a piece of the listing is already in the stream's queue
    Epoch epoch = 0;
  };

  // What the engine has to know of an operation besides what is sent.
  struct Note {
    ObjectId id;        ///< of directories and of files with several links
    bool fresh = false; ///< make_directory: the replica has nothing of that name
    bool arrived = false; ///< make_directory: it came by a reported change, and so what is in it is one too
    bool displaces = false; ///< make_directory: what the replica may have under this name is of another one
  };

  // An item on its way into the stream.
  struct Item {
    enum class Kind : std::uint8_t { look, scan, listing, stage, publish };
    Kind kind = Kind::look;
    bool live = false;
    bool self = false; ///< answers the directory's own mark
    NodeRef node;
    std::uint32_t placement = 0; ///< of looks: the node's when it was read; what was read at an earlier place is void
    std::uint64_t scan = 0;
    Epoch epoch = 0;
    Time since{0};
    std::uint64_t cost = 0;
    std::uint64_t job = 0; ///< that read it; orders readings of a directory's attributes
    std::optional<Attributes> directory_attributes;
    std::vector<Operation> operations;
    std::vector<Note> notes; ///< by operation index
    Buffer payload;
    ListingPiece piece;
    std::vector<std::pair<std::string, ObjectId>> listed_directories;
    std::uint64_t transfer = 0;
  };

  // Items that wait for the stream, in order. The live class has two lanes: single changes, and the contents of large
  // files and of directories that arrived whole (bulk). A single change waits for no more than one frame of bulk.
  struct Lane {
    std::deque<Item> items;
    std::uint64_t bytes = 0;
  };

  // A large file under way.
  struct Transfer {
    NodeRef node;
    std::string name;
    FileId file = 0;
    std::uint64_t stage = 0;
    Attributes attributes; ///< until it is open: as the look saw them
    ObjectId id;
    std::uint64_t offset = 0;
    std::uint64_t ready_bytes = 0;
    bool live = false;
    bool started = false; ///< no longer waiting for its turn
    bool job_open = false;
    bool data_ended = false;
    bool staged = false; ///< something of it is in the stream
    bool abandoned = false;
    Epoch epoch = 0;
    Time since{0};
  };

  struct Fence {
    enum class Kind : std::uint8_t { flush, checkpoint, once, drain, stop };
    Kind kind = Kind::flush;
    std::uint64_t token = 0;   ///< the user's, of a flush
    std::uint64_t barrier = 0; ///< the watcher's
    Epoch epoch = 0;
    Time asked{0};
    bool barrier_passed = false;
    bool cleared = false;
    std::uint64_t sequence = 0; ///< must become durable
  };

  // A pass over all directories for the other names of files whose links have increased.
  struct LinkSearch {
    std::unordered_set<std::uint64_t> wanted; ///< for the next pass
    Epoch wanted_epoch = 0;
    std::shared_ptr<const std::unordered_set<std::uint64_t>> inodes; ///< of the pass under way; null: none
    std::vector<NodeRef> directories;                                ///< still to be read
    std::uint32_t jobs_open = 0;
    Epoch epoch = 0;
  };

  struct Failure {
    Code code = Code::io;
    std::string message;
    std::uint64_t attempts = 0;
  };

  struct Timer {
    Time due{0};
    NodeRef node;
    std::string name; ///< empty: the node itself
    bool operator>(const Timer& other) const { return due > other.due; }
  };

  // An entry (or, with an empty name, a directory itself) whose time to be read has come.
  struct Due {
    NodeRef node;
    std::string name;
  };

  struct PieceUnderWay {
    NodeRef node;
    std::uint64_t scan = 0;
    Epoch epoch = 0;
    bool live = false;
    bool doubt = false;
    std::vector<std::pair<std::string, ObjectId>> directories;
    std::unordered_set<std::string> wanted;
  };

  // ---- source_marks.cpp: what is to do ----
  void mark_entry(NodeIndex node, std::string_view name, bool live, Epoch epoch, std::uint8_t hints, Time now,
                  Time due);
  void mark_self(NodeIndex node, Epoch epoch, Time now);
  void mark_parent(NodeIndex node, Epoch epoch, Time now);
  void enqueue(NodeIndex node, std::string_view name, Time now);
  void requeue_node(NodeIndex node, Time now);
  void set_live(PendingEntry& entry);
  void need_scan(NodeIndex node, Epoch epoch, bool live = false);
  void rescan(NodeIndex node);
  void push_scan(NodeIndex node);
  [[nodiscard]] Epoch drop_marks(NodeIndex node, Epoch epoch, Time now);
  void unplace(NodeIndex top, Epoch epoch, Time now);
  void detach(NodeIndex node, Time now);
  void want_place(NodeIndex node, Epoch epoch, Time now);
  void forget_name(NodeIndex node, std::string_view name, Time now);
  void placed_directory(NodeIndex node, bool fresh, Epoch epoch, bool live, Time now);
  void rescan_everything(Time now);
  void erase_node(NodeIndex node, Time now);
  [[nodiscard]] NodeRef ref(NodeIndex index) const { return {index, tree_[index].generation}; }
  [[nodiscard]] bool alive(NodeRef node) const {
    return node.index != no_node && tree_[node.index].used && tree_[node.index].generation == node.generation;
  }

  // ---- source_moves.cpp: directories that move ----
  [[nodiscard]] NodeIndex found_directory(NodeIndex parent, const std::string& name, const ObjectId& id, Time now);
  void attach(NodeIndex node, NodeIndex parent, const std::string& name, Time now);
  [[nodiscard]] std::uint64_t vacate(NodeIndex parent, std::string_view name, Time now);
  void stop_reading_below(NodeIndex top, bool all, Time now);
  [[nodiscard]] bool settle_directory(NodeIndex node, NodeIndex parent, Operation& operation, Sent& sent, Time now);
  void move_failed(const Sent::Moved& moved, Time now);
  void ask_for_detached(Time now);
  void search_detached(Time asked, Time now);
  [[nodiscard]] bool live_changes_looked_at() const;
  void collect_detached(Time now);
  void release_limbo(const std::vector<std::uint64_t>& numbers, Time now);

  // ---- source_scan.cpp: sweep and scan ----
  void hand_out_sweeps();
  void hand_out_scans(bool live, Time now);
  [[nodiscard]] bool may_scan(bool live, Time now) const;
  void start_scan(NodeIndex node);
  void continue_scan(Scan& scan);
  void on_sweep(const OpenJob& job, SweepResult result, Time now);
  void on_scan_piece(JobId id, const OpenJob& job, ReadResult result, Time now);
  void on_list_piece(JobId id, const OpenJob& job, ListResult result, Time now);
  void retry_scan(NodeIndex node, Epoch epoch, Time now);
  void scan_failed(NodeIndex node, const Status& status, Time now);
  [[nodiscard]] Scan* find_scan(NodeRef node, std::uint64_t id);
  void note_mount(std::string path);
  void note_watch(NodeIndex node, const Status& watch, bool asked);
  void finish_scan_piece(NodeRef node, std::uint64_t scan, Time now);
  void close_scan(NodeIndex node, bool complete, Time now);
  void on_answer(const ListingAnswer& answer, Time now);
  void on_extras(NodeIndex node, const ListingAnswer& answer, const PieceUnderWay& piece, Time now);
  void on_listed_directories(NodeIndex node, PieceUnderWay& piece, Time now);
  void poll_unwatched(Time now);

  // ---- source_look.cpp: looks at single entries ----
  void hand_out_looks(Time now);
  [[nodiscard]] bool issue_look(bool live, Time now);
  [[nodiscard]] bool take_due(const Due& due, OpenJob& job, Time now);
  void on_look(JobId id, const OpenJob& job, ReadResult result, Time now);
  void on_entry(NodeIndex node, EntryRead& read, Item& item, bool from_scan, bool live, Epoch epoch, Time now);
  void look_failed(NodeIndex node, const OpenJob& job, const Status& status, Time now);
  void on_linked(NodeIndex node, EntryRead& read, Item& item, bool from_scan, bool live, Epoch epoch, Time now);
  void link_content_sent(NodeIndex node, const std::string& name, const ObjectId& id, const Attributes& attributes,
                         bool live, Epoch epoch, Time now);
  /// What a hint says of the file itself, whatever its names.
  static constexpr std::uint8_t renamed = 0x80; ///< beside WatchEvent::Hint: the kernel named another end of a move
  static constexpr std::uint8_t of_the_file = WatchEvent::content | WatchEvent::attributes | WatchEvent::closed;
  void mark_other_names(NodeIndex node, std::string_view name, bool same_directory, Epoch epoch, Time now);
  void link_name_lost(NodeIndex node, std::string_view name, std::uint8_t hints, Epoch epoch, Time now);
  void recount_links(LinkIndex::Group& group, Epoch epoch, Time now);
  void note_former_name(const ObjectId& directory, std::string_view name, const LinkIndex::Group& group);
  void links_in_removed_directory(NodeIndex node);
  void met_name(std::uint64_t inode, NodeIndex node, std::string_view name);
  void met_written_name(NodeIndex node, const EntryRead& read);
  void written_name_gone(NodeIndex node, std::string_view name, std::uint64_t present_inode);
  void wake_names_behind(const WatchEvent& event, Time now);
  void on_recounted(NodeIndex node, const std::string& name, const LinkKey& key, const Attributes& attributes, Epoch epoch,
                    Time now);
  [[nodiscard]] const LinkIndex::Name* leader_of(const LinkIndex::Group& group) const;
  void link_operation_failed(NodeRef node, std::string_view name, Time now);
  void search_links(LinkIndex::Group& group, const Attributes& attributes, Epoch epoch);
  void met_in_listing(NodeIndex node, const ListedEntry& entry, Epoch epoch, Time now);
  void forget_link(NodeIndex node, const EntryRead& read, Epoch epoch, Time now);
  void hand_out_link_search();
  void on_links_found(const OpenJob& job, LinksFound result, Time now);
  void end_link_search();
  void retry_entry(NodeIndex node, std::string_view name, bool live, Epoch epoch, const Status& status, Time now);
  void reopen_entry(NodeIndex node, std::string_view name, bool live, Epoch epoch, Time now, Time due);
  void close_entry(NodeIndex node, std::string_view name, Time now);

  // ---- source_files.cpp: large files ----
  void start_transfer(NodeIndex node, const EntryRead& read, bool live, Epoch epoch, Time now);
  void hand_out_transfers(Time now);
  void on_opened(const OpenJob& job, FileOpened result, Time now);
  void on_chunk(const OpenJob& job, FileChunk result, Time now);
  void on_closed(const OpenJob& job, FileClosed result, Time now);
  void abandon_transfer(std::uint64_t key, const Status& status, Time now);
  void abandon_transfers_in(NodeIndex node, Time now);
  void discard_stage(NodeRef node, std::uint64_t stage, bool live, Time now);

  // ---- source_emit.cpp: into the stream ----
  void emit(Time now);
  [[nodiscard]] bool emit_frame(Time now);
  [[nodiscard]] bool finalize(Item& item, OperationGroup& group, Sent& sent, Time now);
  void finalize_operations(Item& item, OperationGroup& group, Sent& sent, Time now);
  [[nodiscard]] bool finalize_operation(Item& item, std::size_t index, OperationGroup& group, Sent& sent, Time now);
  [[nodiscard]] bool finalize_directory(Item& item, std::size_t index, OperationGroup& group, Sent& sent, Time now);
  static void put_aside(const std::string& name, std::uint64_t number, OperationGroup& group, Sent& sent);
  void after_operation(Item& item, std::size_t index, Time now);
  void void_item(Item& item, Time now);
  void push_item(Item item);
  [[nodiscard]] Lane& lane_of(const Item& item);
  [[nodiscard]] Lane& choose_live_lane();
  [[nodiscard]] Lane* choose_lane(Time now, std::uint64_t& quantum);

  // ---- source_session.cpp: the peer ----
  void on_register(const Register& message, Time now);
  void on_ready(const Ready& message, Time now);
  void on_acknowledge(const Acknowledge& message, Time now);
  void on_failure(const WireFailure& failure, Time now);
  void failed_aside(const Sent& sent, const WireFailure& failure, Time now);
  void on_unregister(const Unregister& message, Time now);
  void protocol_error(std::string what);
  void lose_session(Time now);
  void request_sync(std::uint64_t sequence, bool all_compared = false);

  // ---- source_fences.cpp: flush, checkpoint, end ----
  void add_fence(Fence::Kind kind, std::uint64_t token, Time now);
  void on_barrier(std::uint64_t token, Time now);
  void advance_fences(Time now);
  void fence_reached(const Fence& fence, Time now);
  void reopen_fences(std::uint64_t sequence);
  void finish(Exit exit, Status status);
  void record_failure(std::string path, const Status& status);
  void clear_failure(NodeIndex node, std::string_view name);
  void fire_timers(Time now);
  void say(LogLevel level, std::string text);

  SourceSettings settings_;
  Policy& policy_;
  const Rules& rules_;
  PendingTree tree_;
  Stream stream_;
  WorkCounts counts_;
  LinkIndex links_;
  FormerNames former_names_;
  FormerNames written_names_{8192}; ///< that files are being written through
  HotFiles hot_files_;
  LinkSearch link_search_;
  SourceOutputs outputs_;

  Session session_state_ = Session::none;
  std::uint64_t session_ = 0;
  std::uint64_t sessions_begun_ = 0;
  Ready sink_;
  bool connected_ = false;
  bool replica_is_ours_ = false; ///< all that it holds was sent by this engine
  bool all_compared_said_ = false; ///< in this session
  bool paused_all_ = false, paused_backlog_ = false;
  Time backlog_held_until_{0}; ///< the sink is full
  Exit exit_ = Exit::running;
  Status exit_status_;
  bool stopping_ = false, draining_ = false, farewell_sent_ = false, once_fence_set_ = false;

  JobId next_job_ = 1;
  std::unordered_map<JobId, OpenJob> jobs_;
  std::uint32_t sweeps_open_ = 0, scans_open_ = 0, live_scans_open_ = 0, live_jobs_open_ = 0, backlog_looks_open_ = 0;
  std::uint32_t cursors_open_ = 0;
  std::vector<NodeRef> sweep_stack_;
  std::vector<NodeRef> scan_stack_, live_scan_stack_;
  std::unordered_map<NodeIndex, Scan> scans_;
  std::deque<Due> due_live_, due_backlog_;
  std::map<std::uint64_t, Transfer> transfers_;
  std::deque<std::uint64_t> transfers_waiting_;
  std::uint64_t next_transfer_ = 1;
  std::uint64_t next_scan_ = 1;
  std::uint32_t transfers_open_live_ = 0, transfers_open_backlog_ = 0;
  std::unordered_map<std::uint64_t, PieceUnderWay> pieces_; ///< by sequence number
  Lane live_lane_, live_bulk_lane_, backlog_lane_;
  std::uint32_t live_frames_in_a_row_ = 0; ///< single changes' while bulk waits
  std::uint64_t backlog_requested_bytes_ = 0; ///< budget of scan and backlog jobs in progress
  Time last_backlog_frame_{0};
  double bandwidth_tokens_ = 0;
  Time bandwidth_time_{0};

  Epoch epoch_ = 1;
  std::vector<Fence> fences_;
  std::uint64_t next_barrier_ = 1;
  std::uint64_t detached_barrier_ = 0; ///< asked for to be sure of detached directories; 0: none
  Time detached_asked_{0};
  Time detached_search_asked_{0}; ///< when the barrier was asked for that has passed
  Time detached_search_ends_{0}; ///< the barrier has passed, and what it covers is being looked at; 0: no
  Time last_checkpoint_{0};
  bool checkpoint_under_way_ = false;
  bool initial_pass_done_ = false;
  std::uint64_t sync_asked_ = 0;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::map<std::string, Failure> failures_;
  std::uint64_t failures_unlisted_ = 0;
  std::deque<std::pair<Time, std::uint64_t>> recent_extras_;
  std::vector<NodeRef> held_nodes_;
  bool deletions_accepted_ = false; ///< until the backlog of the moment is done
  bool hold_said_ = false;
  std::vector<NodeIndex> unwatched_;
  Time last_poll_{0};
  std::map<std::uint64_t, Time> live_in_flight_; ///< sequence -> since, for lag
  SourceStatus figures_;
  std::uint64_t pass_entries_ = 0;
  std::unordered_set<std::string> mounts_seen_;
};

} // namespace osync::engine
