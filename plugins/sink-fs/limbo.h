// `.osync/limbo/`: directories that were removed or displaced wait here, so that removing costs one rename
// however large they are, and are purged in bounded pieces.
//
// Purging keeps at most a few descriptors open at any depth: a subdirectory that is not empty is moved up
// into the pool and emptied later. It never enters another mount; what holds one stays, and is said once.
// Threads: any at any time; one thread purges, others return at once.
#pragma once

#include <chrono>
#include <mutex>
#include <set>
#include <string>

#include "osync/logger.h"
#include "osync/status.h"
#include "private_area.h"
#include "privileges.h"
#include "tree.h"

namespace osync::sink_fs {

class Limbo {
 public:
  Limbo(const Tree& tree, PrivateArea& area, Logger& logger) : tree_(tree), area_(area), logger_(logger) {}
  void set_privileges(const Privileges& privileges) { privileges_ = privileges; }

  /// Moves directory `name` of `parent` here. 0 or an errno (EXDEV: another subvolume or quota project;
  /// remove_tree() then does it in place).
  [[nodiscard]] int take(int parent, const char* name);

  /// Removes directory `name` of `parent` where it is, to the last entry. 0 or an errno.
  [[nodiscard]] int remove_tree(int parent, const char* name);

  /// Purges for at most `budget`; returns whether nothing that can be purged is left.
  bool purge(std::chrono::milliseconds budget);

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  static constexpr int out_of_time = -1;

  /// 0: empty; out_of_time; or the last errno of what is stuck.
  int empty_pool(int pool, Deadline deadline, std::set<std::string>& stuck);
  /// 0: done, or there was progress and the directory is to be looked at again; out_of_time; or an errno.
  int empty_directory(int pool, const char* name, Deadline deadline);
  [[nodiscard]] int remove_entry(int pool, int directory, const char* name);
  [[nodiscard]] int open_for_removal(int parent, const char* name) const;
  void say_stuck(const std::string& name, int error);

  const Tree& tree_;
  PrivateArea& area_;
  Logger& logger_;
  Privileges privileges_;
  std::mutex mutex_;            ///< of the purge
  std::set<std::string> stuck_; ///< bounded by stuck_limit; emptied when it is reached
};

/// Gives u+rwx to directory `name` of `parent` where it is this process's own and lacks that; moving a
/// directory changes its "..", which wants write permission on it. 0 or an errno.
[[nodiscard]] int make_movable(const Tree& tree, const Privileges& privileges, int parent, const char* name);

} // namespace osync::sink_fs
