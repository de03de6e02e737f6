// Opening a directory of the replica for work in it: where an unprivileged process may not enter an ancestor
// or the directory itself although it owns it, u+rwx is given to it for as long as the work takes. Threads:
// any.
#pragma once

#include <string_view>
#include <vector>

#include "active_directories.h"
#include "fd.h"
#include "osync/status.h"
#include "privileges.h"
#include "tree.h"

namespace osync::sink_fs {

/// Not copied and moved only while new: the stays end before their descriptors close.
struct DirectoryInUse {
  struct Widened {
    Fd fd; ///< O_PATH
    ActiveDirectories::Stay stay;
  };
  std::vector<Widened> ancestors;
  Fd fd; ///< O_RDONLY
  ActiveDirectories::Stay
      stay; ///< not active where the directory was opened for reading and needed no widening
};

class DirectoryAccess {
 public:
  DirectoryAccess(const Tree& tree, ActiveDirectories& active, const Privileges& privileges)
      : tree_(tree), active_(active), privileges_(privileges) {}

  /// For changing entries: the stay is active. Errors as Tree::open_directory.
  [[nodiscard]] Result<DirectoryInUse> open_for_change(std::string_view path) const;
  /// For looking at entries.
  [[nodiscard]] Result<DirectoryInUse> open_for_reading(std::string_view path) const;

 private:
  [[nodiscard]] Result<DirectoryInUse> open_widening(std::string_view path) const;

  const Tree& tree_;
  ActiveDirectories& active_;
  const Privileges& privileges_;
};

} // namespace osync::sink_fs
