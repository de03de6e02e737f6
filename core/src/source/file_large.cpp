#include "source/file_large.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <utility>

#include "source/file_content.h"

namespace osync::source {

LargeFile::LargeFile(FileDescriptor directory, std::string name, std::string path, FileDescriptor file,
                     FileStatus before)
    : directory_(std::move(directory)), name_(std::move(name)), path_(std::move(path)),
      file_(std::move(file)), before_(std::move(before)) {
  // Doubles the kernel's read-ahead; only advice, so that a refusal changes nothing.
  static_cast<void>(posix_fadvise(file_.get(), 0, 0, POSIX_FADV_SEQUENTIAL));
}

Status LargeFile::read(std::uint64_t offset, std::uint32_t max_bytes, PayloadPool& pool, std::size_t small,
                       engine::FileChunk& chunk) {
  if (offset < next_offset_) return {Code::invalid, "read file: the offset goes back", path_};
  const std::uint64_t size = before_.attributes.size;
  // Asked once a range, not once a chunk: tmpfs walks all pages up to the next hole each time.
  int error = 0;
  if (offset >= data_.end) error = next_data(file_.get(), offset, size, data_);
  if (error != 0) return Status::from_errno(error, "lseek SEEK_DATA (read file)", path_);
  const DataRange range{std::max(data_.begin, offset), data_.end};
  chunk.offset = range.begin;
  chunk.end = range.begin == range.end;
  if (chunk.end) return {};

  PayloadWriter writer(pool, small);
  const std::span<std::byte> space = writer.space();
  const std::uint64_t wanted =
      std::min<std::uint64_t>({range.end - range.begin, std::max(max_bytes, 1u), space.size()});
  std::size_t got = 0;
  error = read_fully(file_.get(), range.begin, space.first(static_cast<std::size_t>(wanted)), got);
  if (error != 0) return Status::from_errno(error, "pread (read file)", path_);
  ended_early_ = ended_early_ || got < wanted;
  if (got > 0) add_to_digest(range.begin, space.first(got));
  writer.commit(got);
  chunk.data = writer.finish();
  next_offset_ = range.begin + got;
  chunk.end = next_offset_ >= size || got < wanted;
  return {};
}

void LargeFile::add_to_digest(std::uint64_t offset, std::span<const std::byte> bytes) noexcept {
  std::array<std::byte, 8> little_endian;
  for (std::size_t i = 0; i < little_endian.size(); ++i)
    little_endian[i] = static_cast<std::byte>(offset >> (8 * i));
  hash_.add(little_endian);
  hash_.add(bytes);
}

Status LargeFile::check() const {
  if (ended_early_) return {Code::stale, "close file: it became shorter while it was read", path_};
  FileStatus now;
  int error = read_status(file_.get(), "", now);
  if (error != 0) return Status::from_errno(error, "statx (close file)", path_);
  if (!same_version(before_, now)) return {Code::stale, "close file: it changed while it was read", path_};
  FileStatus named;
  error = read_status(directory_.get(), name_.c_str(), named);
  if (error == ENOENT) return {Code::stale, "close file: its name is gone", path_, error};
  if (error != 0) return Status::from_errno(error, "statx of the name (close file)", path_);
  if (!same_object(before_, named)) return {Code::stale, "close file: another file has its name", path_};
  return {};
}

} // namespace osync::source
