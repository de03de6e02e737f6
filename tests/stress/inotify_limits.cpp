#include "stress/inotify_limits.h"

#include "support/temporary.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/file.h>
#include <sys/wait.h>

namespace osync::stress {
namespace {

std::string path_of(const std::string& name) { return "/proc/sys/fs/inotify/" + name; }

void set(int file, const std::string& value) {
  test::must(pwrite(file, value.data(), value.size(), 0), "setting an inotify limit");
}

/// Only async-signal-safe calls: the parent may have threads.
[[noreturn]] void wait_and_restore(int pipe, int file, const std::string& value) {
  (void)setsid(); // out of reach of a terminal's signals, which end the parent
  char nothing = 0;
  while (read(pipe, &nothing, 1) < 0 && errno == EINTR) {
  }
  _exit(pwrite(file, value.data(), value.size(), 0) < 0 ? 1 : 0);
}

} // namespace

LoweredLimit::LoweredLimit(const std::string& name, std::uint64_t value)
    : turn_(test::must(open(path_of(name).c_str(), O_RDWR | O_CLOEXEC), "open " + path_of(name))) {
  test::must(flock(turn_.get(), LOCK_EX), "flock " + path_of(name));
  const std::string before = test::read_file(path_of(name));
  std::array<int, 2> ends{};
  test::must(pipe2(ends.data(), O_CLOEXEC), "pipe");
  const test::Descriptor theirs(ends[0]);
  pipe_ = test::Descriptor(ends[1]);
  child_ = test::must(fork(), "fork");
  if (child_ == 0) {
    close(ends[1]);
    wait_and_restore(ends[0], turn_.get(), before);
  }
  set(turn_.get(), std::to_string(value));
}

LoweredLimit::~LoweredLimit() {
  pipe_ = test::Descriptor();
  int status = 0;
  while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
  }
}

test::Descriptor keep_limit(const std::string& name) {
  test::Descriptor file(
      test::must(open(path_of(name).c_str(), O_RDONLY | O_CLOEXEC), "open " + path_of(name)));
  test::must(flock(file.get(), LOCK_SH), "flock " + path_of(name));
  return file;
}

std::uint64_t watches_in_use() {
  namespace fs = std::filesystem;
  std::uint64_t count = 0;
  std::error_code error;
  for (const auto& process : fs::directory_iterator("/proc")) {
    std::error_code gone; // processes end while we look
    for (const auto& info : fs::directory_iterator(process.path() / "fdinfo", gone)) {
      std::ifstream file(info.path());
      for (std::string line; std::getline(file, line);)
        if (line.rfind("inotify wd:", 0) == 0) ++count;
    }
  }
  return count;
}

} // namespace osync::stress
