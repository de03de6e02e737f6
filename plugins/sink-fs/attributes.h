// Reading attributes from struct stat, and setting them on something that is open, in the one right order:
// owner, extended attributes, mode, mtime (each can undo what comes before it: chown(2) clears set-id bits
// and capabilities, an access ACL changes the mode). Only what differs costs a system call. Threads: an
// AttributeWriter may be used from any number of threads at once.
#pragma once

#include <sys/stat.h>

#include "errors.h"
#include "losses.h"
#include "osync/status.h"
#include "osync/types.h"
#include "privileges.h"

namespace osync::sink_fs {

/// Everything that struct stat tells; no xattrs.
[[nodiscard]] Attributes attributes_of(const struct stat& status) noexcept;
[[nodiscard]] FileType type_of_mode(mode_t mode) noexcept;

/// Whether the numbers can be handed to the kernel: mode of permission bits only, nanoseconds below a second
/// (UTIME_NOW and UTIME_OMIT are values above).
[[nodiscard]] bool valid_attributes(const Attributes& attributes) noexcept;

/// What attributes are set on.
struct Target {
  int fd = -1;
  bool path_only = false; ///< opened with O_PATH
  FileType type = FileType::regular;
};

/// What is known about the target before.
struct Present {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0;
  timespec mtime{};
  bool fresh = false;        ///< just made: no xattrs but inherited ACLs, mtime is set without looking
  bool inherits_acl = false; ///< made in a directory with a default ACL
};

[[nodiscard]] Present present_of(const struct stat& status) noexcept;

class AttributeWriter {
 public:
  AttributeWriter(const Privileges& privileges, Losses& losses) : privileges_(privileges), losses_(losses) {}

  /// Sets everything of `wanted` on the target; mtime only where `with_mtime` is set, and mode only where
  /// `with_mode` is (ActiveDirectories sets both on a directory in use). What privilege forbids is counted,
  /// not a failure. `path` is for messages.
  Status write(const Target& target, Present present, const Attributes& wanted, bool with_mode,
               bool with_mtime, const EntryPath& path) const;

  /// The mode to create a file with so that it never grants more than it will in the end: everything where
  /// owner and group are right from the start and nothing else follows, else 0600.
  [[nodiscard]] mode_t creation_mode(const Attributes& wanted, bool owner_is_right,
                                     bool inherits_acl) const noexcept;

  /// Whether `present` has the owner that `wanted` can get.
  [[nodiscard]] bool owner_is_right(const Attributes& wanted, uid_t uid, gid_t gid) const noexcept;

  [[nodiscard]] const Privileges& privileges() const noexcept { return privileges_; }

 private:
  struct Work; // one call of write()
  Status write_owner(Work& work) const;
  Status write_xattrs(Work& work) const;
  Status remove_extra_xattrs(Work& work) const;
  Status set_xattr(Work& work, const Xattr& xattr) const;
  Status write_mode(Work& work) const;

  const Privileges& privileges_;
  Losses& losses_;
};

/// mtime of what `target` is; atime is left. 0 or an errno.
[[nodiscard]] int change_mtime(const Target& target, const Timestamp& mtime) noexcept;

} // namespace osync::sink_fs
