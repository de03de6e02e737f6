#include "limbo.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "active_directories.h"
#include "directory_reader.h"

namespace osync::sink_fs {

namespace {

constexpr std::size_t stuck_limit = 1'000;
constexpr unsigned entries_between_looks = 256; ///< at the clock

} // namespace

int make_movable(const Tree& tree, const Privileges& privileges, int parent, const char* name) {
  const Fd directory(tree.open_entry(parent, name, O_PATH | O_DIRECTORY));
  struct stat status {};
  if (!directory || fstat(directory.get(), &status) != 0) return errno;
  if (status.st_uid != privileges.uid || (status.st_mode & 0700) == 0700) return EACCES;
  return change_mode(directory.get(), (status.st_mode & 07777) | 0700);
}

int Limbo::take(int parent, const char* name) { return take_as(parent, name, area_.unique_name()); }

int Limbo::put_aside(int parent, const char* name, std::uint64_t number) {
  taken_back(number);
  const std::string there = area_.unique_name();
  {
    const std::lock_guard lock(aside_mutex_); // before it is there: a purge must never meet it unnamed
    aside_.emplace(number, there);
    aside_names_.insert(there);
  }
  const int error = take_as(parent, name, there);
  if (error != 0) taken_back(number);
  return error;
}

std::string Limbo::name_of(std::uint64_t number) const {
  const std::lock_guard lock(aside_mutex_);
  const auto found = aside_.find(number);
  return found == aside_.end() ? std::string() : found->second;
}

void Limbo::taken_back(std::uint64_t number) {
  const std::lock_guard lock(aside_mutex_);
  const auto found = aside_.find(number);
  if (found == aside_.end()) return;
  aside_names_.erase(found->second);
  aside_.erase(found);
}

void Limbo::release_all() {
  const std::lock_guard lock(aside_mutex_);
  aside_.clear();
  aside_names_.clear();
}

bool Limbo::is_aside(const std::string& name) const {
  const std::lock_guard lock(aside_mutex_);
  return aside_names_.contains(name);
}

int Limbo::take_as(int parent, const char* name, const std::string& there) {
  if (renameat(parent, name, area_.limbo(), there.c_str()) == 0) return 0;
  if (errno != EACCES || privileges_.override_permissions) return errno;
  if (const int error = make_movable(tree_, privileges_, parent, name); error != 0) return error;
  return renameat(parent, name, area_.limbo(), there.c_str()) == 0 ? 0 : errno;
}

int Limbo::open_for_removal(int parent, const char* name) const {
  const int fd = tree_.open_entry(parent, name, O_RDONLY | O_DIRECTORY);
  if (fd < 0 && errno != EACCES) return -1;
  if (fd >= 0) {
    // Readable, but entries can only be removed where it is writable and searchable too.
    struct stat status {};
    const bool own = fstat(fd, &status) == 0 && status.st_uid == privileges_.uid;
    if (own && !privileges_.override_permissions && (status.st_mode & 0700) != 0700)
      (void)change_mode(fd, 0700); // where it fails, removing the entries says why
    return fd;
  }
  if (make_movable(tree_, privileges_, parent, name) != 0) {
    errno = EACCES;
    return -1;
  }
  return tree_.open_entry(parent, name, O_RDONLY | O_DIRECTORY);
}

void Limbo::say_stuck(const std::string& name, int error) {
  if (stuck_.size() >= stuck_limit) stuck_.clear();
  if (!stuck_.insert(name).second) return;
  logger_.warning("a removed directory cannot be deleted and stays in .osync/limbo/" + name + ": " +
                  std::strerror(error) +
                  (error == EXDEV || error == EBUSY ? " (it holds a mount point; unmount it)" : ""));
}

/// One entry of a directory that is being emptied: deleted, or moved up into the pool. 0 or an errno.
int Limbo::remove_entry(int pool, int directory, const char* name) {
  if (unlinkat(directory, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return errno; // EPERM: what POSIX says for a directory
  if (unlinkat(directory, name, AT_REMOVEDIR) == 0) return 0;
  const std::string up = area_.unique_name();
  if (renameat(directory, name, pool, up.c_str()) == 0) return 0;
  if (errno != EACCES) return errno;
  if (const int error = make_movable(tree_, privileges_, directory, name); error != 0) return error;
  return renameat(directory, name, pool, up.c_str()) == 0 ? 0 : errno;
}

int Limbo::empty_directory(int pool, const char* name, Deadline deadline) {
  Fd directory(open_for_removal(pool, name));
  if (!directory) return errno == ENOENT ? 0 : errno;
  DirectoryReader reader(std::move(directory));
  if (!reader.ok()) return ENOMEM;
  int first_error = 0;
  unsigned removed = 0;
  while (const dirent* entry = reader.next()) {
    const int error = remove_entry(pool, reader.fd(), entry->d_name);
    if (error == 0)
      ++removed;
    else if (first_error == 0)
      first_error = error;
    if (removed % entries_between_looks == entries_between_looks - 1 &&
        std::chrono::steady_clock::now() >= deadline)
      return out_of_time;
  }
  if (first_error == 0) first_error = reader.error();
  if (first_error != 0) return first_error;
  if (unlinkat(pool, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  return errno == ENOTEMPTY && removed > 0 ? 0 : errno;
}

/// Listing goes on while subdirectories are moved in, so it is begun again until a whole pass found nothing
/// to do.
int Limbo::empty_pool(int pool, Deadline deadline, std::set<std::string>& stuck) {
  Fd copy(openat(pool, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy) return errno;
  DirectoryReader reader(std::move(copy));
  if (!reader.ok()) return ENOMEM;
  int last_error = 0;
  for (bool progress = true; progress;) {
    progress = false;
    reader.rewind();
    while (const dirent* entry = reader.next()) {
      const std::string name = entry->d_name;
      if (stuck.contains(name) || is_aside(name)) continue;
      if (std::chrono::steady_clock::now() >= deadline) return out_of_time;
      int error = 0;
      if (unlinkat(pool, name.c_str(), 0) != 0 && errno != ENOENT)
        error = empty_directory(pool, name.c_str(), deadline);
      if (error == out_of_time) return error;
      if (error == 0) {
        progress = true;
        continue;
      }
      last_error = error;
      if (&stuck == &stuck_)
        say_stuck(name, error);
      else
        stuck.insert(name);
    }
    if (reader.error() != 0) return reader.error();
  }
  return last_error;
}

bool Limbo::purge(std::chrono::milliseconds budget) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  return empty_pool(area_.limbo(), std::chrono::steady_clock::now() + budget, stuck_) != out_of_time;
}

int Limbo::remove_tree(int parent, const char* name) {
  const Fd directory(open_for_removal(parent, name));
  if (!directory) return errno;
  std::set<std::string> stuck;
  if (const int error = empty_pool(directory.get(), Deadline::max(), stuck); error != 0) return error;
  return unlinkat(parent, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

} // namespace osync::sink_fs
