// The directories that groups are working in now, so that each is left with the times and the mode it should
// have whatever was done inside it, also when several groups work in one directory at once.
//
// The first to enter notes mtime and mode; the last to leave puts them back (or what settle() said they
// become). A directory of this process's user without u+rwx is given them in between where the process is not
// privileged. Threads: any at any time; one mutex, held for a few system calls. Bound: one entry a directory
// in use.
#pragma once

#include <sys/stat.h>

#include <map>
#include <mutex>
#include <utility>

#include "osync/status.h"
#include "osync/types.h"
#include "privileges.h"

namespace osync::sink_fs {

class ActiveDirectories {
 public:
  /// One user's stay in one directory. Movable; leaves when it goes.
  class Stay {
   public:
    Stay() noexcept = default;
    ~Stay() { leave(); }
    Stay(Stay&& other) noexcept { *this = std::move(other); }
    Stay& operator=(Stay&& other) noexcept;
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;

    [[nodiscard]] bool active() const noexcept { return table_ != nullptr; }
    /// As it was when this stay began.
    [[nodiscard]] const struct stat& before() const noexcept { return before_; }
    /// Entries are about to change: mtime is put back when the last one leaves.
    void will_change() noexcept;
    /// From now on mode and mtime are to become these. They are set when the last one leaves.
    void settle(mode_t mode, Timestamp mtime) noexcept;
    /// Ends the stay. 0, or the errno of putting back mode or mtime, where this was the last one.
    int leave() noexcept;

   private:
    friend class ActiveDirectories;
    ActiveDirectories* table_ = nullptr;
    std::pair<dev_t, ino_t> key_{};
    int fd_ = -1;
    struct stat before_ {};
  };

  void set_privileges(const Privileges& privileges) { privileges_ = privileges; }

  /// Begins a stay in the directory open at `fd` (O_RDONLY or O_PATH), which stays open until the stay ends.
  /// Gives the directory u+rwx where this process needs that. Errors: of fstat and chmod.
  [[nodiscard]] Result<Stay> enter(int fd);

  /// Whether enter() would widen the directory.
  [[nodiscard]] bool needs_widening(const struct stat& status) const noexcept;

 private:
  struct Entry {
    unsigned users = 0;
    mode_t mode = 0;  ///< to put back
    timespec mtime{}; ///< to put back
    bool widened = false;
    bool mode_settled = false;
    bool times_changed = false;
  };
  static int put_back(const Entry& entry, int fd) noexcept;

  std::mutex mutex_;
  std::map<std::pair<dev_t, ino_t>, Entry> entries_;
  Privileges privileges_;
};

/// chmod(2) of what is open at `fd`, also where it was opened with O_PATH (through /proc/self/fd). 0 or an
/// errno.
[[nodiscard]] int change_mode(int fd, mode_t mode) noexcept;

} // namespace osync::sink_fs
