// Which mount points lie below the replica root, from /proc/self/mountinfo (proc(5)), read again only when it
// changed. Threads: any at any time. Bound: mount_limit mount points; above it every directory counts as
// holding one.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "fd.h"

namespace osync::sink_fs {

class Mounts {
 public:
  /// `root` stays open as long as this is used. Without /proc nothing is known, and purging stops at mounts
  /// by itself.
  void watch(int root);
  void close() noexcept { file_.reset(); }

  /// Whether a mount point is at or below the relative path.
  [[nodiscard]] bool holds_mount(std::string_view path);

 private:
  void refresh();

  std::mutex mutex_;
  int root_ = -1;
  Fd file_;
  bool too_many_ = false;
  std::set<std::string> below_; ///< relative paths
};

inline constexpr std::size_t mount_limit = 10'000;

/// The mount points below `root` (absolute) in the text of mountinfo, as relative paths; octal escapes
/// undone.
[[nodiscard]] std::set<std::string> mounts_below(std::string_view mountinfo, std::string_view root);

} // namespace osync::sink_fs
