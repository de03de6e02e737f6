#include "capabilities.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <string_view>

namespace osync::sink_fs {

namespace {

constexpr std::uint32_t one_second = 1'000'000'000;
constexpr int casefold_flag = 0x40000000; // FS_CASEFOLD_FL, younger than some headers

/// What is known of a file system by its magic number (statfs(2)); others are taken to keep everything.
struct KnownFileSystem {
  std::uint32_t magic;
  std::string_view name;
  bool owners;
  bool hard_links;
  bool case_sensitive;
  std::uint32_t granularity;
};

constexpr KnownFileSystem known_file_systems[] = {
    {0xef53, "ext2/ext3/ext4", true, true, true, 1},
    {0x58465342, "xfs", true, true, true, 1},
    {0x9123683e, "btrfs", true, true, true, 1},
    {0x01021994, "tmpfs", true, true, true, 1},
    {0xf2f52010, "f2fs", true, true, true, 1},
    {0x2fc12fc1, "zfs", true, true, true, 1},
    {0x794c7630, "overlayfs", true, true, true, 1},
    {0x6969, "nfs", true, true, true, 1},
    {0x4d44, "vfat", false, false, false, 2 * one_second},
    {0x2011bab0, "exfat", false, false, false, 10'000'000},
    {0x7366746e, "ntfs3", true, true, false, 100},
    {0x5346544e, "ntfs", false, false, false, 100},
    {0x482b, "hfsplus", true, true, false, one_second},
    {0xff534d42, "cifs", false, false, false, 100},
    {0xfe534d42, "smb2", false, false, false, 100},
};

const KnownFileSystem* look_up(int root) {
  struct statfs status {};
  if (fstatfs(root, &status) != 0) return nullptr;
  const auto magic = static_cast<std::uint32_t>(status.f_type);
  const auto* found = std::find_if(std::begin(known_file_systems), std::end(known_file_systems),
                                   [&](const KnownFileSystem& known) { return known.magic == magic; });
  return found == std::end(known_file_systems) ? nullptr : found;
}

/// ext3 and ext4 with small inodes keep whole seconds; they have no birth time either (statx(2)).
bool has_small_inodes(int root) {
  struct statx status {};
  return statx(root, "", AT_EMPTY_PATH, STATX_BTIME, &status) == 0 && (status.stx_mask & STATX_BTIME) == 0;
}

bool folds_case(int root) {
  long flags = 0;
  return ioctl(root, FS_IOC_GETFLAGS, &flags) == 0 && (flags & casefold_flag) != 0;
}

/// Asking for an attribute that is not there tells whether its namespace is kept: ENODATA or EOPNOTSUPP.
bool keeps_xattr(int root, const char* name) {
  return fgetxattr(root, name, nullptr, 0) >= 0 || errno == ENODATA;
}

void add(std::string& text, bool kept, std::string_view what) {
  if (!kept) text.append(text.empty() ? "" : ", ").append(what);
}

} // namespace

SinkCapabilities probe_capabilities(int root, const Privileges& privileges) {
  SinkCapabilities found;
  const KnownFileSystem* known = look_up(root);
  found.owners = privileges.chown && (known == nullptr || known->owners);
  found.devices = privileges.make_devices && (known == nullptr || known->owners);
  found.xattrs = keeps_xattr(root, "user.osync");
  found.privileged_xattrs = found.xattrs && privileges.administrator && keeps_xattr(root, "trusted.osync");
  found.hard_links = known == nullptr || known->hard_links;
  found.case_sensitive = (known == nullptr || known->case_sensitive) && !folds_case(root);
  if (known != nullptr) found.time_granularity_ns = known->granularity;
  if (known != nullptr && known->magic == 0xef53 && has_small_inodes(root))
    found.time_granularity_ns = one_second;

  std::string lacking;
  add(lacking, found.owners, "owners and groups of others");
  add(lacking, found.devices, "device nodes");
  add(lacking, found.xattrs, "extended attributes");
  add(lacking, found.privileged_xattrs || !found.xattrs, "trusted and security attributes");
  add(lacking, found.hard_links, "hard links");
  add(lacking, found.case_sensitive, "names that differ in case only");
  add(lacking, found.time_granularity_ns == 1, "times to the nanosecond");
  if (!lacking.empty())
    found.description = std::string(known == nullptr ? "this file system" : known->name) +
                        " with these privileges cannot keep: " + lacking;
  return found;
}

} // namespace osync::sink_fs
