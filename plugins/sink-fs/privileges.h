// What this process may do, read once: user and groups, capabilities, umask.
// Threads: immutable after read(); capabilities are taken from the reading thread, and the engine's threads
// share them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace osync::sink_fs {

struct Privileges {
  uid_t uid = 0; ///< effective
  gid_t gid = 0;
  std::vector<gid_t> groups; ///< sorted; with `gid`
  mode_t umask = 0777;       ///< all bits where it could not be read: every mode is then set explicitly
  bool chown = false;        ///< CAP_CHOWN
  bool override_permissions = false; ///< CAP_DAC_OVERRIDE
  bool make_devices = false;         ///< CAP_MKNOD
  bool administrator = false;        ///< CAP_SYS_ADMIN: trusted.* and most of security.*

  /// From geteuid and the like and from /proc/self/status (proc(5)), the only place that tells the umask
  /// without changing it.
  static Privileges read();

  /// Whether a file of this process may be given the group.
  [[nodiscard]] bool may_set_group(gid_t group) const noexcept;
};

} // namespace osync::sink_fs
