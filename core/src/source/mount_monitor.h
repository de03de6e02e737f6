// Notices what is mounted on and unmounted from the source while it is replicated, which no watcher reports: a new mount
// hides a subtree, and a root that was unmounted lazily looks like one where nothing happens any more (WATCHERS.md).
//
// Reads /proc/self/mountinfo whenever poll(2) says that it changed (proc(5): POLLPRI).
// Threads: one of its own, in which the handlers are called; start and destruction from one thread.
#pragma once

#include <atomic>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include "osync/status.h"
#include "source/source_root.h"

namespace osync::source {

class MountMonitor {
 public:
  struct Handlers {
    std::function<void()> root_gone;
    /// Something was mounted on or unmounted from this path, relative to the root.
    std::function<void(std::string path, bool mounted)> changed;
  };

  /// `root` outlives the monitor.
  MountMonitor(const SourceRoot& root, Handlers handlers);
  ~MountMonitor();
  MountMonitor(const MountMonitor&) = delete;
  MountMonitor& operator=(const MountMonitor&) = delete;

  /// Starts the thread. Errors: those of opening /proc/self/mountinfo.
  Status start();

 private:
  void run();
  void look();

  const SourceRoot& root_;
  Handlers handlers_;
  std::string prefix_; ///< the root's absolute path without symlinks
  std::uint64_t root_mount_ = 0; ///< 0: not listed, so it is not noticed when it goes
  std::set<std::string> mounts_; ///< below the root, relative
  bool first_ = true;
  bool gone_ = false;
  int mountinfo_ = -1;
  int wake_ = -1;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

/// The mount points below `root`, an absolute path without symlinks, relative to it. Any thread.
[[nodiscard]] std::set<std::string> mounts_below(const std::string& root);

/// One line of mountinfo: the mount's id, and its mount point with octal escapes decoded. False: not understood. Pure.
[[nodiscard]] bool parse_mountinfo_line(const std::string& line, std::uint64_t& id, std::string& mount_point);

} // namespace osync::source
