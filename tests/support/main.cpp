// Catch2's main, compiled once for all test executables.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/file.h>

namespace {

/// A stress run on this host may lower a limit of inotify for all its processes; while it does, it has a lock on the
/// setting itself (stress/inotify_limits.h). Waits for its end, and keeps others from lowering it until this process ends.
struct KeepLimits : Catch::TestEventListenerBase {
  using Catch::TestEventListenerBase::TestEventListenerBase;

  void testRunStarting(const Catch::TestRunInfo& run) override {
    Catch::TestEventListenerBase::testRunStarting(run);
    for (const char* limit : {"/proc/sys/fs/inotify/max_user_watches", "/proc/sys/fs/inotify/max_queued_events"}) {
      const int setting = open(limit, O_RDONLY | O_CLOEXEC);
      if (setting >= 0) (void)flock(setting, LOCK_SH); // the kernel closes it
    }
  }
};

} // namespace

CATCH_REGISTER_LISTENER(KeepLimits)
