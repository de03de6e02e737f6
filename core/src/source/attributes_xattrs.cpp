#include "source/attributes_xattrs.h"

#include <linux/limits.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace osync::source {
namespace {

/// The two system calls on an open descriptor.
struct ByDescriptor {
  int fd;
  ssize_t list(char* buffer, std::size_t size) const { return flistxattr(fd, buffer, size); }
  ssize_t get(const char* name, char* buffer, std::size_t size) const {
    return fgetxattr(fd, name, buffer, size);
  }
};

/// The two system calls through /proc; following the magic link ends at the object, also where it is a
/// symlink.
struct ByMagicLink {
  std::array<char, 32> path{};
  explicit ByMagicLink(int fd) { std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd); }
  ssize_t list(char* buffer, std::size_t size) const { return listxattr(path.data(), buffer, size); }
  ssize_t get(const char* name, char* buffer, std::size_t size) const {
    return getxattr(path.data(), name, buffer, size);
  }
};

/// Calls `read(buffer, size)` with a small buffer first and with the largest that the kernel fills where that
/// was too small (ERANGE); `bytes` is the result. Attributes may grow between two calls, hence no size query.
/// Returns an errno.
template <class Read>
int read_growing(std::string& bytes, std::size_t largest, Read read) {
  std::array<char, 1024> small;
  ssize_t size = read(small.data(), small.size());
  if (size >= 0) {
    bytes.assign(small.data(), static_cast<std::size_t>(size));
    return 0;
  }
  if (errno != ERANGE) return errno;
  bytes.resize(largest);
  size = read(bytes.data(), bytes.size());
  if (size < 0) return errno;
  bytes.resize(static_cast<std::size_t>(size));
  return 0;
}

/// The values of all names in `names` (each ended by NUL).
template <class Access>
int read_values(const Access& access, const std::string& names, std::size_t bound,
                std::vector<Xattr>& xattrs) {
  std::size_t total = 0;
  for (std::size_t at = 0; at < names.size(); at += std::strlen(names.c_str() + at) + 1) {
    Xattr xattr;
    xattr.name = names.c_str() + at;
    const int error = read_growing(xattr.value, XATTR_SIZE_MAX, [&](char* buffer, std::size_t size) {
      return access.get(xattr.name.c_str(), buffer, size);
    });
    // Removed meanwhile, or listed without being readable by anybody (NFS lists names that it cannot give).
    if (error == ENODATA || error == EOPNOTSUPP) continue;
    if (error != 0) return error;
    total += xattr.name.size() + xattr.value.size();
    if (total > bound) return E2BIG;
    xattrs.push_back(std::move(xattr));
  }
  return 0;
}

template <class Access>
int read_all(const Access& access, std::size_t bound, Attributes& attributes) {
  attributes.has_xattrs = false;
  attributes.xattrs.clear();
  std::string names;
  const int error = read_growing(names, XATTR_LIST_MAX,
                                 [&](char* buffer, std::size_t size) { return access.list(buffer, size); });
  if (error != 0 && error != EOPNOTSUPP) return error;
  if (error == 0 && !names.empty()) {
    const int value_error = read_values(access, names, bound, attributes.xattrs);
    if (value_error != 0) {
      attributes.xattrs.clear();
      return value_error;
    }
    std::sort(attributes.xattrs.begin(), attributes.xattrs.end(),
              [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
  }
  attributes.has_xattrs = true;
  return 0;
}

} // namespace

int read_xattrs(int fd, std::size_t bound, Attributes& attributes) {
  return read_all(ByDescriptor{fd}, bound, attributes);
}

int read_xattrs_of_path_fd(int path_fd, std::size_t bound, Attributes& attributes) {
  return read_all(ByMagicLink(path_fd), bound, attributes);
}

std::size_t xattr_bytes(const Attributes& attributes) noexcept {
  std::size_t bytes = 0;
  for (const Xattr& xattr : attributes.xattrs) bytes += xattr.name.size() + xattr.value.size();
  return bytes;
}

} // namespace osync::source
