// `.osync/limbo/`: directories that were removed or displaced wait here, so that removing costs one rename
// however large they are, and are purged in bounded pieces.
//
// Purging keeps at most a few descriptors open at any depth: a subdirectory that is not empty is moved up
// into the pool and emptied later. It never enters another mount; what holds one stays, and is said once.
// A directory that may only have moved is *put aside* here under a number of the source, and left alone until
// the source takes it back from there or releases it.
//
// Threads: any at any time, close() aside; one thread purges at a time.
// Bounds: where more than waiting_limit entries wait, whoever brings more purges for a while first, so that
// what is removed faster than it can be deleted does not fill the disk.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "directory_reader.h"
#include "osync/logger.h"
#include "osync/status.h"
#include "private_area.h"
#include "privileges.h"
#include "tree.h"

namespace osync::sink_fs {

/// How many entries may wait to be purged before those who bring more help. Purging so many takes about a
/// second.
inline constexpr std::uint64_t waiting_limit = 100'000;

class Limbo {
 public:
  Limbo(const Tree& tree, PrivateArea& area, Logger& logger, std::uint64_t limit = waiting_limit)
      : tree_(tree), area_(area), logger_(logger), limit_(limit) {}
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
  void release(std::uint64_t number);
  void release_all();

  /// Removes directory `name` of `parent` where it is, to the last entry. 0 or an errno.
  [[nodiscard]] int remove_tree(int parent, const char* name);

  /// Purges for about `budget`; returns whether nothing that can be purged is left. While another thread
  /// purges it returns false at once.
  bool purge(std::chrono::milliseconds budget);
  /// Purges for a while because the disk is full, after who is at it; returns whether anything was deleted
  /// meanwhile.
  bool make_space();
  /// Entries that wait, as far as the sizes of their directories tell (see weight_of()); what is put aside
  /// does not wait.
  [[nodiscard]] std::uint64_t waiting() const;
  /// Lets go of what purging holds open.
  void close() noexcept;

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  static constexpr int out_of_time = -1;

  /// A directory of a pool that is being emptied. It is kept from one purge to the next: an ext4 directory of
  /// a million names that is half empty is read from its beginning again more slowly than a slice takes (its
  /// blocks stay).
  struct Emptying {
    Emptying(std::string directory_name, Fd directory)
        : name(std::move(directory_name)), reader(std::move(directory)) {}
    std::string name;
    DirectoryReader reader;
    std::uint64_t weight = 0;
    std::uint64_t removed = 0;
    int first_error = 0;
  };
  /// Where directories wait to be deleted: the limbo, or a directory that is removed where it is.
  struct Pool {
    int directory;
    Deadline deadline;
    std::set<std::string>& stuck; ///< names that cannot be deleted
    std::optional<Emptying>& current;
  };

  /// 0: empty; out_of_time; or the last errno of what is stuck.
  int empty_pool(const Pool& pool);
  /// Deletes one entry of the pool, or goes on with `current`. As empty_directory().
  int delete_from(const Pool& pool, const std::string& name);
  int begin_emptying(const Pool& pool, const std::string& name);
  /// 0: done, or there was progress and the directory is to be looked at again; out_of_time; or an errno.
  int empty_directory(const Pool& pool);
  [[nodiscard]] int remove_entry(int pool, int directory, const char* name);
  [[nodiscard]] bool is_limbo(const Pool& pool) const { return &pool.stuck == &stuck_; }
  void note_stuck(const Pool& pool, const std::string& name, int error);
  bool purge_with_lock(std::chrono::milliseconds budget);
  void arrived(const std::string& name);
  void gone(std::uint64_t weight);
  [[nodiscard]] int open_for_removal(int parent, const char* name) const;
  void say_stuck(const std::string& name, int error);
  [[nodiscard]] int take_as(int parent, const char* name, const std::string& there);
  [[nodiscard]] bool is_aside(const std::string& name) const;

  const Tree& tree_;
  PrivateArea& area_;
  Logger& logger_;
  const std::uint64_t limit_;
  Privileges privileges_;
  std::mutex mutex_;            ///< of the purge, with the two that follow
  std::set<std::string> stuck_; ///< bounded by stuck_limit; emptied when it is reached
  std::optional<Emptying> current_;
  std::atomic<std::uint64_t> deleted_{0}; ///< entries, ever
  mutable std::mutex aside_mutex_; ///< guards what follows
  std::map<std::uint64_t, std::string> aside_; ///< bounded by what the source has not released
  std::set<std::string> aside_names_;
  std::uint64_t waiting_ = 0;
};

/// Gives u+rwx to directory `name` of `parent` where it is this process's own and lacks that; moving a
/// directory changes its "..", which wants write permission on it. 0 or an errno.
[[nodiscard]] int make_movable(const Tree& tree, const Privileges& privileges, int parent, const char* name);

} // namespace osync::sink_fs
