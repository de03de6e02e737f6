#include "root.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string_view>

#include "directory_reader.h"
#include "errors.h"
#include "names.h"

namespace osync::sink_fs {

namespace {

constexpr unsigned ancestor_limit = 100'000; ///< deeper than any path that can be opened

/// The process that holds a flock on the inode, from /proc/locks (proc(5)); 0 where it is not told (another
/// PID namespace). The line is "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF"; device numbers there differ
/// from st_dev on btrfs and overlayfs, so the inode decides.
long lock_holder(ino_t inode) {
  std::ifstream locks("/proc/locks");
  const std::string wanted = ":" + std::to_string(inode);
  for (std::string line; std::getline(locks, line);) {
    std::istringstream fields(line);
    std::string number, kind, advisory, access, file;
    long process = 0;
    fields >> number >> kind >> advisory >> access >> process >> file;
    if (kind == "FLOCK" && file.ends_with(wanted)) return process;
  }
  return 0;
}

bool is_unused_lost_and_found(int root, const char* name) {
  Fd directory(openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return errno == EACCES;
  DirectoryReader reader(std::move(directory));
  return reader.ok() && reader.next() == nullptr && reader.error() == 0;
}

} // namespace

Result<Fd> open_root(const std::string& path) {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  if (path.empty()) return Status(Code::invalid, "the option root is empty; name the replica's directory");
  Fd root(open(path.c_str(), flags));
  if (!root && errno == ENOENT) {
    // Narrow until the source's attributes arrive.
    if (mkdir(path.c_str(), 0700) != 0) return failure(errno, "making the replica root", path);
    root.reset(open(path.c_str(), flags));
  }
  if (root) return root;
  if (errno == ENOTDIR) return Status(Code::invalid, "the replica root is not a directory", path, ENOTDIR);
  return failure(errno, "opening the replica root", path);
}

Status lock_root(int root, const std::string& path) {
  if (flock(root, LOCK_EX | LOCK_NB) == 0) return {};
  const int error = errno;
  if (error != EWOULDBLOCK) {
    if (error == EBADF || error == ENOLCK ||
        error == EOPNOTSUPP) // NFS cannot lock what is not open for writing
      return {Code::unsupported,
              "the file system of the replica root cannot lock a directory; use a local one", path, error};
    return failure(error, "locking the replica root", path);
  }
  struct stat status {};
  const long holder = fstat(root, &status) == 0 ? lock_holder(status.st_ino) : 0;
  std::string message = "another process uses this replica";
  if (holder > 0) message += " (process " + std::to_string(holder) + ")";
  return {Code::conflict, message + "; stop it first", path, error};
}

Result<bool> is_empty_root(int root) {
  DirectoryReader reader(Fd(openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!reader.ok()) return failure(errno, "listing the replica root");
  while (const dirent* entry = reader.next()) {
    const std::string_view name(entry->d_name);
    if (name == private_name || (name == "lost+found" && is_unused_lost_and_found(root, entry->d_name)))
      continue;
    return false;
  }
  if (reader.error() != 0) return failure(reader.error(), "listing the replica root");
  return true;
}

Status read_ancestry(int root, std::vector<std::pair<std::uint64_t, std::uint64_t>>& devices_and_inodes) {
  devices_and_inodes.clear();
  Fd current(openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (unsigned level = 0; level < ancestor_limit; ++level) {
    struct stat status {};
    if (!current || fstat(current.get(), &status) != 0)
      return failure(errno, "looking at the root's ancestors");
    const std::pair<std::uint64_t, std::uint64_t> identity(status.st_dev, status.st_ino);
    // "/.." is "/"; a bind mount of a directory on itself would look like it too, so the last two levels are
    // compared.
    if (!devices_and_inodes.empty() && devices_and_inodes.back() == identity) return {};
    devices_and_inodes.push_back(identity);
    current.reset(openat(current.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  return {Code::limit, "the replica root lies deeper than can be looked at"};
}

} // namespace osync::sink_fs
