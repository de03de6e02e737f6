#include "sparse_copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "small_file.h"

namespace osync::sink_fs {

namespace {

/// Bytes [begin, end), which are data. Reading and writing works between any two file systems;
/// copy_file_range(2) does not, and answers 0 on some.
int copy_range(int from, int to, off_t begin, off_t end) noexcept {
  alignas(64) std::array<char, 1 << 16> buffer;
  while (begin < end) {
    const ssize_t size =
        pread(from, buffer.data(),
              std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(end - begin)), begin);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno;
    if (size == 0) return EIO; // shorter than it was
    if (const int error = write_fully(to, buffer.data(), static_cast<std::size_t>(size), begin); error != 0)
      return error;
    begin += size;
  }
  return 0;
}

} // namespace

int copy_sparse(int from, int to, std::uint64_t size) noexcept {
  const auto end = static_cast<off_t>(size);
  if (ftruncate(to, end) != 0) return errno;
  off_t position = 0;
  while (position < end) {
    const off_t data = lseek(from, position, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return 0; // only a hole is left
    if (data < 0) return errno;
    off_t hole = lseek(from, data, SEEK_HOLE);
    if (hole < 0) return errno;
    hole = std::min(hole, end);
    if (const int error = copy_range(from, to, data, hole); error != 0) return error;
    position = hole;
  }
  return 0;
}

} // namespace osync::sink_fs
