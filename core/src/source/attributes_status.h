// statx(2) as values: what the source's file system says of an object, without its extended attributes.
// Thread-safety: functions without state.
#pragma once

#include <cstdint>

#include "osync/types.h"

namespace osync::source {

struct FileStatus {
  Attributes attributes;    ///< without xattrs
  std::uint64_t device = 0; ///< st_dev
  std::uint64_t mount_id =
      0; ///< of the mount through which the object was reached (kernel 5.8); 0: not known
  bool has_birth = false;
  Timestamp birth; ///< where has_birth
};

/// Fills `status` for `name` below the directory `fd`, without following a symlink and without triggering an
/// automount; an empty name means the object open as `fd` itself (O_PATH is enough). Returns 0 or the errno.
[[nodiscard]] int read_status(int fd, const char* name, FileStatus& status) noexcept;

/// Whether nothing that a write, a truncation or a change of attributes leaves behind differs. Timestamps
/// tick in milliseconds before kernel 6.13, so that "equal" alone does not prove that nothing was written.
[[nodiscard]] bool same_version(const FileStatus& before, const FileStatus& after) noexcept;

/// Whether both are one object, given that one of them is held open (an inode number is not reused
/// meanwhile).
[[nodiscard]] bool same_object(const FileStatus& a, const FileStatus& b) noexcept;

} // namespace osync::source
