// What the tests of sink-fs share: the kit, and looking at the replica behind the sink's back.
#pragma once

#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "sink_suite.h"

namespace osync::test {

inline OptionValues sink_fs_options(const std::string& root, bool keep_replaced = false) {
  return {{"root", root}, {"keep_replaced", keep_replaced}};
}

inline const SinkKit sink_fs_kit{"sink-fs", [](const std::string& root) { return sink_fs_options(root); }};

/// lstat(2) of `path`; all zero where there is nothing.
inline struct stat stat_of(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return {};
  return status;
}

inline unsigned mode_of(const std::string& path) { return stat_of(path).st_mode & 07777; }

/// How many entries `directory` has (not below).
inline std::size_t entries_in(const std::string& directory) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(directory), std::filesystem::directory_iterator()));
}

/// Descriptors that this process has open.
inline std::size_t open_descriptors() { return entries_in("/proc/self/fd"); }

/// Runs `body` in a child process as user and group `nobody`, alone. What it returns, or throws, is the
/// result ("" is well); nothing in `body` may use Catch2's macros.
inline std::string as_nobody(const std::function<std::string()>& body) {
  int ends[2];
  if (pipe(ends) != 0) return "pipe failed";
  const pid_t child = fork();
  if (child == 0) {
    ::close(ends[0]);
    std::string text = "could not become nobody";
    if (setgroups(0, nullptr) == 0 && setgid(65534) == 0 && setuid(65534) == 0) {
      try {
        text = body();
      } catch (const std::exception& error) {
        text = std::string("exception: ") + error.what();
      }
    }
    const bool written = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(written ? 0 : 1);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t size = 0; (size = read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(size));
  ::close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? text : text + " (the child ended with status " + std::to_string(status) + ")";
}

} // namespace osync::test
