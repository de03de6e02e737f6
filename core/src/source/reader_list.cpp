#include "source/reader_list.h"

#include <cerrno>
#include <utility>

#include "source/attributes_xattrs.h"
#include "source/file_content.h"
#include "source/reader_look.h"

namespace osync::source {

using engine::ListedEntry;

Lister::Lister(ReaderContext& context, const OpenDirectory& directory, Timestamp since,
               std::uint32_t max_bytes)
    : context_(context), directory_(directory), since_(since), max_bytes_(max_bytes) {}

Lister::~Lister() {
  if (scratch_) context_.pool->give(std::move(scratch_));
}

bool Lister::full() const noexcept {
  return metadata_bytes_ >= max_bytes_ || digested_ >= context_.limits.digest_bytes;
}

bool Lister::list(std::string name, ListedEntry& entry) {
  entry.name = std::move(name);
  if (directory_.is_state(entry.name)) return false;
  if (!valid_name(entry.name)) {
    context_.logger.error("left out of the replica: not a name of 1 to 255 bytes: " +
                          directory_.path_of(entry.name));
    return false;
  }
  int error = list_by_name(entry);
  const bool directory = entry.attributes.type == FileType::directory;
  if (error == 0 && directory_.excludes(context_, entry.name, directory)) return false;
  if (error == 0 && directory && !entry.mount) error = add_directory(entry);
  if (error == 0 && !entry.mount && entry.attributes.ctime >= since_) error = add_content(entry);
  if (error == ENOENT) return false;
  if (error != 0) {
    entry.attributes = Attributes{};
    entry.has_digest = false;
  }
  metadata_bytes_ += xattr_bytes(entry.attributes) + entry.target.size();
  return true;
}

int Lister::list_by_name(ListedEntry& entry) {
  constexpr int attempts = 3; // a symlink may be replaced between the two calls
  FileStatus status;
  for (int attempt = 1;; ++attempt) {
    int error = read_status(directory_.fd, entry.name.c_str(), status);
    if (error == 0 && status.attributes.type == FileType::symlink) {
      error = read_target(directory_.fd, entry.name.c_str(), entry.target);
      status.attributes.size = entry.target.size();
    }
    if (attempt < attempts && (error == EINVAL || error == ESTALE)) continue;
    entry.attributes = status.attributes;
    entry.mount = error == 0 && context_.root.is_mount(status);
    if (error == 0 && status.attributes.type == FileType::unknown) return EOPNOTSUPP;
    return error;
  }
}

int Lister::add_directory(ListedEntry& entry) {
  Identity identity;
  const int error = context_.root.identifier().identify(directory_.fd, entry.name.c_str(), identity);
  if (error != 0) return error;
  entry.id = identity.id;
  entry.mount = context_.root.is_mount(identity) || holds_replica(directory_.fd, entry.name);
  return 0;
}

int Lister::add_content(ListedEntry& entry) {
  PinnedEntry pinned;
  int error = context_.opener.pin(directory_.fd, entry.name.c_str(), pinned);
  if (error != 0) return error;
  if (pinned.status.attributes.type != entry.attributes.type) return ESTALE;
  entry.has_digest = true;
  if (entry.attributes.type == FileType::regular) return add_digest(pinned, entry);
  error = read_xattrs_of_path_fd(pinned.fd.get(), context_.limits.xattr_bytes, entry.attributes);
  // Where this process may not read them they are not known (has_xattrs is false) and not compared.
  return error == EACCES || error == EPERM ? 0 : error;
}

int Lister::add_digest(const PinnedEntry& pinned, ListedEntry& entry) {
  entry.attributes = pinned.status.attributes; // mtime travels only with content read at that mtime
  FileDescriptor file;
  int error = context_.opener.reopen_regular(pinned, file);
  if (error != 0) return error;
  error = read_xattrs(file.get(), context_.limits.xattr_bytes, entry.attributes);
  if (error != 0 && error != EACCES && error != EPERM) return error;
  if (!scratch_) scratch_ = context_.pool->take();
  std::uint64_t bytes = 0;
  error = digest_content(file.get(), {scratch_.get(), context_.pool->buffer_bytes()}, context_.interrupted,
                         entry.digest, bytes);
  digested_ += bytes;
  return error;
}

} // namespace osync::source
