// A sink is where one replica lives: it applies operations, tells what it has, and makes it durable.
//
// A sink never writes outside its root, whatever stands in paths or in the tree (a symlink put there by somebody else
// included), and a reader of the replica sees the old file or the new one. It takes no decisions: ordering, comparison
// and retries are the engine's; a failed operation is reported and left as it was before.
//
// Threads: open(), claim() and close() come from one thread with nothing else in progress. apply(), inspect() and
// list() come from several threads at once; the engine never runs two groups at once of which one touches an entry,
// its ancestors or its descendants that the other touches. sync() may run beside all of them.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "osync/operation.h"
#include "osync/status.h"
#include "osync/types.h"

namespace osync {

using Uuid = std::array<std::uint8_t, 16>; ///< all zero: none

/// Kept in the replica itself (`.osync/` of a file system).
struct ReplicaIdentity {
  Uuid source{};           ///< the source that this replica belongs to
  Uuid replica{};
  std::uint64_t epoch = 0; ///< grows with every session, so that a sender of an old one is told apart
};

/// How the engine found the replica.
struct ReplicaState {
  enum class Content : std::uint8_t { empty, own_identity, foreign_content }; ///< foreign: not empty, no identity
  Content content = Content::empty;
  ReplicaIdentity identity; ///< where content is own_identity
  /// Set after an unclean end of the machine: entries with a ctime at or after it may hold bytes that were never
  /// written, although size and mtime are right (RULES.md 3), and are to be compared by content.
  std::optional<Timestamp> suspect_since;
  /// Whether an earlier claim was an adoption: entries that were there before are only deleted on request.
  bool adopted = false;
};

/// What the replica's file system and this process's privileges cannot keep; compared attributes are reduced by it.
struct SinkCapabilities {
  bool owners = true;         ///< may set any uid and gid
  bool devices = true;        ///< may make device nodes
  bool xattrs = true;         ///< user.*; more with privilege
  bool privileged_xattrs = true; ///< trusted.*, security.*
  bool hard_links = true;
  bool case_sensitive = true;
  std::uint32_t time_granularity_ns = 1; ///< mtime is kept in multiples of this
  std::string description;    ///< for the log: file system type, and what cannot be kept in words; empty: all is kept
};

/// One entry to be told about by inspect().
struct InspectItem {
  std::string name;
  bool want_digest = false; ///< digest of a regular file's content, and extended attributes of any entry
};

struct InspectedEntry {
  Status status;         ///< not_found: absent
  Attributes attributes; ///< xattrs only where want_digest was set
  std::string target;    ///< of a symlink
  Digest digest;         ///< where want_digest was set and the entry is a regular file
};

struct ListedName {
  std::string_view name; ///< valid during the call
  FileType type = FileType::unknown;
};

class Sink {
 public:
  virtual ~Sink() = default;

  /// Locks the replica for this process and looks at it. Changes nothing but the lock, and makes the root directory
  /// itself where only its last component is missing. Errors: invalid (not a directory), conflict (locked by another
  /// process), denied, read_only.
  virtual Status open(ReplicaState& state, SinkCapabilities& capabilities) noexcept = 0;

  /// Writes the identity (durably) and makes the replica ready to be applied to; called once a session, with nothing else
  /// in progress, and never where the engine refuses. `adopt` is recorded.
  virtual Status claim(const ReplicaIdentity& identity, bool adopt) noexcept = 0;

  /// The identity (device, inode) of the root and of all its ancestors, to find roots that are nested.
  virtual Status ancestry(std::vector<std::pair<std::uint64_t, std::uint64_t>>& devices_and_inodes) noexcept = 0;

  /// Applies one group. `result` is cleared first. Failures are in it; the call itself cannot fail.
  virtual void apply(const OperationGroup& group, GroupResult& result) noexcept = 0;

  /// Tells about entries of `directory`, in the order asked. Errors (not_found and others) concern the directory.
  virtual Status inspect(const std::string& directory, const std::vector<InspectItem>& items,
                         std::vector<InspectedEntry>& entries) noexcept = 0;

  /// Calls `visit` with every entry of `directory` (the sink's own `.osync` in the root left out) until it returns
  /// false. A directory that cannot be read to its end is an error: its listing must not be used.
  virtual Status list(const std::string& directory, const std::function<bool(const ListedName&)>& visit) noexcept = 0;

  /// Counts the entries at and below `directory`/`name`, up to `bound`.
  virtual Status count(const std::string& directory, const std::string& name, std::uint64_t bound,
                       std::uint64_t& entries) noexcept = 0;

  /// Makes everything durable that was applied before the call began (syncfs(2), one group commit) and records the
  /// point for suspect_since. An error means that nothing since the last success is certain.
  virtual Status sync() noexcept = 0;

  /// A clean end: removes stages, notes that the replica was closed well, releases the lock.
  virtual Status close() noexcept = 0;

  /// Everything that ReplicaState::suspect_since named has been compared by content or sent again. Until this call it is
  /// named at every open(). Between claim() and close(); any thread.
  virtual Status clear_suspicion() noexcept { return {}; }

  /// Does work that nobody waits for, such as deleting what was removed or displaced, for about `budget`;
  /// returns whether nothing is left that can be done now. One thread calls it, between the first claim() and
  /// close(), beside apply(), inspect(), list() and count() and never beside the others: again and again,
  /// with pauses, until it returns true, and anew once claim(), apply() or sync() may have left more. Neither
  /// the replica nor what another function answers shows what it did.
  virtual bool housekeep([[maybe_unused]] std::chrono::milliseconds budget) noexcept { return true; }
};

} // namespace osync
