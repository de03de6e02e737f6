#include "look.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <climits>
#include <memory>
#include <new>

#include "attributes.h"
#include "directory_reader.h"
#include "errors.h"
#include "names.h"
#include "xattrs.h"

namespace osync::sink_fs {

namespace {

constexpr std::size_t digest_buffer_size = 256u << 10;

FileType type_of_dirent(const dirent& entry) noexcept {
  return entry.d_type == DT_UNKNOWN ? FileType::unknown : type_of_mode(DTTOIF(entry.d_type));
}

/// XXH3-128 of everything that can be read from `fd`. 0 or an errno.
int digest_of(int fd, Digest& digest) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  if (!state) throw std::bad_alloc();
  XXH3_128bits_reset(state.get());
  const auto buffer = std::make_unique_for_overwrite<char[]>(digest_buffer_size);
  while (true) {
    const ssize_t size = ::read(fd, buffer.get(), digest_buffer_size);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno;
    if (size == 0) break;
    XXH3_128bits_update(state.get(), buffer.get(), static_cast<std::size_t>(size));
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  digest = {hash.high64, hash.low64};
  return 0;
}

/// Absent entries are most of a first comparison; they share one Status.
const Status& absent() {
  static const Status status(Code::not_found, "absent", {}, ENOENT);
  return status;
}

} // namespace

Status Look::read_content(int directory, const EntryPath& path, InspectedEntry& entry) const {
  const std::string name(path.name);
  constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Fd file(openat(directory, name.c_str(), flags | O_NOATIME));
  if (!file && errno == EPERM) file.reset(openat(directory, name.c_str(), flags)); // another user's (open(2))
  if (!file) return failure(errno, "opening a file to read its content", path.text());
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return failure(errno, "fstat", path.text());
  if (!S_ISREG(status.st_mode) || status.st_ino != entry.attributes.inode)
    return {Code::stale, "the entry was replaced while it was looked at", path.text()};
  const int error = digest_of(file.get(), entry.digest);
  return error == 0 ? Status() : failure(error, "reading a file", path.text());
}

Status Look::read_xattrs(int directory, const EntryPath& path, InspectedEntry& entry) const {
  const std::string name(path.name);
  const Fd file(tree_.open_entry(directory, name.c_str(), O_PATH));
  if (!file)
    return failure(errno == EXDEV ? EBUSY : errno, "opening an entry to read its xattrs", path.text());
  const int error = XattrAccess(file.get(), true).read_all(entry.attributes.xattrs);
  if (error != 0 && error != EOPNOTSUPP) return failure(error, "reading extended attributes", path.text());
  entry.attributes.has_xattrs = true; // also where the file system has none: an empty list is then a fact
  return {};
}

Status Look::inspect_one(int directory, const EntryPath& path, bool want_digest,
                         InspectedEntry& entry) const {
  if (!valid_name(path.name)) return {Code::invalid, "no name that an entry may have", path.text()};
  const std::string name(path.name);
  struct stat status {};
  if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? absent() : failure(errno, "looking at an entry", path.text());
  entry.attributes = attributes_of(status);
  if (entry.attributes.type == FileType::symlink) {
    entry.target.resize(PATH_MAX);
    const ssize_t size = readlinkat(directory, name.c_str(), entry.target.data(), entry.target.size());
    if (size < 0) return failure(errno, "readlink", path.text());
    entry.target.resize(static_cast<std::size_t>(size));
  }
  if (!want_digest) return {};
  if (entry.attributes.type == FileType::regular)
    if (Status read = read_content(directory, path, entry); !read.ok()) return read;
  return read_xattrs(directory, path, entry);
}

Status Look::inspect(const std::string& directory, const std::vector<InspectItem>& items,
                     std::vector<InspectedEntry>& entries) const {
  entries.clear();
  auto opened = access_.open_for_reading(directory);
  if (!opened.ok()) return opened.status();
  entries.resize(items.size());
  for (std::size_t i = 0; i < items.size(); ++i)
    entries[i].status =
        inspect_one(opened->fd.get(), {directory, items[i].name}, items[i].want_digest, entries[i]);
  return {};
}

Status Look::list(const std::string& directory, bool case_sensitive,
                  const std::function<bool(const ListedName&)>& visit) const {
  auto opened = access_.open_for_reading(directory);
  if (!opened.ok()) return opened.status();
  const int fd = opened->fd.get();
  DirectoryReader reader(Fd(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!reader.ok()) return {Code::limit, "no memory or descriptor to list a directory", directory};
  while (const dirent* entry = reader.next()) {
    const std::string_view name(entry->d_name);
    if (!usable_entry(directory, name, case_sensitive)) continue;
    FileType type = type_of_dirent(*entry);
    struct stat status {};
    if (type == FileType::unknown && fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
      type = type_of_mode(status.st_mode);
    if (!visit({name, type})) return {};
  }
  return reader.error() == 0 ? Status() : failure(reader.error(), "listing a directory", directory);
}

Status Look::count_directory(const std::string& path, std::uint64_t bound, std::uint64_t& entries,
                             std::vector<std::string>& open_paths) const {
  auto opened = access_.open_for_reading(path);
  // Gone meanwhile, or below a mount that nothing here would delete: nothing to count.
  if (opened.status().code() == Code::not_found || opened.status().code() == Code::conflict) return {};
  if (!opened.ok()) return opened.status();
  DirectoryReader reader(Fd(openat(opened->fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!reader.ok()) return {Code::limit, "no memory or descriptor to list a directory", path};
  while (entries < bound) {
    const dirent* entry = reader.next();
    if (entry == nullptr)
      return reader.error() == 0 ? Status() : failure(reader.error(), "counting entries", path);
    ++entries;
    struct stat status {};
    FileType type = type_of_dirent(*entry);
    if (type == FileType::unknown && fstatat(reader.fd(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
      type = type_of_mode(status.st_mode);
    if (type == FileType::directory) open_paths.push_back(join(path, entry->d_name));
  }
  return {};
}

Status Look::count(const std::string& directory, const std::string& name, std::uint64_t bound,
                   std::uint64_t& entries) const {
  entries = 0;
  std::vector<std::string> open_paths;
  {
    auto opened = access_.open_for_reading(directory);
    if (!opened.ok()) return opened.status();
    struct stat status {};
    if (fstatat(opened->fd.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return errno == ENOENT ? Status() : failure(errno, "looking at an entry", join(directory, name));
    if (bound == 0) return {};
    entries = 1;
    if (S_ISDIR(status.st_mode)) open_paths.push_back(join(directory, name));
  }
  while (!open_paths.empty() && entries < bound) {
    const std::string path = std::move(open_paths.back());
    open_paths.pop_back();
    if (Status status = count_directory(path, bound, entries, open_paths); !status.ok()) return status;
  }
  return {};
}

} // namespace osync::sink_fs
