// What goes into the source engine besides inputs as they happen, and what comes out of it: settings, figures, reports, and
// the outputs that its driver takes after each round.
// Plain values; no thread of their own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/difference.h"
#include "engine/messages.h"
#include "engine/source_jobs.h"
#include "engine/time.h"
#include "osync/logger.h"
#include "osync/status.h"
#include "osync/types.h"

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
  Time verify_every{0};             ///< compare everything so often; 0: never
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

/// What `osync verify` found.
struct VerifyReport {
  struct Entry {
    std::string path;
    Difference difference = Difference::none; ///< none: the replica has it, and the source does not
  };
  std::uint64_t token = 0;
  std::vector<Entry> differences;
  std::vector<std::pair<std::string, Status>> failed; ///< directories that one side could not list
  std::vector<std::string> changing; ///< changed so fast that they could not be compared
  std::uint64_t unlisted = 0;        ///< differences beyond what is listed
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
  std::vector<VerifyReport> verified;
  std::optional<ReplicaIdentity> replica; ///< a session has begun with it: to be remembered
  std::vector<LogLine> log;
};

} // namespace osync::engine
