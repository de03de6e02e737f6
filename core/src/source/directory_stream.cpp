#include "source/directory_stream.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace osync::source {
namespace {

// struct linux_dirent64 (getdents64(2)): inode (8 bytes), offset (8), record length (2), type (1), name.
constexpr std::size_t length_at = 16;
constexpr std::size_t type_at = 18;
constexpr std::size_t name_at = 19;

FileType type_of_entry(unsigned char type) noexcept {
  switch (type) {
  case DT_REG:
    return FileType::regular;
  case DT_DIR:
    return FileType::directory;
  case DT_LNK:
    return FileType::symlink;
  case DT_FIFO:
    return FileType::fifo;
  case DT_SOCK:
    return FileType::socket;
  case DT_CHR:
    return FileType::character_device;
  case DT_BLK:
    return FileType::block_device;
  default:
    return FileType::unknown;
  }
}

bool is_dot(std::string_view name) noexcept { return name == "." || name == ".."; }

} // namespace

DirectoryStream::DirectoryStream() : buffer_(std::make_unique_for_overwrite<std::byte[]>(buffer_bytes)) {}

Status DirectoryStream::peek(int fd, const std::string& path, const DirectoryEntry*& entry) {
  entry = nullptr;
  while (!have_entry_ || is_dot(entry_.text())) {
    if (at_ == size_) {
      if (end_) return {};
      Status status = fill(fd, path);
      if (!status.ok()) return status;
      if (end_) return {};
    }
    Status status = decode(path);
    if (!status.ok()) return status;
  }
  entry = &entry_;
  return {};
}

Status DirectoryStream::fill(int fd, const std::string& path) {
  have_entry_ = false;
  const long got = syscall(SYS_getdents64, fd, buffer_.get(), buffer_bytes);
  if (got < 0) return Status::from_errno(errno, "getdents64 (list directory)", path);
  at_ = 0;
  size_ = static_cast<std::size_t>(got);
  end_ = got == 0;
  return {};
}

Status DirectoryStream::decode(const std::string& path) {
  // The kernel is trusted to be well-formed, a FUSE file system behind it is not: lengths are checked.
  const std::byte* record = buffer_.get() + at_;
  std::uint16_t length = 0;
  if (size_ - at_ > name_at) std::memcpy(&length, record + length_at, sizeof length);
  if (length <= name_at || length > size_ - at_)
    return {Code::corrupt, "getdents64 (list directory): malformed record", path};
  const char* name = reinterpret_cast<const char*>(record + name_at);
  entry_.name = name;
  entry_.length = strnlen(name, length - name_at);
  if (entry_.length == length - name_at)
    return {Code::corrupt, "getdents64 (list directory): unended name", path};
  std::memcpy(&entry_.inode, record, sizeof entry_.inode);
  entry_.type = type_of_entry(std::to_integer<unsigned char>(record[type_at]));
  at_ += length;
  have_entry_ = true;
  return {};
}

} // namespace osync::source
