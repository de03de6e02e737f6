// Extended attributes of an object that is held open, POSIX ACLs among them (xattr(7), acl(5)).
// Thread-safety: functions without state. Bounds: names at most 64 KiB (the kernel's XATTR_LIST_MAX), names
// and values together at most `bound`.
#pragma once

#include <cstddef>

#include "osync/types.h"

namespace osync::source {

/// Reads all extended attributes, sorted by name, into `attributes`, of the file open for reading as `fd`. A
/// file system without extended attributes gives an empty list that counts as read. Returns 0 or an errno;
/// then has_xattrs is false: E2BIG where `bound` does not hold them, EACCES where a value may not be read.
[[nodiscard]] int read_xattrs(int fd, std::size_t bound, Attributes& attributes);

/// The same for an object of any type open with O_PATH, through /proc/self/fd: f*xattr(2) refuse such
/// descriptors. The kernel resolves the magic link to the very object, so that a symlink's own attributes are
/// read.
[[nodiscard]] int read_xattrs_of_path_fd(int path_fd, std::size_t bound, Attributes& attributes);

/// Bytes of names and values.
[[nodiscard]] std::size_t xattr_bytes(const Attributes& attributes) noexcept;

} // namespace osync::source
