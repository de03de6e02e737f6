#include "source/source_root.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace osync::source {
namespace {

constexpr int path_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr int list_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

int open_beneath(int parent, const char* path, int flags, bool one_file_system) noexcept {
  struct open_how how {};
  how.flags = static_cast<std::uint64_t>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  if (one_file_system) how.resolve |= RESOLVE_NO_XDEV;
  return static_cast<int>(syscall(SYS_openat2, parent, path, &how, sizeof how));
}

/// Seccomp filters that do not know openat2 answer EPERM or ENOSYS: found out once, so that an EPERM means
/// what it says.
bool openat2_works(int root_fd) noexcept {
  const FileDescriptor probe(open_beneath(root_fd, ".", path_flags, false));
  return probe.valid();
}

Status open_error(int error, const std::string& path) {
  switch (error) {
  case ELOOP: // a symlink where a directory was
  case ENOTDIR:
    return {Code::not_found, "open directory: a component is no directory", path, error};
  case EXDEV:
    return {Code::stale, "open directory: hidden by a mount", path, error};
  default:
    return Status::from_errno(error, "open directory", path);
  }
}

Status root_error(int error, const std::string& path) {
  switch (error) {
  case ENOENT:
    return {Code::not_found, "the source root does not exist; is its file system mounted?", path, error};
  case ENOTDIR:
    return {Code::invalid, "the source root is not a directory", path, error};
  default:
    return Status::from_errno(error, "open the source root", path);
  }
}

} // namespace

Result<std::unique_ptr<SourceRoot>> SourceRoot::open(const std::string& path, bool one_file_system) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) return root_error(errno, path);
  FileDescriptor proc_fd(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!proc_fd.valid())
    return Status(Code::unsupported, "/proc/self/fd cannot be opened; mount proc on /proc", path, errno);
  auto identifier = Identifier::for_root(fd.get());
  if (!identifier.ok())
    return Status(identifier.status().code(), std::string(identifier.status().message()), path,
                  identifier.status().sys_errno());
  FileStatus status;
  const int error = read_status(fd.get(), "", status);
  if (error != 0) return Status::from_errno(error, "statx of the source root", path);

  std::unique_ptr<SourceRoot> root(
      new SourceRoot(std::move(fd), std::move(proc_fd), path, identifier.value(), one_file_system));
  root->device_ = status.device;
  root->has_openat2_ = openat2_works(root->fd());
  return root;
}

SourceRoot::SourceRoot(FileDescriptor fd, FileDescriptor proc_fd, std::string path, Identifier identifier,
                       bool one_file_system)
    : fd_(std::move(fd)), proc_fd_(std::move(proc_fd)), path_(std::move(path)), identifier_(identifier),
      one_file_system_(one_file_system) {}

Result<FileDescriptor> SourceRoot::open_directory(const engine::DirectoryRef& directory,
                                                  DirectoryAccess access) const {
  // ".." or an absolute path would be stopped by RESOLVE_BENEATH, but not by the walk.
  if (!valid_relative_path(directory.path))
    return Status(Code::invalid, "open directory: not a relative path", directory.path);
  FileDescriptor fd;
  int error = 0;
  if (access == DirectoryAccess::look) {
    error = open_path(directory.path, path_flags, fd);
  } else {
    // Without O_NOATIME every scan writes access times to the source; only the owner and the privileged may
    // ask for it.
    error = open_path(directory.path, list_flags | O_NOATIME, fd);
    if (error == EPERM) error = open_path(directory.path, list_flags, fd);
  }
  if (error != 0) return open_error(error, directory.path);
  Status status = compare_identity(fd.get(), directory);
  if (!status.ok()) return status;
  return fd;
}

int SourceRoot::open_path(const std::string& path, int flags, FileDescriptor& directory) const {
  if (path.empty()) return open_piece(fd(), ".", flags, directory);
  // One call takes less than PATH_MAX bytes with the NUL; longer paths are opened in pieces that end at a
  // slash.
  FileDescriptor parent;
  std::size_t at = 0;
  while (path.size() - at >= PATH_MAX) {
    const std::size_t slash = path.rfind('/', at + PATH_MAX - 1);
    const std::string piece = path.substr(at, slash - at); // found: components have at most 255 bytes
    FileDescriptor next;
    const int error = open_piece(parent.valid() ? parent.get() : fd(), piece.c_str(), path_flags, next);
    if (error != 0) return error;
    parent = std::move(next);
    at = slash + 1;
  }
  return open_piece(parent.valid() ? parent.get() : fd(), path.c_str() + at, flags, directory);
}

int SourceRoot::open_piece(int parent, const char* path, int flags, FileDescriptor& directory) const {
  if (!has_openat2_) return walk_piece(parent, path, flags, directory);
  constexpr int attempts = 8; // EAGAIN: a rename or mount raced with the resolution (openat2(2))
  for (int attempt = 1;; ++attempt) {
    FileDescriptor opened(open_beneath(parent, path, flags, one_file_system_));
    if (opened.valid()) {
      directory = std::move(opened);
      return 0;
    }
    if (errno != EAGAIN || attempt == attempts) return errno;
  }
}

int SourceRoot::walk_piece(int parent, std::string path, int flags, FileDescriptor& directory) const {
  // No check for mounts on the way: from another mount nothing below leads back to the root's own, so that
  // the last directory's mount, compared with its identity, tells.
  FileDescriptor current;
  for (std::size_t at = 0; at != std::string::npos;) {
    const std::size_t slash = path.find('/', at);
    if (slash != std::string::npos) path[slash] = '\0';
    const bool last = slash == std::string::npos;
    FileDescriptor next(
        openat(current.valid() ? current.get() : parent, path.c_str() + at, last ? flags : path_flags));
    if (!next.valid()) return errno;
    current = std::move(next);
    at = last ? std::string::npos : slash + 1;
  }
  directory = std::move(current);
  return 0;
}

Status SourceRoot::compare_identity(int fd, const engine::DirectoryRef& directory) const {
  Identity found;
  const int error = identifier_.identify(fd, found);
  if (error != 0) return Status::from_errno(error, "identify directory", directory.path);
  if (is_mount(found)) return {Code::stale, "open directory: hidden by a mount", directory.path, EXDEV};
  if (found.id != directory.id)
    return {Code::stale, "open directory: another directory is at its path", directory.path};
  return {};
}

bool SourceRoot::is_mount(const FileStatus& status) const noexcept {
  if (!one_file_system_) return false;
  const std::uint64_t root_mount = identifier_.root().mount_id;
  // Overlay gives files of its layers other device numbers than directories: with mounts known, only
  // directories are compared by device.
  if (root_mount == 0 || status.mount_id == 0) return status.device != device_;
  return status.mount_id != root_mount ||
         (status.attributes.type == FileType::directory && status.device != device_);
}

bool SourceRoot::is_mount(const Identity& identity) const noexcept {
  const std::uint64_t root_mount = identifier_.root().mount_id;
  return one_file_system_ && root_mount != 0 && identity.mount_id != 0 && identity.mount_id != root_mount;
}

} // namespace osync::source
