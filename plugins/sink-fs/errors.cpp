#include "errors.h"

#include <cerrno>

#include "fd.h"

namespace osync::sink_fs {

int Fd::close_checked() noexcept {
  if (fd_ < 0) return 0;
  const int result = ::close(std::exchange(fd_, -1));
  return result == 0 || errno == EINTR ? 0 : errno;
}

Status failure(int error, std::string_view what, std::string path) {
  std::string message(what);
  switch (error) {
  case ELOOP:
    message += ": a symbolic link stands there, and the sink follows none";
    return {Code::not_found, std::move(message), std::move(path), error};
  case EBUSY:
    message += ": a mount point stands there (EBUSY); unmount it, or leave it out of the source";
    return {Code::conflict, std::move(message), std::move(path), error};
  case EXDEV:
    message += ": it lies on another file system, subvolume or quota project (EXDEV)";
    return {Code::unsupported, std::move(message), std::move(path), error};
  default:
    return Status::from_errno(error, what, std::move(path));
  }
}

bool lacks_space(int error) noexcept { return error == ENOSPC || error == EDQUOT; }

std::string join(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && !name.empty()) path += '/';
  path += name;
  return path;
}

} // namespace osync::sink_fs
