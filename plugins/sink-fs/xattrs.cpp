#include "xattrs.h"

#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace osync::sink_fs {

namespace {

/// Fills `value` by a call of the kind `size = call(buffer, capacity)` that answers ERANGE while the buffer
/// is small.
template <class Call>
int read_growing(std::string& value, Call call) {
  constexpr std::size_t first_capacity = 512;
  constexpr std::size_t last_capacity = 1u << 17; // above XATTR_SIZE_MAX and XATTR_LIST_MAX
  for (std::size_t capacity = first_capacity; capacity <= last_capacity; capacity *= 4) {
    value.resize(capacity);
    const ssize_t size = call(value.data(), capacity);
    if (size >= 0) {
      value.resize(static_cast<std::size_t>(size));
      return 0;
    }
    if (errno != ERANGE) return errno;
  }
  return E2BIG;
}

} // namespace

bool is_host_xattr(std::string_view name) noexcept {
  return name == "security.selinux" || name == "security.ima" || name == "security.evm" ||
         name == "security.apparmor" || name.starts_with("security.SMACK64");
}

XattrAccess::XattrAccess(int fd, bool path_only) noexcept : fd_(fd), path_only_(path_only) {
  std::snprintf(path_.data(), path_.size(), "/proc/self/fd/%d", fd);
}

int XattrAccess::set(const Xattr& xattr) const noexcept {
  const int result =
      path_only_ ? setxattr(path_.data(), xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0)
                 : fsetxattr(fd_, xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0);
  return result == 0 ? 0 : errno;
}

int XattrAccess::remove(const char* name) const noexcept {
  const int result = path_only_ ? removexattr(path_.data(), name) : fremovexattr(fd_, name);
  return result == 0 || errno == ENODATA ? 0 : errno;
}

int XattrAccess::get(const char* name, std::string& value) const {
  return read_growing(value, [&](char* buffer, std::size_t size) {
    return path_only_ ? getxattr(path_.data(), name, buffer, size) : fgetxattr(fd_, name, buffer, size);
  });
}

int XattrAccess::list(std::string& names) const {
  return read_growing(names, [&](char* buffer, std::size_t size) {
    return path_only_ ? listxattr(path_.data(), buffer, size) : flistxattr(fd_, buffer, size);
  });
}

int XattrAccess::read_all(std::vector<Xattr>& xattrs) const {
  xattrs.clear();
  std::string names;
  if (const int error = list(names); error != 0) return error;
  for (std::size_t at = 0; at < names.size(); at += std::strlen(names.c_str() + at) + 1) {
    Xattr xattr;
    xattr.name = names.c_str() + at;
    if (is_host_xattr(xattr.name)) continue;
    const int error = get(xattr.name.c_str(), xattr.value);
    if (error == ENODATA) continue;
    if (error != 0) return error;
    xattrs.push_back(std::move(xattr));
  }
  std::sort(xattrs.begin(), xattrs.end(), [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
  return 0;
}

} // namespace osync::sink_fs
