// The replica root as a whole: opening or making it, the lock, whether it is empty, its ancestors.
// Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fd.h"
#include "osync/status.h"

namespace osync::sink_fs {

/// Opens the directory at `path` (symlinks on the way to it are the user's business), made with mode 0700
/// where only its last component is missing. Errors: invalid (no directory), not_found (more is missing),
/// denied, read_only.
[[nodiscard]] Result<Fd> open_root(const std::string& path);

/// Locks the root for this process with flock(2), which ends with the descriptor. Errors: conflict (with the
/// holder's process where /proc/locks tells it), unsupported (NFS).
Status lock_root(int root, const std::string& path);

/// Whether the root holds nothing: `.osync` does not count, nor does the lost+found of a new file system (an
/// empty directory, or one that may not be read).
[[nodiscard]] Result<bool> is_empty_root(int root);

/// (device, inode) of the root and of everything above it.
Status read_ancestry(int root, std::vector<std::pair<std::uint64_t, std::uint64_t>>& devices_and_inodes);

} // namespace osync::sink_fs
