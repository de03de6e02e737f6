#include "source/file_opener.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

namespace osync::source {

FileOpener::FileOpener(const SourceRoot& root) : root_(root), own_uid_(geteuid()) {}

int FileOpener::pin(int directory_fd, const char* name, PinnedEntry& entry) const {
  constexpr int attempts = 3;
  for (int attempt = 1;; ++attempt) {
    entry.fd = FileDescriptor(openat(directory_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    const int error = entry.fd.valid() ? read_status(entry.fd.get(), "", entry.status) : errno;
    // No links: removed or replaced since it was opened, so that the name says something else now. After a
    // few attempts it is taken as it is: its removal will be reported like any change, and some FUSE file
    // systems count no links.
    const bool gone = error == 0 && entry.status.attributes.links == 0;
    if (attempt == attempts || (error != ESTALE && !gone)) return error;
  }
}

int FileOpener::reopen_regular(const PinnedEntry& entry, FileDescriptor& file) {
  // Relative to the held /proc/self/fd: one short look-up instead of four.
  std::array<char, 16> number{};
  std::to_chars(number.data(), number.data() + number.size() - 1, entry.fd.get());
  constexpr int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  const bool own = entry.status.attributes.uid == own_uid_;
  if (own || !foreign_noatime_refused_.load(std::memory_order_relaxed)) {
    file = FileDescriptor(openat(root_.proc_fd(), number.data(), flags | O_NOATIME));
    if (file.valid()) return 0;
    if (errno != EPERM) return errno;
    if (!own) foreign_noatime_refused_.store(true, std::memory_order_relaxed);
  }
  file = FileDescriptor(openat(root_.proc_fd(), number.data(), flags));
  return file.valid() ? 0 : errno;
}

} // namespace osync::source
