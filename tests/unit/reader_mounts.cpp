// MountMonitor: what it makes of the mounts that /proc/self/mountinfo lists, and of those that it does not.
#include <catch2/catch.hpp>

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "source/mount_monitor.h"
#include "support/skip.h"
#include "support/temporary.h"

namespace osync::source {
namespace {

/// In a process of its own, whose root becomes `directory`: whether the monitor says that "/source" is gone. The exit
/// code: 0 it does not, 1 it does,
/// 77 this test already runs in such a chroot, others tell which step failed.
int watch_in_chroot(const std::string& directory) {
  if (unshare(CLONE_NEWNS) != 0) return 2;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno == EINVAL ? 77 : 2;
  if (mount("proc", (directory + "/proc").c_str(), "proc", 0, nullptr) != 0) return 3;
  if (chroot(directory.c_str()) != 0 || chdir("/") != 0) return 4;
  const auto root = SourceRoot::open("/source", true);
  if (!root.ok()) return 5;
  bool gone = false;
  MountMonitor monitor(*root.value(), {.root_gone = [&] { gone = true; }, .changed = [](const std::string&, bool) {}});
  if (!monitor.start().ok()) return 6; // it has looked once when it returns
  return gone ? 1 : 0;
}

} // namespace

TEST_CASE("reader: in a chroot that is no mount point the source is not taken for gone") {
  OSYNC_NEEDS_ROOT();
  const test::TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "proc");
  std::filesystem::create_directory(directory / "source");
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) _exit(watch_in_chroot(directory.path()));
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  OSYNC_SKIP_IF(WEXITSTATUS(status) == 77, "/ is no mount point, so its propagation cannot be changed");
  CHECK(WEXITSTATUS(status) == 0);
}

} // namespace osync::source
