// The source root, held open, and the only way by which paths below it are opened.
//
// A path is opened by component below the root: no symlink is followed, nothing outside is reached, and with
// `one_file_system` no mount point is crossed; then the identity of what was found is compared (openat2(2),
// RULES.md 9). Paths may be longer than PATH_MAX.
// Thread-safety: any thread at any time after open(). Open it after the last fork(): it holds /proc/self/fd.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/source_jobs.h"
#include "osync/status.h"
#include "source/attributes_status.h"
#include "source/file_descriptor.h"
#include "source/object_id.h"

namespace osync::source {

/// What a directory is opened for.
enum class DirectoryAccess : std::uint8_t {
  look, ///< O_PATH: its entries can be looked at (search permission is enough)
  list, ///< O_RDONLY: it can be listed and watched as well
};

class SourceRoot {
 public:
  /// Opens the directory at `path` (symlinks are followed here, and only here). With `one_file_system`, what
  /// is mounted below it is not entered. Errors: not_found (missing), invalid (not a directory), denied,
  /// unsupported (no /proc).
  static Result<std::unique_ptr<SourceRoot>> open(const std::string& path, bool one_file_system);

  /// Opens the directory at `directory.path` if it is `directory.id`. Errors: not_found (a component is
  /// missing, a symlink or no directory), stale (another directory is there, or a mount hides it), denied,
  /// limit, invalid (no relative path), io. Messages carry the relative path.
  [[nodiscard]] Result<FileDescriptor> open_directory(const engine::DirectoryRef& directory,
                                                      DirectoryAccess access) const;

  /// Whether an entry with this status is not part of the tree because it is on another mount (bind mounts
  /// included) or, for directories, another file system (a btrfs subvolume is no mount). Always false without
  /// `one_file_system`.
  [[nodiscard]] bool is_mount(const FileStatus& status) const noexcept;
  /// The same by the mount that an identity was reached through.
  [[nodiscard]] bool is_mount(const Identity& identity) const noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  /// A directory open with O_PATH: /proc/self/fd, for opening what is held with O_PATH.
  [[nodiscard]] int proc_fd() const noexcept { return proc_fd_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const ObjectId& id() const noexcept { return identifier_.root().id; }
  [[nodiscard]] const Identifier& identifier() const noexcept { return identifier_; }
  /// st_dev, for comparing with the ancestors of other roots; changes at reboot.
  [[nodiscard]] std::uint64_t device() const noexcept { return device_; }
  /// What to remember of the file system across restarts (RULES.md 17).
  [[nodiscard]] std::uint64_t file_system_id() const noexcept { return identifier_.file_system_id(); }
  [[nodiscard]] bool one_file_system() const noexcept { return one_file_system_; }
  /// Makes paths be opened without openat2(2), as on kernels before 5.6; for tests. Before any other thread
  /// uses it.
  void disable_openat2() noexcept { has_openat2_ = false; }

 private:
  SourceRoot(FileDescriptor fd, FileDescriptor proc_fd, std::string path, Identifier identifier,
             bool one_file_system);

  /// These three return 0 or the errno, and do not compare identities.
  int open_path(const std::string& path, int flags, FileDescriptor& directory) const;
  int open_piece(int parent, const char* path, int flags, FileDescriptor& directory) const;
  int walk_piece(int parent, std::string path, int flags, FileDescriptor& directory) const;
  [[nodiscard]] Status compare_identity(int fd, const engine::DirectoryRef& directory) const;

  FileDescriptor fd_;
  FileDescriptor proc_fd_;
  std::string path_;
  Identifier identifier_;
  std::uint64_t device_ = 0;
  bool one_file_system_;
  bool has_openat2_ = true;
};

} // namespace osync::source
