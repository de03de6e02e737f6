#include "stress/operations.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace osync::stress {
namespace {

using test::Descriptor;

std::optional<Entry> file_or_directory(Hands& hands) {
  return hands.any(hands.random.one_in(3) ? DT_DIR : DT_REG);
}

/// Holds what stands at an entry of any type but symlink, and lets `change` work on a path that names it.
template <class Change>
int on_held(Hands& hands, const char* what, std::optional<Entry> entry, const Change& change) {
  if (!entry) return nothing_there;
  const Descriptor held = hands.hold(*entry);
  return hands.did(what, held.valid() ? change(Hands::reference(held)) : -1, *entry);
}

int change_mode(Hands& hands) {
  static constexpr mode_t modes[] = {0600, 0644, 0664, 0755, 0700, 0444, 0500, 01777, 02755, 04755, 0, 0777};
  const mode_t mode = modes[hands.random.below(std::size(modes))];
  const auto entry = hands.random.one_in(6) ? hands.any(DT_UNKNOWN) : file_or_directory(hands);
  return on_held(hands, "chmod", entry, [&](const std::string& path) { return chmod(path.c_str(), mode); });
}

int change_owner(Hands& hands) {
  const auto entry = hands.any(DT_UNKNOWN);
  if (!entry) return nothing_there;
  const auto user = static_cast<uid_t>(hands.random.below(4) * 1000);
  const auto group = static_cast<gid_t>(hands.random.below(3) * 50);
  return hands.did("chown", fchownat(entry->at(), entry->name.c_str(), user, group, AT_SYMLINK_NOFOLLOW),
                   *entry);
}

/// Only the time changes, of files, directories, symlinks and specials.
int change_time(Hands& hands) {
  const auto entry = hands.random.one_in(2) ? hands.any(DT_UNKNOWN) : hands.file();
  if (!entry) return nothing_there;
  const timespec time{static_cast<time_t>(hands.random.below(1'900'000'000)),
                      static_cast<long>(hands.random.below(1'000'000'000))};
  const timespec times[2] = {{0, UTIME_OMIT}, hands.random.one_in(4) ? timespec{0, UTIME_NOW} : time};
  return hands.did("utimensat", utimensat(entry->at(), entry->name.c_str(), times, AT_SYMLINK_NOFOLLOW),
                   *entry);
}

int set_xattr(Hands& hands) {
  const std::string name =
      (hands.random.one_in(4) ? "trusted.s" : "user.s") + std::to_string(hands.random.below(3));
  const std::string value = hands.random.bytes(hands.random.below(hands.random.one_in(10) ? 900 : 40));
  return on_held(hands, "setxattr", file_or_directory(hands), [&](const std::string& path) {
    return setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0);
  });
}

/// One that is there, and no ACL.
int remove_xattr(Hands& hands) {
  return on_held(hands, "removexattr", file_or_directory(hands), [&](const std::string& path) {
    std::string names(4096, '\0');
    const ssize_t size = listxattr(path.c_str(), names.data(), names.size());
    if (size < 0) return -1;
    const std::string first = names.substr(0, static_cast<std::size_t>(size)).c_str();
    return first.rfind("system.", 0) == 0
               ? 0
               : removexattr(path.c_str(), first.empty() ? "user.none" : first.c_str());
  });
}

/// The kernel's form of an ACL (linux/posix_acl_xattr.h): version 2, then tag, permissions, id, little
/// endian.
std::string acl(Hands& hands) {
  struct Line {
    unsigned tag;
    std::uint32_t id;
  };
  std::string bytes("\2\0\0\0", 4);
  constexpr std::uint32_t none = 0xffffffff;
  const auto user = static_cast<std::uint32_t>(1000 + hands.random.below(3));
  for (const Line line :
       {Line{1, none}, Line{2, user}, Line{4, none}, Line{8, 50}, Line{16, none}, Line{32, none}}) {
    const std::uint64_t permissions = hands.random.below(8);
    for (unsigned index = 0; index < 2; ++index) bytes.push_back(static_cast<char>(line.tag >> (8 * index)));
    bytes.push_back(static_cast<char>(permissions));
    bytes.push_back('\0');
    for (unsigned index = 0; index < 4; ++index) bytes.push_back(static_cast<char>(line.id >> (8 * index)));
  }
  return bytes;
}

int set_acl(Hands& hands) {
  const std::string value = acl(hands);
  return on_held(hands, "set ACL", file_or_directory(hands), [&](const std::string& path) {
    return setxattr(path.c_str(), "system.posix_acl_access", value.data(), value.size(), 0);
  });
}

/// What is made in the directory afterwards inherits it; the copy must neither lack nor double it.
int set_default_acl(Hands& hands) {
  const std::string value = acl(hands);
  return on_held(hands, "set default ACL", hands.directory(), [&](const std::string& path) {
    return setxattr(path.c_str(), "system.posix_acl_default", value.data(), value.size(), 0);
  });
}

int remove_acl(Hands& hands) {
  const bool inherited = hands.random.one_in(2);
  const auto entry = inherited ? hands.directory() : file_or_directory(hands);
  return on_held(hands, "remove ACL", entry, [&](const std::string& path) {
    return removexattr(path.c_str(), inherited ? "system.posix_acl_default" : "system.posix_acl_access");
  });
}

} // namespace

const std::vector<Operation>& attribute_operations() {
  static const std::vector<Operation> all = {{"chmod", 30, change_mode},
                                             {"chown", 20, change_owner},
                                             {"utimensat", 30, change_time},
                                             {"setxattr", 30, set_xattr},
                                             {"removexattr", 20, remove_xattr},
                                             {"set ACL", 10, set_acl},
                                             {"set default ACL", 10, set_default_acl},
                                             {"remove ACL", 20, remove_acl}};
  return all;
}

} // namespace osync::stress
