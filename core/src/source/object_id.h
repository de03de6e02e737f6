// The identity of file-system objects (RULES.md 9): the same object gives the same ObjectId through any path,
// and an object made later never the id of one that is gone.
//
// The id is XXH3-128 over struct statfs's f_fsid (its two ints), the handle's type (int) and the handle's
// bytes, in the host's byte order and without padding: exactly what fanotify(7) reports of a directory, so
// that a watcher plugin can compute it too. Where a file system has no handles (overlay without nfs_export,
// FUSE without export support), over "inode", inode number, birth time and device. There a directory's id
// changes when overlay copies it up: it is then taken for a new one and looked at again, which costs time and
// nothing else. Thread-safety: immutable after making.
#pragma once

#include <array>
#include <cstdint>

#include "osync/status.h"
#include "osync/types.h"

namespace osync::source {

struct Identity {
  ObjectId id;
  std::uint64_t mount_id = 0; ///< of the mount through which the object was reached; 0: not known
};

/// What ids are made from on a file system, best first.
enum class IdentityKind : std::uint8_t {
  handle,
  birth_time, ///< inode and birth time
  inode_only, ///< a directory that replaces another one at once can be taken for it
};

class Identifier {
 public:
  /// For objects of the tree whose root is open as `root_fd`. Errors: io and others of statfs(2) and
  /// statx(2).
  static Result<Identifier> for_root(int root_fd);

  /// Of the object open as `fd` (O_PATH is enough). Returns 0 or the errno.
  [[nodiscard]] int identify(int fd, Identity& identity) const noexcept;

  /// Of `name` below the directory `fd`; a symlink is not followed. Returns 0 or the errno.
  [[nodiscard]] int identify(int fd, const char* name, Identity& identity) const noexcept;

  [[nodiscard]] const Identity& root() const noexcept { return root_; }
  [[nodiscard]] IdentityKind kind() const noexcept { return kind_; }
  /// f_fsid of the root's file system, stable across reboots where the file system has a UUID (st_dev is
  /// not).
  [[nodiscard]] std::uint64_t file_system_id() const noexcept;

 private:
  using FileSystemId = std::array<int, 2>;
  int identify_by_handle(int fd, const char* name, Identity& identity) const noexcept;
  static int identify_by_status(int fd, const char* name, Identity& identity, IdentityKind& kind) noexcept;
  /// The id of the file system behind a mount that is not the root's.
  static int foreign_file_system(int fd, const char* name, FileSystemId& id) noexcept;

  FileSystemId root_file_system_{};
  Identity root_;
  IdentityKind kind_ = IdentityKind::handle;
};

} // namespace osync::source
