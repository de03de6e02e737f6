#include "private_area.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "directory_reader.h"
#include "errors.h"
#include "names.h"
#include "xattrs.h"

namespace osync::sink_fs {

namespace {

constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr const char* beside_name = "beside";

/// Opens the directory `name` where it exists.
Status open_existing(int parent, const char* name, const char* path, Fd& opened) {
  opened.reset(openat(parent, name, directory_flags));
  if (opened || errno == ENOENT) return {};
  if (errno == ENOTDIR || errno == ELOOP)
    return {Code::conflict, "this name belongs to osync, and it is no directory; remove it", path, errno};
  return failure(errno, "opening", path);
}

} // namespace

Status PrivateArea::find(const Tree& tree) {
  if (Status status = open_existing(tree.root(), ".osync", ".osync", directory_); !status.ok() || !directory_)
    return status;
  if (Status status = open_existing(directory_.get(), "stage", ".osync/stage", stage_); !status.ok())
    return status;
  if (Status status = open_existing(directory_.get(), "limbo", ".osync/limbo", limbo_); !status.ok())
    return status;
  return open_existing(directory_.get(), "kept", ".osync/kept", kept_);
}

Status PrivateArea::make_one(int parent, const char* name, const char* path, Fd& opened) const {
  if (mkdirat(parent, name, 0700) != 0 && errno != EEXIST) return failure(errno, "mkdir", path);
  if (Status status = open_existing(parent, name, path, opened); !status.ok()) return status;
  if (!opened) return {Code::stale, "it vanished just after it was made", path};
  struct stat status {};
  if (fstat(opened.get(), &status) != 0) return failure(errno, "fstat", path);
  // Whoever owns it could exchange what is staged in it.
  if (status.st_uid != geteuid() && fchown(opened.get(), geteuid(), static_cast<gid_t>(-1)) != 0)
    return {Code::conflict,
            "it belongs to user " + std::to_string(status.st_uid) +
                " and not to this process's; run osync as that user",
            path, errno};
  for (const char* acl : {access_acl_name, default_acl_name})
    if (fremovexattr(opened.get(), acl) != 0 && errno != ENODATA && errno != EOPNOTSUPP)
      return failure(errno, "removing the inherited ACL", path);
  if ((status.st_mode & 07777) != 0700 && fchmod(opened.get(), 0700) != 0 && errno != EPERM)
    return failure(errno, "chmod", path); // EPERM: a file system without modes
  return {};
}

Status PrivateArea::make(const Tree& tree) {
  if (Status status = make_one(tree.root(), ".osync", ".osync", directory_); !status.ok()) return status;
  const int parent = directory_.get();
  if (Status status = make_one(parent, "stage", ".osync/stage", stage_); !status.ok()) return status;
  if (Status status = make_one(parent, "limbo", ".osync/limbo", limbo_); !status.ok()) return status;
  if (Status status = make_one(parent, "kept", ".osync/kept", kept_); !status.ok()) return status;
  if (getrandom(&session_, sizeof session_, 0) != static_cast<ssize_t>(sizeof session_))
    return failure(errno, "getrandom");
  return {};
}

void PrivateArea::close() noexcept {
  directory_.reset();
  stage_.reset();
  limbo_.reset();
  kept_.reset();
  beside_file_.reset();
  beside_.clear();
}

std::string PrivateArea::unique_name() {
  std::array<char, unique_digits + 1> name{};
  std::snprintf(name.data(), name.size(), "%016llx%016llx", static_cast<unsigned long long>(session_),
                static_cast<unsigned long long>(next_.fetch_add(1, std::memory_order_relaxed)));
  return name.data();
}

Result<std::string> PrivateArea::unique_beside_name(const std::string& directory) {
  if (Status status = note_beside(directory); !status.ok()) return status;
  return std::string(beside_prefix) + unique_name();
}

Status PrivateArea::note_beside(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  if (beside_.contains(directory)) return {};
  if (beside_.size() >= beside_directory_limit)
    return {Code::limit,
            "more than " + std::to_string(beside_directory_limit) +
                " directories lie on subvolumes or quota projects of their own; start the sink again",
            directory};
  if (!beside_file_)
    beside_file_.reset(openat(directory_.get(), beside_name,
                              O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!beside_file_) return failure(errno, "opening", ".osync/beside");
  // One write with its NUL: append is whole or visible as a tail without NUL, which is ignored when read.
  const ssize_t written = ::write(beside_file_.get(), directory.c_str(), directory.size() + 1);
  if (written != static_cast<ssize_t>(directory.size() + 1))
    return failure(written < 0 ? errno : ENOSPC, "writing", ".osync/beside");
  beside_.insert(directory);
  return {};
}

int remove_beside_temporaries(int directory, int limbo, PrivateArea& names) {
  Fd copy(openat(directory, ".", directory_flags));
  if (!copy) return errno;
  DirectoryReader reader(std::move(copy));
  if (!reader.ok()) return ENOMEM;
  int first_error = 0;
  while (const dirent* entry = reader.next()) {
    if (!is_beside_name(entry->d_name)) continue;
    if (unlinkat(directory, entry->d_name, 0) == 0 || errno == ENOENT) continue;
    if (errno == EISDIR && unlinkat(directory, entry->d_name, AT_REMOVEDIR) == 0) continue;
    if (renameat(directory, entry->d_name, limbo, names.unique_name().c_str()) == 0) continue;
    if (first_error == 0) first_error = errno;
  }
  return first_error != 0 ? first_error : reader.error();
}

Status PrivateArea::clean(const Tree& tree) {
  const Status stage = clean_stage();
  const Status beside = clean_beside(tree);
  return stage.ok() ? beside : stage;
}

Status PrivateArea::clean_stage() {
  Fd copy(openat(stage_.get(), ".", directory_flags));
  if (!copy) return failure(errno, "opening", ".osync/stage");
  DirectoryReader reader(std::move(copy));
  if (!reader.ok()) return {Code::limit, "no memory to list", ".osync/stage"};
  while (const dirent* entry = reader.next()) {
    if (unlinkat(stage_.get(), entry->d_name, 0) == 0 || errno == ENOENT) continue;
    const int error = errno;
    if (error == EISDIR && renameat(stage_.get(), entry->d_name, limbo_.get(), unique_name().c_str()) == 0)
      continue;
    return failure(error, "removing an old stage", join(".osync/stage", entry->d_name));
  }
  return reader.error() == 0 ? Status() : failure(reader.error(), "listing", ".osync/stage");
}

Status PrivateArea::clean_beside(const Tree& tree) {
  Fd file(openat(directory_.get(), beside_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return errno == ENOENT ? Status() : failure(errno, "opening", ".osync/beside");
  std::string text;
  std::array<char, 65536> piece{};
  ssize_t size = 0;
  while ((size = ::read(file.get(), piece.data(), piece.size())) > 0) {
    text.append(piece.data(), static_cast<std::size_t>(size));
    for (std::size_t end = 0; (end = text.find('\0')) != std::string::npos; text.erase(0, end + 1)) {
      const std::string path = text.substr(0, end);
      if (!usable_path(path, true)) continue;
      const auto opened = tree.open_directory(tree.root(), path, O_RDONLY);
      if (!opened.ok()) continue; // gone or not ours any more: nothing of ours is left there
      if (const int error = remove_beside_temporaries(opened.value().get(), limbo_.get(), *this); error != 0)
        return failure(error, "removing old temporaries", path);
    }
  }
  if (size < 0) return failure(errno, "reading", ".osync/beside");
  const std::lock_guard lock(mutex_);
  beside_file_.reset();
  beside_.clear();
  return unlinkat(directory_.get(), beside_name, 0) == 0 ? Status()
                                                         : failure(errno, "removing", ".osync/beside");
}

} // namespace osync::sink_fs
