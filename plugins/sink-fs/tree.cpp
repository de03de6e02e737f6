#include "tree.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "errors.h"

namespace osync::sink_fs {

namespace {

/// A directory that moves while openat2 looks at it can give EAGAIN (openat2(2)); so often it is tried again.
constexpr int openat2_attempts = 16;

int openat2(int from, const char* path, int flags, std::uint64_t resolve) noexcept {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags));
  how.resolve = resolve;
  for (int attempt = 0;; ++attempt) {
    const long fd = syscall(SYS_openat2, from, path, &how, sizeof how);
    if (fd >= 0) return static_cast<int>(fd);
    if (errno != EINTR && !(errno == EAGAIN && attempt < openat2_attempts)) return -1;
  }
}

/// The longest beginning of `path` that ends before a '/' and fits one system call.
std::string_view next_piece(std::string_view path) noexcept {
  if (path.size() < PATH_MAX) return path;
  const std::size_t slash = path.rfind('/', PATH_MAX - 1);
  return path.substr(0, slash); // components are at most 255 bytes: there is a slash
}

} // namespace

Status Tree::adopt_root(Fd root, bool without_openat2) {
  struct stat status {};
  if (fstat(root.get(), &status) != 0) return failure(errno, "fstat of the replica root");
  device_ = status.st_dev;
  root_ = std::move(root);
  has_openat2_ = false;
  if (without_openat2) return {};
  const Fd probe(openat2(root_.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_BENEATH));
  has_openat2_ = static_cast<bool>(probe); // ENOSYS: too old; EPERM: a filter that does not know the call
  return {};
}

int Tree::open_piece(int from, const char* path, int flags) const noexcept {
  return openat2(from, path, flags | O_CLOEXEC | O_NOFOLLOW,
                 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

int Tree::open_entry(int directory, const char* name, int flags) const noexcept {
  if (has_openat2_) return open_piece(directory, name, flags);
  Fd fd(openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0) return -1;
  if (status.st_dev != device_) {
    errno = EXDEV;
    return -1;
  }
  return fd.release();
}

int Tree::walk(int from, std::string_view path, int flags) const {
  Fd current;
  while (true) {
    const std::size_t slash = path.find('/');
    const bool last = slash == std::string_view::npos;
    const std::string component(path.substr(0, slash));
    const int next =
        open_entry(current ? current.get() : from, component.c_str(), O_DIRECTORY | (last ? flags : O_PATH));
    if (next < 0 || last) return next;
    current.reset(next);
    path.remove_prefix(slash + 1);
  }
}

int Tree::open_step(int from, const std::string& piece, int flags) const {
  if (has_openat2_) return open_piece(from, piece.c_str(), flags);
  if (piece == ".") return openat(from, ".", flags | O_CLOEXEC);
  return walk(from, piece, flags);
}

Result<Fd> Tree::open_directory(int from, std::string_view path, int flags) const {
  const std::string_view whole = path;
  Fd current;
  while (true) {
    const std::string piece(path.empty() ? std::string_view(".") : next_piece(path));
    const bool last = piece.size() >= path.size();
    Fd next(open_step(current ? current.get() : from, piece, O_DIRECTORY | (last ? flags : O_PATH)));
    if (!next && errno == EXDEV)
      return Status(
          Code::conflict,
          "a mount point lies at or above this directory; the sink neither writes nor deletes below mounts: "
          "unmount it, or leave it out of the source",
          std::string(whole), EXDEV);
    if (!next) return failure(errno, "opening a directory of the replica", std::string(whole));
    if (last) return next;
    current = std::move(next);
    path.remove_prefix(piece.size() + 1);
  }
}

} // namespace osync::sink_fs
