#include "source/object_id.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <xxhash.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "source/attributes_status.h"
#include "source/file_descriptor.h"

namespace osync::source {
namespace {

/// Collects the bytes that an id is made from.
class Preimage {
 public:
  void add(const void* bytes, std::size_t size) noexcept {
    std::memcpy(bytes_.data() + size_, bytes, size);
    size_ += size;
  }
  template <class T>
  void add(const T& value) noexcept {
    add(&value, sizeof value);
  }

  [[nodiscard]] ObjectId digest() const noexcept {
    const XXH128_hash_t hash = XXH3_128bits(bytes_.data(), size_);
    ObjectId id{hash.high64, hash.low64};
    if (!id.valid()) id.low = 1; // zero means "no object"
    return id;
  }

 private:
  std::array<unsigned char, MAX_HANDLE_SZ + 64> bytes_;
  std::size_t size_ = 0;
};

int read_file_system_id(int fd, std::array<int, 2>& id) noexcept {
  struct statfs file_system;
  if (fstatfs(fd, &file_system) != 0) return errno;
  static_assert(sizeof file_system.f_fsid == sizeof id);
  std::memcpy(id.data(), &file_system.f_fsid, sizeof id);
  return 0;
}

/// Errors of name_to_handle_at(2) that say "never here", not "not now": EPERM is how old seccomp filters say
/// ENOSYS.
bool means_no_handles(int error) noexcept {
  return error == EOPNOTSUPP || error == EOVERFLOW || error == ENOSYS || error == EPERM;
}

} // namespace

Result<Identifier> Identifier::for_root(int root_fd) {
  Identifier identifier;
  int error = read_file_system_id(root_fd, identifier.root_file_system_);
  if (error != 0) return Status::from_errno(error, "fstatfs (identity of the source root)");
  FileStatus status;
  error = read_status(root_fd, "", status);
  if (error != 0) return Status::from_errno(error, "statx (identity of the source root)");
  identifier.root_.mount_id = status.mount_id;
  error = identifier.identify_by_handle(root_fd, "", identifier.root_);
  if (means_no_handles(error)) error = identify_by_status(root_fd, "", identifier.root_, identifier.kind_);
  if (error != 0) return Status::from_errno(error, "name_to_handle_at (identity of the source root)");
  return identifier;
}

int Identifier::identify(int fd, Identity& identity) const noexcept { return identify(fd, "", identity); }

int Identifier::identify(int fd, const char* name, Identity& identity) const noexcept {
  const int error = identify_by_handle(fd, name, identity);
  if (!means_no_handles(error)) return error;
  IdentityKind kind;
  return identify_by_status(fd, name, identity, kind);
}

int Identifier::identify_by_handle(int fd, const char* name, Identity& identity) const noexcept {
  alignas(file_handle) std::array<unsigned char, sizeof(file_handle) + MAX_HANDLE_SZ> storage;
  auto* handle = reinterpret_cast<file_handle*>(storage.data());
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (name_to_handle_at(fd, name, handle, &mount_id, *name == '\0' ? AT_EMPTY_PATH : 0) != 0) return errno;

  // Mounts of other file systems are told apart by the mount, which costs nothing: only for those is
  // statfs(2) called.
  FileSystemId file_system = root_file_system_;
  identity.mount_id = static_cast<std::uint64_t>(mount_id);
  if (root_.mount_id != 0 && identity.mount_id != root_.mount_id) {
    const int error = foreign_file_system(fd, name, file_system);
    if (error != 0) return error;
  }
  Preimage preimage;
  preimage.add(file_system);
  preimage.add(handle->handle_type);
  preimage.add(handle->f_handle, handle->handle_bytes);
  identity.id = preimage.digest();
  return 0;
}

int Identifier::identify_by_status(int fd, const char* name, Identity& identity,
                                   IdentityKind& kind) noexcept {
  FileStatus status;
  const int error = read_status(fd, name, status);
  if (error != 0) return error;
  Preimage preimage;
  preimage.add("inode", 5);
  preimage.add(status.attributes.inode);
  preimage.add(status.birth.seconds);
  preimage.add(status.birth.nanoseconds);
  preimage.add(status.device);
  identity.id = preimage.digest();
  identity.mount_id = status.mount_id;
  kind = status.has_birth ? IdentityKind::birth_time : IdentityKind::inode_only;
  return 0;
}

int Identifier::foreign_file_system(int fd, const char* name, FileSystemId& id) noexcept {
  if (*name == '\0') return read_file_system_id(fd, id);
  const FileDescriptor object(openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  return object.valid() ? read_file_system_id(object.get(), id) : errno;
}

std::uint64_t Identifier::file_system_id() const noexcept {
  std::uint64_t id;
  std::memcpy(&id, root_file_system_.data(), sizeof id);
  return id;
}

} // namespace osync::source
