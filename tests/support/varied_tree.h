// A tree with everything that a file system can hold and that mirrors get wrong, the same for the same seed.
//
// Top-level folders, one a kind of trouble: acls, big, deep (beyond PATH_MAX), empty, links, modes, names,
// owners, small, sparse, specials, symlinks, times, wide, xattrs. Modification times are set last,
// directories after what is in them. Everything is made with *at() calls, so that the root may be anywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unistd.h>

namespace osync::test {

struct VariedTreeOptions {
  std::uint64_t seed = 1;
  unsigned small_files = 400;
  unsigned wide_files = 1500;        ///< in one directory
  std::size_t symlink_target = 4000; ///< bytes of the longest target; XFS holds 1,024
  bool beyond_path_max = true;       ///< rsync cannot copy such paths
  bool linked_symlinks = true;       ///< symlinks and FIFOs with more than one name
  bool far_times = true;             ///< before 1970 and after 2038
  bool privileged =
      ::geteuid() == 0; ///< owners, device nodes, trusted xattrs, capabilities, what nobody may read
};

/// Fills the existing, empty directory `root`. Throws std::system_error when the file system refuses
/// something.
void make_varied_tree(const std::string& root, const VariedTreeOptions& options = {});

/// Removes the tree below `root`, however deep, and leaves `root` itself.
void remove_tree_content(const std::string& root);

} // namespace osync::test
