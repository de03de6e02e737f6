// `.osync/` in the replica root: its directories, unique names in them, and what a crash left there.
//
//   identity, sync-mark   see identity_file.h, sync_mark.h
//   stage/                files that are not published yet
//   limbo/                removed and displaced directories, until they are purged (limbo.h)
//   kept/                 what was replaced by another type, where keep_replaced is set
//   beside                paths of directories that hold temporaries of their own, NUL-separated (see
//   note_beside())
// Threads: find(), make() and clean() from one thread with nothing else in progress, the rest from any.
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <string>

#include "fd.h"
#include "osync/status.h"
#include "tree.h"

namespace osync::sink_fs {

class PrivateArea {
 public:
  /// Opens what is there; changes nothing. Not an error where there is no `.osync`. Errors: conflict (a
  /// symlink or a file of that name).
  Status find(const Tree& tree);
  /// Makes and opens what is missing, for this user alone (0700, no ACLs).
  Status make(const Tree& tree);
  /// Removes what an earlier process left in `stage/` (directories go to limbo) and beside targets.
  Status clean(const Tree& tree);
  void close() noexcept;

  [[nodiscard]] bool found() const noexcept { return static_cast<bool>(directory_); }
  [[nodiscard]] int directory() const noexcept { return directory_.get(); }
  [[nodiscard]] int stage() const noexcept { return stage_.get(); }
  [[nodiscard]] int limbo() const noexcept { return limbo_.get(); }
  [[nodiscard]] int kept() const noexcept { return kept_.get(); }

  /// A name that no other call gives, in this process or another one.
  [[nodiscard]] std::string unique_name();
  /// The same for a temporary beside its target (names.h). Remembers `directory` first, so that the next
  /// claim finds what a crash leaves there. Bound: beside_directory_limit directories in one session.
  Result<std::string> unique_beside_name(const std::string& directory);

 private:
  Status make_one(int parent, const char* name, const char* path, Fd& opened) const;
  Status note_beside(const std::string& directory);
  Status clean_stage();
  Status clean_beside(const Tree& tree);

  Fd directory_;
  Fd stage_;
  Fd limbo_;
  Fd kept_;
  std::uint64_t session_ = 0; ///< random
  std::atomic<std::uint64_t> next_{0};
  std::mutex mutex_; ///< guards what follows
  Fd beside_file_;
  std::set<std::string> beside_;
};

inline constexpr std::size_t beside_directory_limit = 10'000;

/// Removes the temporaries of the sink in an open directory. 0 or the first errno.
[[nodiscard]] int remove_beside_temporaries(int directory, int limbo, PrivateArea& names);

} // namespace osync::sink_fs
