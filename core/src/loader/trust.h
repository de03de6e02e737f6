// Whether a file is one that root alone can have written: what a privileged process may load code from.
//
// Looks at every directory and symlink on the way, not only at the file: whoever may write to a directory can
// put another file in its place. Access control lists need no look of their own, since the group bits show
// their mask (acl(5)). Thread-safety: any thread. After a good answer only root can change it, so nothing is
// gained between check and use.
#pragma once

#include <string>

#include "osync/status.h"

namespace osync::loader {

/// Ok where `path` (absolute) leads to a regular file, and that file, each directory and each symlink on the
/// way belong to root, and the file and the directories are writable to root only. A directory with the
/// sticky bit may be writable to all: what is root's in it stays root's. `resolved` receives the path without
/// symlinks. Errors: denied, naming the offending path; invalid (no regular file); those of lstat(2).
[[nodiscard]] Status check_root_only(const std::string& path, std::string& resolved);

/// Whether this process has more rights than the user who started it may have given: root, or set-user-id or
/// file capabilities (AT_SECURE, getauxval(3)).
[[nodiscard]] bool process_is_privileged() noexcept;

} // namespace osync::loader
