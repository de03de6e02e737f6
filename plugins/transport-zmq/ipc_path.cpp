#include "ipc_path.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace osync::transport_zmq {
namespace {

std::string lock_path(const std::string& path) { return path + ".lock"; }

/// Whether `file` is still what stands at `path`: the owner before us may have removed it while we waited to
/// open it.
bool still_at(int file, const std::string& path) {
  struct stat opened {};
  struct stat named {};
  return fstat(file, &opened) == 0 && lstat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

Status make_directory_of(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/'));
  if (directory.empty() || mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return Status::from_errno(errno, "mkdir (directory of an ipc endpoint; make it, or choose another path)",
                            directory);
}

/// Whether a process accepts connections on the socket at `path`.
bool is_served(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1); // fits: parse_endpoint bounds it
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return true; // unknown: the safe answer
  const int rc = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  (void)close(probe);
  return rc == 0 || (error != ECONNREFUSED && error != ENOENT);
}

} // namespace

Status IpcPath::claim(const std::string& path) {
  release();
  path_ = path;
  if (Status status = make_directory_of(path); !status.ok()) return status;
  if (Status status = take_lock(); !status.ok()) return status;
  Status status = check_vacant();
  if (!status.ok()) release();
  return status;
}

Status IpcPath::take_lock() {
  const std::string name = lock_path(path_);
  while (true) {
    const int file = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return Status::from_errno(errno, "open (lock of an ipc endpoint)", name);
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      (void)close(file);
      if (error != EWOULDBLOCK) return Status::from_errno(error, "flock (lock of an ipc endpoint)", name);
      return {Code::exists,
              "another osync listens at this ipc endpoint (it holds the lock " + name +
                  "): stop it, or choose another path",
              path_, EADDRINUSE};
    }
    if (still_at(file, name)) {
      lock_ = file;
      return {};
    }
    (void)close(file); // its owner removed it in between: another one may have been made since
  }
}

Status IpcPath::check_vacant() const {
  struct stat found {};
  if (lstat(path_.c_str(), &found) != 0)
    return errno == ENOENT ? Status() : Status::from_errno(errno, "lstat (ipc endpoint)", path_);
  if (!S_ISSOCK(found.st_mode))
    return {Code::exists,
            "there is something at the path of this ipc endpoint that is no socket: remove it, or choose "
            "another path",
            path_, EEXIST};
  if (is_served(path_))
    return {Code::exists, "another process listens at this ipc endpoint: stop it, or choose another path",
            path_, EADDRINUSE};
  return {};
}

Status IpcPath::take_over() {
  bound_ = true;
  if (chmod(path_.c_str(), 0600) == 0) return {};
  return Status::from_errno(errno, "chmod (socket of an ipc endpoint)", path_);
}

void IpcPath::release() noexcept {
  if (lock_ < 0) return;
  if (bound_) (void)unlink(path_.c_str()); // libzmq leaves it
  bound_ = false;
  (void)unlink((path_ + ".lock").c_str()); // while it is held: nobody can lock the same file after this
  (void)close(lock_);
  lock_ = -1;
}

} // namespace osync::transport_zmq
