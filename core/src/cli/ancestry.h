// The chain of directories from one up to the root of the file system, to find roots that are nested whatever symlinks
// and bind mounts lead to them.
// Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "osync/status.h"

namespace osync::cli {

using Ancestry = std::vector<std::pair<std::uint64_t, std::uint64_t>>; ///< (device, inode), the directory itself first

/// Of the directory open as `fd`; `path` is for messages.
[[nodiscard]] Result<Ancestry> ancestry_of(int fd, const std::string& path);

/// Of the nearest directory at or above `path` that exists.
[[nodiscard]] Result<Ancestry> ancestry_of_nearest(std::string path);

} // namespace osync::cli
