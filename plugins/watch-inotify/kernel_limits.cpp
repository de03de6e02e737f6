#include "kernel_limits.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace osync::inotify {

namespace {

std::uint64_t read_number(const char* file) noexcept {
  const int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[32];
  const ssize_t length = ::read(fd, text, sizeof(text));
  close(fd);
  std::uint64_t number = 0;
  if (length > 0) std::from_chars(text, text + length, number);
  return number;
}

} // namespace

KernelLimits KernelLimits::read() {
  KernelLimits limits;
  limits.queued_events = read_number("/proc/sys/fs/inotify/max_queued_events");
  limits.user_watches = read_number("/proc/sys/fs/inotify/max_user_watches");
  limits.user_instances = read_number("/proc/sys/fs/inotify/max_user_instances");
  // The same figure, unless this is a user namespace with a limit of its own.
  const std::uint64_t of_namespace = read_number("/proc/sys/user/max_inotify_watches");
  limits.watches = limits.user_watches == 0 || of_namespace == 0
                       ? std::max(limits.user_watches, of_namespace)
                       : std::min(limits.user_watches, of_namespace);
  return limits;
}

Status init_failure(int error) {
  if (error != EMFILE) return Status::from_errno(error, "inotify_init1 (watch the source)");
  const std::string now = std::to_string(KernelLimits::read().user_instances);
  return {Code::limit,
          "inotify_init1: this user has reached fs.inotify.max_user_instances (now " + now +
              "), or this process its limit of open descriptors; raise it with `sysctl -w "
              "fs.inotify.max_user_instances=N` or `ulimit -n`",
          {},
          error};
}

Status watch_failure(int error, std::uint64_t watches) {
  if (error ==
      ENOENT) // a descriptor that is open has its entry below /proc, even when its directory was deleted
    return {Code::unsupported,
            "inotify_add_watch needs /proc/self/fd, which is not there; mount /proc",
            {},
            error};
  if (error == ENOTDIR)
    return {Code::invalid, "inotify_add_watch: what was given to watch is not a directory", {}, error};
  if (error != ENOSPC) return Status::from_errno(error, "inotify_add_watch (watch a directory)");
  const KernelLimits limits = KernelLimits::read();
  std::string message = "inotify_add_watch: the limit fs.inotify.max_user_watches is reached (now " +
                        std::to_string(limits.user_watches);
  if (limits.watches != limits.user_watches)
    message += "; in this user namespace user.max_inotify_watches = " + std::to_string(limits.watches);
  message += "; osync holds " + std::to_string(watches) +
             " for this source, other programs of this user the rest); raise it with `sysctl -w "
             "fs.inotify.max_user_watches=N` (about 1.3 KB of kernel memory a watch), or use watch-fanotify, "
             "which needs "
             "none";
  return {Code::limit, std::move(message), {}, error};
}

std::string overflow_message(std::uint64_t count, std::uint64_t capacity) {
  return "the kernel's event queue overflowed (" + std::to_string(count) +
         " times since the last message): changes came quicker than they were taken, some events are lost, "
         "and the whole "
         "source is looked at again; if this happens often, raise fs.inotify.max_queued_events (was " +
         std::to_string(capacity) +
         " at the start) with `sysctl -w fs.inotify.max_queued_events=N` and restart osync";
}

} // namespace osync::inotify
