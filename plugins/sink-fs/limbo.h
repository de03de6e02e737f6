// `.osync/limbo/`: directories that were removed or displaced wait here, so that removing costs one rename
// however large they are, and are purged in bounded pieces.
//
// Purging keeps at most a few descriptors open at any depth: a subdirectory that is not empty is moved up
// into the pool and emptied later. It never enters another mount; what holds one stays, and is said once.
// A directory that may only have moved is *put aside* here under a number of the source, and left alone until the source
// takes it back from there or releases it.
// Threads: any at any time; one thread purges, others return at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
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

  /// As take(), but what was taken is not purged until release(), and is found by its number. A second directory under the
  /// same number takes the place of the first.
  [[nodiscard]] int put_aside(int parent, const char* name, std::uint64_t number);
  /// The name below `.osync/limbo` of what was put aside under `number`; empty: nothing was.
  [[nodiscard]] std::string name_of(std::uint64_t number) const;
  /// It has been moved elsewhere.
  void taken_back(std::uint64_t number);
  /// It is to be purged like everything else; nothing happens where nothing was put aside.
  void release(std::uint64_t number) { taken_back(number); }
  void release_all();

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
  [[nodiscard]] int take_as(int parent, const char* name, const std::string& there);
  [[nodiscard]] bool is_aside(const std::string& name) const;

  const Tree& tree_;
  PrivateArea& area_;
  Logger& logger_;
  Privileges privileges_;
  std::mutex mutex_;            ///< of the purge
  mutable std::mutex aside_mutex_; ///< guards what follows
  std::map<std::uint64_t, std::string> aside_; ///< bounded by what the source has not released
  std::set<std::string> aside_names_;
  std::set<std::string> stuck_; ///< the purge's; bounded by stuck_limit; emptied when it is reached
};

/// Gives u+rwx to directory `name` of `parent` where it is this process's own and lacks that; moving a
/// directory changes its "..", which wants write permission on it. 0 or an errno.
[[nodiscard]] int make_movable(const Tree& tree, const Privileges& privileges, int parent, const char* name);

} // namespace osync::sink_fs
