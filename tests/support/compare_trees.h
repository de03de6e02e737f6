// The oracle: are two trees equal? Written apart from osync's own code, so that both cannot share a mistake.
//
// Both trees are walked together by descriptors, so that any depth works and no symlink is followed. Compared
// are: which names exist, types, permission bits, owners, modification times in ns, xattrs with POSIX ACLs,
// contents, symlink targets, device numbers, groups of hard links, and that the copy of a sparse file is
// sparse. `.osync` at the top of either tree does not count. The trees must be at rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace osync::test {

struct CompareOptions {
  bool owners = true;
  bool xattrs = true; ///< with ACLs
  bool times = true;
  bool root_itself = true; ///< the attributes of the two roots
  bool link_groups = true;
  std::uint64_t sparse_slack = 256 * 1024; ///< bytes that the copy of a sparse file may take above its source
  std::set<std::string> left_out = {}; ///< paths below the roots that are not looked at, with all below them
  std::size_t most = 50;               ///< differences listed; a last line counts the rest
};

/// One line a difference, "path: what", paths escaped; empty when the trees are equal.
[[nodiscard]] std::vector<std::string> compare_trees(const std::string& source, const std::string& replica,
                                                     const CompareOptions& options = {});

/// The lines of compare_trees as one text, for REQUIRE(differences(a, b) == "").
[[nodiscard]] std::string differences(const std::string& source, const std::string& replica,
                                      const CompareOptions& options = {});

/// What `rsync -naHAX --delete -i` would change to make `replica` equal to `source`, `/.osync` aside; empty
/// when nothing. `excluded`: further --exclude patterns (rsync cannot look at paths beyond PATH_MAX). Without
/// root, owners are left out. An error of rsync is part of the text.
[[nodiscard]] std::string rsync_differences(const std::string& source, const std::string& replica,
                                            const std::vector<std::string>& excluded = {});

/// Everything that a rewrite of an object below `root` would change: "path inode ctime", one line each,
/// sorted; without
/// `.osync` at the top. Equal texts before and after mean that nothing below was touched.
[[nodiscard]] std::vector<std::string> fingerprints(const std::string& root);

/// Names below `root` (all depths, `.osync` aside); the tree may change meanwhile. 0 when there is no such
/// directory.
[[nodiscard]] std::size_t count_entries(const std::string& root);

} // namespace osync::test
