#include "source/reader_context.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "source/attributes_status.h"
#include "source/attributes_xattrs.h"

namespace osync::source {

ReaderContext::ReaderContext(SourceRoot& source_root, const engine::Rules& source_rules,
                             const ReaderLimits& reader_limits, Logger& source_logger)
    : root(source_root), rules(source_rules), limits(reader_limits), logger(source_logger),
      opener(source_root),
      pool(PayloadPool::make(std::max(limits.piece_bytes, limits.inline_bytes), limits.idle_buffers)) {
  if (root.identifier().kind() == IdentityKind::inode_only)
    logger.warning("the source's file system has neither file handles nor birth times: a directory that "
                   "replaces another "
                   "one within one look can be taken for it until the next verify pass");
}

OpenDirectory::OpenDirectory(const ReaderContext& context, int directory_fd,
                             const std::string& directory_path)
    : fd(directory_fd), path(directory_path),
      all_excluded(!context.rules.empty() && !directory_path.empty() &&
                   context.rules.excludes(directory_path, true)) {}

std::string OpenDirectory::path_of(std::string_view name) const {
  std::string result;
  result.reserve(path.size() + 1 + name.size());
  result.append(path);
  if (!path.empty()) result.push_back('/');
  return result.append(name);
}

bool OpenDirectory::excludes(const ReaderContext& context, std::string_view name, bool directory) const {
  if (context.rules.empty()) return false;
  return all_excluded || context.rules.excludes_entry(path_of(name), directory);
}

bool holds_replica(int fd, std::string_view name) {
  // The first call answers for nearly all directories; symlinks in place of `.osync` are not followed.
  std::string path(name);
  if (!path.empty()) path.push_back('/');
  path += state_directory;
  struct stat status;
  if (fstatat(fd, path.c_str(), &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0 ||
      !S_ISDIR(status.st_mode))
    return false;
  path += "/identity";
  return fstatat(fd, path.c_str(), &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0;
}

Status read_directory_attributes(const ReaderContext& context, int fd, bool path_fd, const std::string& path,
                                 Attributes& attributes) {
  FileStatus status;
  int error = read_status(fd, "", status);
  if (error != 0) return Status::from_errno(error, "statx (directory's attributes)", path);
  attributes = std::move(status.attributes);
  error = path_fd ? read_xattrs_of_path_fd(fd, context.limits.xattr_bytes, attributes)
                  : read_xattrs(fd, context.limits.xattr_bytes, attributes);
  if (error != 0 && error != EACCES && error != EPERM) return xattr_error(error, path);
  return {};
}

Status xattr_error(int error, std::string path) {
  if (error == E2BIG)
    return {Code::limit, "extended attributes are larger than the limit on one entry", std::move(path),
            error};
  return Status::from_errno(error, "read extended attributes", std::move(path));
}

} // namespace osync::source
