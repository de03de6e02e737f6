// Small files of the sink's own in `.osync/`: read whole, replaced whole and durably. Threads: any.
#pragma once

#include <string>

#include "fd.h"
#include "osync/status.h"

namespace osync::sink_fs {

inline constexpr std::size_t small_file_bound = 4096; ///< longer ones are not ours

/// The content of the regular file `name` in the open directory. Errors: not_found, corrupt (longer than the
/// bound, or no regular file), and what the system says.
[[nodiscard]] Result<std::string> read_small_file(int directory, const char* name);

/// Makes `name` hold exactly `content`, so that after a crash it holds either that or what it held before:
/// temporary file, fsync, rename, fsync of the directory.
Status replace_small_file(int directory, const char* name, const std::string& content);

/// Writes all of `size` bytes at `offset`. 0 or an errno.
[[nodiscard]] int write_fully(int fd, const void* data, std::size_t size, std::int64_t offset) noexcept;

} // namespace osync::sink_fs
