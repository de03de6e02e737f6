// What a source remembers between runs, in its state directory: who it is, where its root was, and how far each replica
// is known to be equal. Losing it costs a comparison by content, never data.
//
// A text file of `key value` lines, replaced atomically. One process at a time: the directory is locked.
// Thread-safety: one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "osync/sink.h"
#include "osync/status.h"
#include "osync/types.h"
#include "source/mount_guard.h"

namespace osync::source {

struct ReplicaMemory {
  Uuid replica{};
  Timestamp since;           ///< entries with a ctime before it were compared or sent as they are; zero: none
  std::uint64_t entries = 0; ///< of the last complete pass
};

struct SourceMemory {
  Uuid source{};
  std::uint64_t file_system = 0; ///< of the root; 0: not known yet
  bool had_entries = false;
  Mounts mounts; ///< that belong to the tree (one_file_system: false)
  std::map<std::string, ReplicaMemory> replicas;
};

class SourceState {
 public:
  SourceState() = default;
  ~SourceState();
  SourceState(const SourceState&) = delete;
  SourceState& operator=(const SourceState&) = delete;

  /// For `--dry-run`: open() reads what is there without making or locking anything, and save() does nothing.
  void forbid_writing() noexcept { writes_ = false; }

  /// Makes the directory (0700) if need be, locks it and reads what it holds; a new one gets a new source identity.
  /// Errors: conflict (another osync uses it), corrupt (with what to do), and those of the file system.
  Status open(const std::string& directory);

  [[nodiscard]] const SourceMemory& memory() const noexcept { return memory_; }
  [[nodiscard]] SourceMemory& memory() noexcept { return memory_; }
  [[nodiscard]] bool is_new() const noexcept { return is_new_; }

  /// Writes the memory durably. Errors: those of the file system.
  Status save();

 private:
  Status read();

  std::string directory_;
  SourceMemory memory_;
  bool is_new_ = false;
  bool writes_ = true;
  int lock_fd_ = -1;
};

} // namespace osync::source
