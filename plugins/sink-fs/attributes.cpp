#include "attributes.h"

#include <fcntl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "active_directories.h"
#include "errors.h"
#include "xattrs.h"

namespace osync::sink_fs {

namespace {

constexpr mode_t set_id_bits = S_ISUID | S_ISGID;

bool contains(const std::vector<Xattr>& xattrs, std::string_view name) noexcept {
  return std::any_of(xattrs.begin(), xattrs.end(), [&](const Xattr& xattr) { return xattr.name == name; });
}

bool differs(std::uint32_t wanted, std::uint32_t present) noexcept {
  return wanted != keep_owner && wanted != present;
}

bool disk_is_full(int fd) noexcept {
  struct statfs status {};
  return fstatfs(fd, &status) != 0 || status.f_bavail == 0;
}

} // namespace

FileType type_of_mode(mode_t mode) noexcept {
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

Attributes attributes_of(const struct stat& status) noexcept {
  Attributes attributes;
  attributes.type = type_of_mode(status.st_mode);
  attributes.mode = status.st_mode & 07777;
  attributes.uid = status.st_uid;
  attributes.gid = status.st_gid;
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    attributes.device_major = major(status.st_rdev);
    attributes.device_minor = minor(status.st_rdev);
  }
  attributes.links = static_cast<std::uint32_t>(status.st_nlink);
  attributes.size = static_cast<std::uint64_t>(status.st_size);
  attributes.blocks = static_cast<std::uint64_t>(status.st_blocks);
  attributes.inode = status.st_ino;
  attributes.mtime = {status.st_mtim.tv_sec, static_cast<std::uint32_t>(status.st_mtim.tv_nsec)};
  attributes.ctime = {status.st_ctim.tv_sec, static_cast<std::uint32_t>(status.st_ctim.tv_nsec)};
  return attributes;
}

bool valid_attributes(const Attributes& attributes) noexcept {
  return (attributes.mode & ~07777u) == 0 && attributes.mtime.nanoseconds < 1'000'000'000;
}

Present present_of(const struct stat& status) noexcept {
  return {status.st_uid, status.st_gid, status.st_mode & 07777, status.st_mtim, false, false};
}

int change_mtime(const Target& target, const Timestamp& mtime) noexcept {
  const std::array<timespec, 2> times = {
      timespec{0, UTIME_OMIT},
      timespec{static_cast<time_t>(mtime.seconds), static_cast<long>(mtime.nanoseconds)}};
  const int result = target.path_only ? utimensat(target.fd, "", times.data(), AT_EMPTY_PATH)
                                      : futimens(target.fd, times.data());
  return result == 0 ? 0 : errno;
}

/// One write(): what is wanted, what is there by now, and what has to be set again.
struct AttributeWriter::Work {
  const Target& target;
  const Attributes& wanted;
  Present present;
  XattrAccess xattrs;
  const EntryPath& path;
  bool mode_unknown = false; ///< something has changed it
  mode_t not_granted = 0;    ///< set-id bits that would speak for an owner that could not be kept
};

bool AttributeWriter::owner_is_right(const Attributes& wanted, uid_t uid, gid_t gid) const noexcept {
  return (!differs(wanted.uid, uid) || !privileges_.chown) &&
         (!differs(wanted.gid, gid) || !privileges_.may_set_group(wanted.gid));
}

mode_t AttributeWriter::creation_mode(const Attributes& wanted, bool right,
                                      bool inherits_acl) const noexcept {
  if (!right || inherits_acl || !wanted.xattrs.empty()) return 0600;
  return wanted.mode & 0777;
}

Status AttributeWriter::write_owner(Work& work) const {
  const bool other_user = differs(work.wanted.uid, work.present.uid);
  const bool other_group = differs(work.wanted.gid, work.present.gid);
  if (!other_user && !other_group) return {};
  const bool try_user = other_user && privileges_.chown;
  const bool try_group = other_group && privileges_.may_set_group(work.wanted.gid);
  int error = 0;
  if (try_user || try_group) {
    const uid_t uid = try_user ? work.wanted.uid : static_cast<uid_t>(-1);
    const gid_t gid = try_group ? work.wanted.gid : static_cast<gid_t>(-1);
    if (fchownat(work.target.fd, "", uid, gid, AT_EMPTY_PATH) != 0) error = errno;
    if (error == 0 && (work.present.mode & set_id_bits) != 0) work.mode_unknown = true;
    // EINVAL: a number that the user namespace does not map; EPERM, EOPNOTSUPP: the file system keeps no
    // owners.
    if (error != 0 && error != EPERM && error != EINVAL && error != EOPNOTSUPP)
      return failure(error, "chown", work.path.text());
  }
  const bool user_lost = other_user && (!try_user || error != 0);
  const bool group_lost = other_group && (!try_group || error != 0);
  if (work.target.type != FileType::directory)
    work.not_granted = (user_lost ? set_id_bits : 0) | (group_lost ? S_ISGID : 0);
  if (user_lost || group_lost)
    losses_.note(Losses::Kind::owner, work.path.text(),
                 "wanted " + std::to_string(work.wanted.uid) + ":" + std::to_string(work.wanted.gid) +
                     ", this process may not or the file system cannot");
  return {};
}

Status AttributeWriter::set_xattr(Work& work, const Xattr& xattr) const {
  if (is_host_xattr(xattr.name)) return {};
  int error = work.xattrs.set(xattr);
  if (error == EACCES && work.present.uid == privileges_.uid && work.target.type != FileType::symlink) {
    // user.* wants write permission on the inode (xattr(7)); the mode is put right afterwards.
    if (change_mode(work.target.fd, work.present.mode | 0600) == 0) error = work.xattrs.set(xattr);
    work.mode_unknown = true;
  }
  if (xattr.name == access_acl_name) work.mode_unknown = true;
  const bool ordinary = xattr.name.starts_with("user.") || xattr.name.starts_with("system.");
  switch (error) {
  case 0:
    return {};
  case EOPNOTSUPP:
    losses_.note(Losses::Kind::xattr, work.path.text(),
                 xattr.name + ": the file system keeps none of this kind");
    return {};
  case EPERM:
  case EACCES:
    if (ordinary) break;
    losses_.note(Losses::Kind::privileged_xattr, work.path.text(), xattr.name + ": not permitted");
    return {};
  case EINVAL: // an ACL or a capability with an id that the user namespace does not map
    losses_.note(Losses::Kind::privileged_xattr, work.path.text(), xattr.name + ": refused as invalid");
    return {};
  case ENOSPC: // ext4 says so too where a value does not fit beside the inode (ext4(5), ea_inode)
  case E2BIG:
    if (error == ENOSPC && disk_is_full(work.target.fd)) break;
    losses_.note(Losses::Kind::oversized_xattr, work.path.text(), xattr.name);
    return {};
  default:
    break;
  }
  return failure(error, "setting the extended attribute " + xattr.name, work.path.text());
}

Status AttributeWriter::remove_extra_xattrs(Work& work) const {
  std::vector<Xattr> there;
  if (const int error = work.xattrs.read_all(there); error != 0)
    return error == EOPNOTSUPP ? Status() : failure(error, "reading extended attributes", work.path.text());
  for (const Xattr& xattr : there) {
    if (contains(work.wanted.xattrs, xattr.name)) continue;
    const int error = work.xattrs.remove(xattr.name.c_str());
    if (xattr.name == access_acl_name) work.mode_unknown = true;
    if (error == EPERM || error == EOPNOTSUPP)
      losses_.note(Losses::Kind::privileged_xattr, work.path.text(), xattr.name + ": may not be removed");
    else if (error != 0)
      return failure(error, "removing the extended attribute " + xattr.name, work.path.text());
  }
  for (const Xattr& xattr : work.wanted.xattrs)
    if (std::find(there.begin(), there.end(), xattr) == there.end())
      if (Status status = set_xattr(work, xattr); !status.ok()) return status;
  return {};
}

Status AttributeWriter::write_xattrs(Work& work) const {
  if (work.present.fresh && work.present.inherits_acl && work.target.type != FileType::symlink) {
    for (const char* name : {access_acl_name, default_acl_name}) {
      if (contains(work.wanted.xattrs, name)) continue;
      const int error = work.xattrs.remove(name);
      if (error != 0 && error != EOPNOTSUPP &&
          error != EACCES) // EACCES: no default ACL but on directories (acl(5))
        return failure(error, "removing an inherited ACL", work.path.text());
    }
    work.mode_unknown = true;
  }
  if (!work.wanted.has_xattrs && work.wanted.xattrs.empty()) return {};
  if (!work.present.fresh && work.wanted.has_xattrs) return remove_extra_xattrs(work);
  for (const Xattr& xattr : work.wanted.xattrs)
    if (Status status = set_xattr(work, xattr); !status.ok()) return status;
  return {};
}

Status AttributeWriter::write_mode(Work& work) const {
  if (work.target.type == FileType::symlink) return {}; // has no meaning (symlink(7))
  const mode_t mode = work.wanted.mode & ~work.not_granted;
  if (mode == work.present.mode && !work.mode_unknown) return {};
  const int error = change_mode(work.target.fd, mode);
  if (error == 0) return {};
  const bool own = privileges_.uid == 0 || work.present.uid == privileges_.uid;
  if (own && (error == EPERM || error == EOPNOTSUPP)) { // FAT and the like keep few modes
    losses_.note(Losses::Kind::mode, work.path.text(), "the file system cannot");
    return {};
  }
  return failure(error, "chmod", work.path.text());
}

Status AttributeWriter::write(const Target& target, Present present, const Attributes& wanted, bool with_mode,
                              bool with_mtime, const EntryPath& path) const {
  Work work{target, wanted, present, XattrAccess(target.fd, target.path_only), path};
  if (Status status = write_owner(work); !status.ok()) return status;
  if (Status status = write_xattrs(work); !status.ok()) return status;
  if (with_mode)
    if (Status status = write_mode(work); !status.ok()) return status;
  const bool same_time = !present.fresh && present.mtime.tv_sec == wanted.mtime.seconds &&
                         present.mtime.tv_nsec == static_cast<long>(wanted.mtime.nanoseconds);
  if (with_mtime && !same_time)
    if (const int error = change_mtime(target, wanted.mtime); error != 0)
      return failure(error, "setting mtime", path.text());
  return {};
}

} // namespace osync::sink_fs
