#include "small_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "errors.h"

namespace osync::sink_fs {

int write_fully(int fd, const void* data, std::size_t size, std::int64_t offset) noexcept {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = pwrite(fd, bytes, size, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return EIO;
    bytes += written;
    size -= static_cast<std::size_t>(written);
    offset += written;
  }
  return 0;
}

Result<std::string> read_small_file(int directory, const char* name) {
  const Fd file(openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return failure(errno, "opening", join(".osync", name));
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return failure(errno, "fstat", join(".osync", name));
  if (!S_ISREG(status.st_mode)) return Status(Code::corrupt, "not a regular file", join(".osync", name));
  std::string content(small_file_bound + 1, '\0');
  std::size_t length = 0;
  while (length < content.size()) {
    const ssize_t size =
        pread(file.get(), content.data() + length, content.size() - length, static_cast<off_t>(length));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failure(errno, "reading", join(".osync", name));
    if (size == 0) break;
    length += static_cast<std::size_t>(size);
  }
  if (length > small_file_bound)
    return Status(Code::corrupt, "longer than osync writes it", join(".osync", name));
  content.resize(length);
  return content;
}

Status replace_small_file(int directory, const char* name, const std::string& content) {
  const std::string temporary = std::string(name) + ".new";
  if (unlinkat(directory, temporary.c_str(), 0) != 0 && errno != ENOENT)
    return failure(errno, "removing an old temporary", join(".osync", temporary));
  Fd file(openat(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return failure(errno, "creating", join(".osync", temporary));
  int error = write_fully(file.get(), content.data(), content.size(), 0);
  if (error == 0 && fsync(file.get()) != 0) error = errno;
  if (const int close_error = file.close_checked(); error == 0) error = close_error;
  if (error == 0 && renameat(directory, temporary.c_str(), directory, name) != 0) error = errno;
  if (error == 0 && fsync(directory) != 0) error = errno;
  if (error == 0) return {};
  unlinkat(directory, temporary.c_str(),
           0); // what cannot be removed now is removed before the next one is written
  return failure(error, "writing durably", join(".osync", name));
}

} // namespace osync::sink_fs
