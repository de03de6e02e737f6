// Opening entries without side effects (RULES.md 19): an entry is first held with O_PATH, which opens no
// device and waits for no FIFO, then looked at, and only a regular file is opened for reading, as the very
// object that was looked at.
//
// Costs one openat more a file than opening by name and comparing afterwards (measured: see
// reopen_regular()); that would open whatever was put at the name meanwhile, devices included. Thread-safety:
// any thread.
#pragma once

#include <atomic>

#include "source/attributes_status.h"
#include "source/file_descriptor.h"
#include "source/source_root.h"

namespace osync::source {

/// An entry held with O_PATH, and its status as read through that descriptor.
struct PinnedEntry {
  FileDescriptor fd;
  FileStatus status;
};

class FileOpener {
 public:
  /// `root` outlives the opener.
  explicit FileOpener(const SourceRoot& root);

  /// Holds `name` below the directory `directory_fd`, whatever it is, without following a symlink. An entry
  /// that is removed or replaced in between is looked for again. Returns 0 or the errno; ENOENT: the
  /// directory has no such entry.
  [[nodiscard]] int pin(int directory_fd, const char* name, PinnedEntry& entry) const;

  /// Opens a pinned regular file for reading (never blocks, becomes no controlling terminal, leaves the
  /// access time alone where allowed). Returns 0 or the errno.
  [[nodiscard]] int reopen_regular(const PinnedEntry& entry, FileDescriptor& file);

 private:
  const SourceRoot& root_;
  std::uint32_t own_uid_;
  std::atomic<bool> foreign_noatime_refused_{
      false}; ///< O_NOATIME on a file of somebody else: EPERM without CAP_FOWNER
};

} // namespace osync::source
