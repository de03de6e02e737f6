// Extended attributes of what is open at a descriptor, also one opened with O_PATH (through /proc/self/fd).
// Threads: any. Bounds: the kernel's, 64 KiB a list and a value (xattr(7)).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "osync/types.h"

namespace osync::sink_fs {

inline constexpr const char* access_acl_name = "system.posix_acl_access";
inline constexpr const char* default_acl_name = "system.posix_acl_default";

/// Whether the attribute belongs to the host and not to the content: labels and measurements of security
/// modules are neither compared, nor set, nor removed.
[[nodiscard]] bool is_host_xattr(std::string_view name) noexcept;

/// What is open at a descriptor. Every function answers 0 or an errno.
class XattrAccess {
 public:
  XattrAccess(int fd, bool path_only) noexcept;

  [[nodiscard]] int set(const Xattr& xattr) const noexcept;
  /// Removing what is not there is no error.
  [[nodiscard]] int remove(const char* name) const noexcept;
  /// ENODATA: not there.
  [[nodiscard]] int get(const char* name, std::string& value) const;
  /// All but the host's, sorted by name, with values. Attributes that vanish in between are left out.
  [[nodiscard]] int read_all(std::vector<Xattr>& xattrs) const;

 private:
  [[nodiscard]] int list(std::string& names) const;

  int fd_;
  bool path_only_;
  std::array<char, 32> path_{};
};

} // namespace osync::sink_fs
