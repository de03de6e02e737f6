// File systems of their own for tests: ext4, xfs and btrfs on images in memory, tmpfs of a given size, bind
// mounts.
//
// All of it needs root and the programs that make the file systems; `file_system_missing` says what is not
// there, for OSYNC_SKIP_IF. Every mount is gone when its object is, also when the test fails: detached with
// MNT_DETACH, so that a process which still stands in it cannot keep it. Loop devices are made to vanish with
// their last user.
#pragma once

#include "support/temporary.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace osync::test {

/// Why a file system of `type` ("ext4", "xfs", "btrfs", "tmpfs", "bind") cannot be mounted here; nothing when
/// it can.
[[nodiscard]] std::optional<std::string> file_system_missing(const std::string& type);

/// One mount; unmounted when it goes.
class Mount {
 public:
  /// Mounts a new tmpfs of at most `size` bytes on the existing directory `target`. Throws
  /// std::runtime_error.
  static Mount tmpfs(const std::string& target, std::uint64_t size);
  /// Makes `from` appear at `target` too.
  static Mount bind(const std::string& from, const std::string& target);
  /// Mounts the file system in the image file `image`.
  static Mount image(const std::string& image, const std::string& type, const std::string& target);

  ~Mount();
  Mount(Mount&& other) noexcept;
  Mount& operator=(Mount&&) = delete;
  Mount(const Mount&) = delete;

  /// Gives a tmpfs another size; for making room. Throws std::runtime_error.
  void resize(std::uint64_t size) const;
  /// Unmounts now, as umount(8) would; false when it is busy.
  [[nodiscard]] bool unmount();

 private:
  explicit Mount(std::string target) : target_(std::move(target)) {}
  std::string target_; // empty when nothing is mounted any more
};

/// A new file system of `type` and of `size` bytes, mounted in a directory of its own.
class FileSystem {
 public:
  explicit FileSystem(const std::string& type, std::uint64_t size = std::uint64_t{512} << 20);

  [[nodiscard]] std::string path() const { return directory_ / "mounted"; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path() + "/" + name; }

 private:
  TemporaryDirectory directory_; // declared first: it outlives the mount
  std::unique_ptr<Mount> mount_;
};

} // namespace osync::test
