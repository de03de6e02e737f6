// Value types shared by the engine and every kind of plugin: identities, times, attributes, bytes.
//
// Names and paths are raw bytes in std::string: no encoding is assumed, '/' separates, NUL cannot occur. A relative
// path never begins or ends with '/', has no empty, "." or ".." component, and is empty for the root itself.
// All types are plain values; distinct objects may be used from distinct threads.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace osync {

/// A file-system object for as long as it exists, also across renames: a 128-bit digest of its file handle
/// (name_to_handle_at(2), with the file system's id), or of inode and birth time where there are no handles.
/// Inode numbers alone are reused at once (measured: rmdir, mkdir gives the same inode 1,000 of 1,000 times).
struct ObjectId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  [[nodiscard]] bool valid() const noexcept { return (high | low) != 0; }
  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
};

struct ObjectIdHash {
  std::size_t operator()(const ObjectId& id) const noexcept { return static_cast<std::size_t>(id.high ^ id.low); }
};

/// Seconds and nanoseconds since the epoch, as in struct timespec.
struct Timestamp {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0; ///< 0 .. 999,999,999
  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

/// Order and values are part of the wire format.
enum class FileType : std::uint8_t {
  unknown = 0,
  regular,
  directory,
  symlink,
  fifo,
  socket,
  character_device,
  block_device,
};

/// One extended attribute. POSIX ACLs travel as system.posix_acl_access and system.posix_acl_default (acl(5)).
struct Xattr {
  std::string name;
  std::string value;
  friend bool operator==(const Xattr&, const Xattr&) = default;
};

/// As a uid or gid of Attributes: the source does not say (`attributes: {owners: none}`). What is there keeps its owner, what
/// is made or replaced belongs to the sink's user, as with -1 in chown(2).
inline constexpr std::uint32_t keep_owner = 0xffffffff;

/// What statx(2) tells of an object, and its extended attributes where they were read.
struct Attributes {
  FileType type = FileType::unknown;
  std::uint32_t mode = 0; ///< permission bits with set-uid, set-gid and sticky: 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t device_major = 0; ///< of the device that a character or block device node stands for
  std::uint32_t device_minor = 0;
  std::uint32_t links = 1; ///< st_nlink
  std::uint64_t size = 0;  ///< bytes; for symlinks the length of the target
  std::uint64_t blocks = 0; ///< 512-byte units allocated
  std::uint64_t inode = 0; ///< only meaningful on the host where it was read
  Timestamp mtime;
  Timestamp ctime;
  bool has_xattrs = false; ///< whether `xattrs` was read (an empty list is then a fact)
  std::vector<Xattr> xattrs; ///< sorted by name
};

/// A view of immutable bytes together with what keeps them alive. Copying shares the bytes; any thread may release.
class Buffer {
 public:
  Buffer() noexcept = default;
  /// `owner` keeps [data, data + size) valid and unchanged until the last copy is gone.
  Buffer(std::shared_ptr<const void> owner, const std::byte* data, std::size_t size) noexcept
      : owner_(std::move(owner)), data_(data), size_(size) {}
  /// A copy of `bytes`.
  static Buffer copy_of(std::span<const std::byte> bytes) {
    if (bytes.empty()) return {};
    auto storage = std::make_shared_for_overwrite<std::byte[]>(bytes.size());
    std::memcpy(storage.get(), bytes.data(), bytes.size());
    const std::byte* data = storage.get();
    return {std::move(storage), data, bytes.size()};
  }
  static Buffer copy_of(std::string_view text) { return copy_of(std::as_bytes(std::span(text))); }

  [[nodiscard]] const std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  /// The part [offset, offset + length), sharing the owner. The range must lie inside.
  [[nodiscard]] Buffer part(std::size_t offset, std::size_t length) const noexcept {
    return {owner_, data_ + offset, length};
  }

 private:
  std::shared_ptr<const void> owner_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// XXH3-128 of a file's whole content (holes count as zeros).
struct Digest {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const Digest&, const Digest&) = default;
};

/// Whether `name` may stand as one component of a path: not empty, not "." or "..", no '/' and no NUL, and at most
/// 255 bytes (NAME_MAX of every file system osync supports).
[[nodiscard]] constexpr bool valid_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 255 || name == "." || name == "..") return false;
  for (const char c : name)
    if (c == '/' || c == '\0') return false;
  return true;
}

/// Whether `path` is a relative path as described at the top of this file (empty: the root).
[[nodiscard]] constexpr bool valid_relative_path(std::string_view path) noexcept {
  if (path.empty()) return true;
  while (true) {
    const std::size_t slash = path.find('/');
    if (!valid_name(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

} // namespace osync

template <>
struct std::hash<osync::ObjectId> : osync::ObjectIdHash {};
