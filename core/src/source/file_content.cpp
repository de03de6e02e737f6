#include "source/file_content.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "source/file_hash.h"

namespace osync::source {

int read_fully(int fd, std::uint64_t offset, std::span<std::byte> into, std::size_t& got) noexcept {
  got = 0;
  if (offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return EINVAL;
  while (got < into.size()) {
    const ssize_t result = pread(fd, into.data() + got, into.size() - got, static_cast<off_t>(offset + got));
    if (result == 0) return 0;
    if (result > 0)
      got += static_cast<std::size_t>(result);
    else if (errno != EINTR)
      return errno;
  }
  return 0;
}

bool has_hole(int fd, std::uint64_t size) noexcept {
  const off_t hole = lseek(fd, 0, SEEK_HOLE);
  return hole >= 0 && static_cast<std::uint64_t>(hole) < size;
}

int next_data(int fd, std::uint64_t offset, std::uint64_t size, DataRange& range) noexcept {
  range = {offset, offset};
  if (offset >= size) return 0;
  const off_t data = lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0 && errno == ENXIO)
    return 0; // nothing but a hole up to the end, or the file has become shorter
  if (data < 0 && errno != EINVAL && errno != EOPNOTSUPP) return errno;
  range.begin = data < 0 ? offset : static_cast<std::uint64_t>(data);
  if (range.begin >= size) { // data behind what was the end: the file has grown
    range = {offset, offset};
    return 0;
  }
  const off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
  range.end = hole > data ? std::min(static_cast<std::uint64_t>(hole), size) : size;
  return 0;
}

int digest_content(int fd, std::span<std::byte> scratch, const std::atomic<bool>& interrupted, Digest& digest,
                   std::uint64_t& bytes) {
  RunningHash hash;
  bytes = 0;
  while (true) {
    if (interrupted.load(std::memory_order_relaxed)) return ECANCELED;
    std::size_t got = 0;
    const int error = read_fully(fd, bytes, scratch, got);
    if (error != 0) return error;
    hash.add(scratch.first(got));
    bytes += got;
    if (got < scratch.size()) break;
  }
  digest = hash.digest();
  return 0;
}

} // namespace osync::source
