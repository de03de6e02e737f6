#include "cli/ancestry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace osync::cli {

Result<Ancestry> ancestry_of(int fd, const std::string& path) {
  Ancestry chain;
  int current = openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  while (current >= 0) {
    struct stat status {};
    if (fstat(current, &status) != 0) break;
    const std::pair<std::uint64_t, std::uint64_t> self(status.st_dev, status.st_ino);
    if (!chain.empty() && chain.back() == self) { // ".." of the root directory is itself
      close(current);
      return chain;
    }
    chain.push_back(self);
    const int parent = openat(current, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    close(current);
    current = parent;
  }
  const int error = errno;
  if (current >= 0) close(current);
  return Status::from_errno(error, "looking at the ancestors of a root", path);
}

Result<Ancestry> ancestry_of_nearest(std::string path) {
  std::error_code ignored; // an unresolvable path is tried as it is
  const std::string absolute = std::filesystem::absolute(path, ignored).lexically_normal().string();
  for (std::filesystem::path at = absolute; !at.empty(); at = at.parent_path()) {
    const int fd = open(at.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
      Result<Ancestry> chain = ancestry_of(fd, path);
      close(fd);
      return chain;
    }
    if (at == at.parent_path()) break;
  }
  return Status(Code::not_found, "no directory at or above this path can be opened", path);
}

} // namespace osync::cli
