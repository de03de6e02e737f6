// With `one_file_system: false` mounts below the root are part of the tree. One that is not there any more looks like a
// directory whose files were deleted, and a new one hides what the replica has: "nothing is deleted at or below a mount point,
// a mount that changes stops that subtree" (INTERFACE.md). The guard remembers which mounts belong to the tree, and makes
// those that came or went since look like mounts that are not entered, which the engine leaves alone.
//
// Asks /proc/self/mountinfo itself when a mount point is met, because the watcher's news of an unmount may be quicker than
// the monitor's. Thread-safety: any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "engine/source_jobs.h"
#include "source/source_root.h"

namespace osync::source {

/// Mount points relative to the root, each with its file system's id (statfs(2); 0: not known).
using Mounts = std::map<std::string, std::uint64_t>;

class MountGuard {
 public:
  /// Does nothing until begin(). `root` outlives it.
  explicit MountGuard(const SourceRoot& root) : root_(root) {}

  /// Before the first job. `remembered`: the mounts that belonged to the tree when it was last replicated. Returns those that
  /// belong to it from now on: these, and all that are there now. With one_file_system none.
  Mounts begin(const Mounts& remembered);

  /// Looks at the mounts again.
  void refresh();

  /// Changes `result` of `job` so that mounts that came or went are not entered.
  void restrict(const engine::SourceJob& job, engine::SourceJobResult& result);

  /// Mount points where something came, went, or is another file system than before.
  [[nodiscard]] std::set<std::string> changed() const;

 private:
  [[nodiscard]] bool is_changed(const std::string& directory, const std::string& name, bool& refreshed);

  const SourceRoot& root_;
  std::string prefix_;
  std::atomic<bool> active_{false}; ///< there is a mount to think of
  mutable std::mutex mutex_;
  Mounts expected_;
  std::set<std::string> changed_;
};

} // namespace osync::source
