// The kernel's limits for inotify, and the words in which the operator is told of them.
// Any thread; reads sysctl files below /proc/sys (inotify(7), namespaces: /proc/sys/user in proc(5)).
#pragma once

#include <cstdint>
#include <string>

#include "osync/status.h"

namespace osync::inotify {

struct KernelLimits {
  std::uint64_t queued_events = 0; ///< fs.inotify.max_queued_events; 0: not known
  std::uint64_t watches = 0;      ///< the smaller of fs.inotify.max_user_watches and user.max_inotify_watches
  std::uint64_t user_watches = 0; ///< fs.inotify.max_user_watches
  std::uint64_t user_instances = 0; ///< fs.inotify.max_user_instances

  /// As they stand now; what cannot be read is 0.
  static KernelLimits read();
};

/// A failed inotify_init1().
Status init_failure(int error);
/// A failed inotify_add_watch() through /proc; `watches` are held by this object.
Status watch_failure(int error, std::uint64_t watches);
/// What to say about `count` overflows of a queue of `capacity` events.
std::string overflow_message(std::uint64_t count, std::uint64_t capacity);

} // namespace osync::inotify
