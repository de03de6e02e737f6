// Everything that the writers can do to the tree. Each function does one kind of change (or a short sequence
// that belongs together), logs it, and returns 0, the errno with which the kernel refused, or
// `nothing_there`. A refusal is no error: writers race with each other.
#pragma once

#include "stress/hands.h"

#include <vector>

namespace osync::stress {

struct Operation {
  const char* name;
  unsigned weight;
  int (*run)(Hands&);
  bool alone = false; ///< no other writer works meanwhile
};

/// Contents of files.
[[nodiscard]] const std::vector<Operation>& content_operations();
/// rename(2) in all its forms, and hard links.
[[nodiscard]] const std::vector<Operation>& name_operations();
/// Modes, owners, times, xattrs, ACLs.
[[nodiscard]] const std::vector<Operation>& attribute_operations();
/// Symlinks, special files, one type in place of another.
[[nodiscard]] const std::vector<Operation>& type_operations();
/// Whole trees: bursts, removals, moves, archives, paths beyond PATH_MAX.
[[nodiscard]] const std::vector<Operation>& tree_operations();

/// Removes what stands at `entry`, however deep; 0 or errno. Counts what it removed.
int remove_recursively(Hands& hands, const Entry& entry);
/// Some directories in one another, with files; `entry` is the top one. 0 or errno.
int make_burst(Hands& hands, const Entry& entry);

} // namespace osync::stress
