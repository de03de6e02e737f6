#include "source/attributes_status.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

namespace osync::source {
namespace {

FileType type_of_mode(std::uint32_t mode) noexcept {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return FileType::regular;
  case S_IFDIR:
    return FileType::directory;
  case S_IFLNK:
    return FileType::symlink;
  case S_IFIFO:
    return FileType::fifo;
  case S_IFSOCK:
    return FileType::socket;
  case S_IFCHR:
    return FileType::character_device;
  case S_IFBLK:
    return FileType::block_device;
  default:
    return FileType::unknown;
  }
}

Timestamp timestamp_of(const struct statx_timestamp& time) noexcept { return {time.tv_sec, time.tv_nsec}; }

} // namespace

int read_status(int fd, const char* name, FileStatus& status) noexcept {
  struct statx raw;
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name == '\0' ? AT_EMPTY_PATH : 0);
  if (statx(fd, name, flags, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &raw) != 0) return errno;

  Attributes& attributes = status.attributes;
  attributes.type = type_of_mode(raw.stx_mode);
  attributes.mode = raw.stx_mode & 07777;
  attributes.uid = raw.stx_uid;
  attributes.gid = raw.stx_gid;
  const bool device = S_ISCHR(raw.stx_mode) || S_ISBLK(raw.stx_mode);
  attributes.device_major = device ? raw.stx_rdev_major : 0;
  attributes.device_minor = device ? raw.stx_rdev_minor : 0;
  attributes.links = raw.stx_nlink;
  attributes.size = raw.stx_size;
  attributes.blocks = raw.stx_blocks;
  attributes.inode = raw.stx_ino;
  attributes.mtime = timestamp_of(raw.stx_mtime);
  attributes.ctime = timestamp_of(raw.stx_ctime);
  attributes.has_xattrs = false;
  attributes.xattrs.clear();
  status.device = makedev(raw.stx_dev_major, raw.stx_dev_minor);
  status.mount_id = (raw.stx_mask & STATX_MNT_ID) != 0 ? raw.stx_mnt_id : 0;
  status.has_birth = (raw.stx_mask & STATX_BTIME) != 0;
  status.birth = status.has_birth ? timestamp_of(raw.stx_btime) : Timestamp{};
  return 0;
}

bool same_version(const FileStatus& before, const FileStatus& after) noexcept {
  return before.attributes.size == after.attributes.size &&
         before.attributes.mtime == after.attributes.mtime &&
         before.attributes.ctime == after.attributes.ctime;
}

bool same_object(const FileStatus& a, const FileStatus& b) noexcept {
  return a.device == b.device && a.attributes.inode == b.attributes.inode &&
         a.attributes.type == b.attributes.type;
}

} // namespace osync::source
