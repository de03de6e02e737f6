// From an errno to a Status in the words of a sink: what a mount point, a symlink in a path and the like mean
// here. Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "osync/status.h"

namespace osync::sink_fs {

/// `what` names the call and its purpose. ELOOP (a symlink where none is followed) is not_found, EBUSY (a
/// mount point) conflict, EXDEV unsupported; the rest as code_of_errno.
[[nodiscard]] Status failure(int error, std::string_view what, std::string path = {});

/// Whether `error` says that disk, inodes or quota are used up.
[[nodiscard]] bool lacks_space(int error) noexcept;

/// "directory/name", or whichever of the two is not empty.
[[nodiscard]] std::string join(std::string_view directory, std::string_view name);

/// An entry for messages, joined only when it is needed. The parts outlive it.
struct EntryPath {
  std::string_view directory;
  std::string_view name;
  [[nodiscard]] std::string text() const { return join(directory, name); }
};

} // namespace osync::sink_fs
