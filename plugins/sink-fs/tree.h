// Opening what is below the replica root, and nothing else.
//
// A directory is opened by openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS and
// RESOLVE_NO_XDEV; where the kernel does not have openat2 (before 5.6, or under an old seccomp filter)
// component by component with O_NOFOLLOW, comparing the file system. Paths longer than PATH_MAX are opened in
// pieces. Threads: any at any time after adopt_root().
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "fd.h"
#include "osync/status.h"

namespace osync::sink_fs {

class Tree {
 public:
  /// Takes over the open root. `without_openat2` is for tests of the fall-back.
  Status adopt_root(Fd root, bool without_openat2 = false);
  void close() noexcept { root_.reset(); }
  [[nodiscard]] int root() const noexcept { return root_.get(); }

  /// Opens the directory at the relative path below `from` (which is in the tree) with O_DIRECTORY and
  /// `flags` (O_RDONLY or O_PATH). Errors: not_found (a component is missing, no directory, or a symlink),
  /// conflict (a mount point in between: a replica is one mount), denied, limit.
  [[nodiscard]] Result<Fd> open_directory(int from, std::string_view path, int flags) const;

  /// Opens entry `name` of the open directory without following it and without entering a mount. errno on
  /// failure (EXDEV: a mount point), -1 as the result.
  [[nodiscard]] int open_entry(int directory, const char* name, int flags) const noexcept;

 private:
  [[nodiscard]] int open_piece(int from, const char* path, int flags) const noexcept;
  [[nodiscard]] int open_step(int from, const std::string& piece, int flags) const;
  [[nodiscard]] int walk(int from, std::string_view path, int flags) const;

  Fd root_;
  dev_t device_ = 0;
  bool has_openat2_ = true;
};

} // namespace osync::sink_fs
