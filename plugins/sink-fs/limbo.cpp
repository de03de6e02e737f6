#include "limbo.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "active_directories.h"
#include "errors.h"

namespace osync::sink_fs {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t stuck_limit = 1'000;
constexpr milliseconds purge_when_crowded{50};
constexpr milliseconds purge_when_full{200};

/// About how many entries a directory has, itself counted. Its size grows with them on ext4, xfs, btrfs and
/// tmpfs, by 20 to 40 bytes each; below a block it tells nothing (ext4 begins with one).
std::uint64_t weight_of(const struct stat& status) {
  constexpr off_t block = 4096;
  constexpr off_t bytes_of_an_entry = 32;
  return status.st_size > block ? 1 + static_cast<std::uint64_t>(status.st_size / bytes_of_an_entry) : 1;
}

std::uint64_t weight_of(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? weight_of(status) : 1;
}

} // namespace

int make_movable(const Tree& tree, const Privileges& privileges, int parent, const char* name) {
  const Fd directory(tree.open_entry(parent, name, O_PATH | O_DIRECTORY));
  struct stat status {};
  if (!directory || fstat(directory.get(), &status) != 0) return errno;
  if (status.st_uid != privileges.uid || (status.st_mode & 0700) == 0700) return EACCES;
  return change_mode(directory.get(), (status.st_mode & 07777) | 0700);
}

int Limbo::take(int parent, const char* name) {
  const std::string there = area_.unique_name();
  const int error = take_as(parent, name, there);
  if (error == 0) arrived(there);
  return error;
}

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

void Limbo::release(std::uint64_t number) {
  const std::string name = name_of(number);
  taken_back(number);
  if (!name.empty()) arrived(name);
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

// ---- how much waits

/// `name` waits to be purged from now on.
void Limbo::arrived(const std::string& name) {
  struct stat status {};
  if (fstatat(area_.limbo(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return; // purged already
  const std::lock_guard lock(aside_mutex_);
  waiting_ += weight_of(status);
}

void Limbo::gone(std::uint64_t weight) {
  const std::lock_guard lock(aside_mutex_);
  waiting_ -= std::min(weight, waiting_);
}

std::uint64_t Limbo::waiting() const {
  const std::lock_guard lock(aside_mutex_);
  return waiting_;
}

// ---- bringing directories here

int Limbo::take_as(int parent, const char* name, const std::string& there) {
  if (waiting() > limit_) {
    const std::lock_guard lock(mutex_); // after who is at it: whoever brings more waits
    if (waiting() > limit_) purge_with_lock(purge_when_crowded);
  }
  if (renameat(parent, name, area_.limbo(), there.c_str()) == 0) return 0;
  if (errno != EACCES || privileges_.override_permissions) return errno;
  if (const int error = make_movable(tree_, privileges_, parent, name); error != 0) return error;
  return renameat(parent, name, area_.limbo(), there.c_str()) == 0 ? 0 : errno;
}

// ---- purging

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

/// What cannot be deleted is passed over from now on; in the limbo it is said, too. For want of space it can
/// be deleted later.
void Limbo::note_stuck(const Pool& pool, const std::string& name, int error) {
  if (lacks_space(error)) return;
  if (is_limbo(pool) && stuck_.size() >= stuck_limit) stuck_.clear();
  if (!pool.stuck.insert(name).second || !is_limbo(pool)) return;
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
  const auto move_up = [&] { return renameat(directory, name, pool, up.c_str()) == 0 ? 0 : errno; };
  int error = move_up();
  if (error == EACCES) {
    if (error = make_movable(tree_, privileges_, directory, name); error != 0) return error;
    error = move_up();
  }
  if (error == 0 && pool == area_.limbo()) arrived(up);
  return error;
}

int Limbo::begin_emptying(const Pool& pool, const std::string& name) {
  Fd directory(open_for_removal(pool.directory, name.c_str()));
  if (!directory) return errno == ENOENT ? 0 : errno;
  pool.current.emplace(name, std::move(directory));
  if (!pool.current->reader.ok()) {
    pool.current.reset();
    return ENOMEM;
  }
  pool.current->weight = weight_of(pool.current->reader.fd());
  return empty_directory(pool);
}

int Limbo::empty_directory(const Pool& pool) {
  Emptying& current = *pool.current;
  while (const dirent* entry = current.reader.next()) {
    const int error = remove_entry(pool.directory, current.reader.fd(), entry->d_name);
    if (error == 0) {
      ++current.removed;
      deleted_.fetch_add(1, std::memory_order_relaxed);
    } else if (current.first_error == 0) {
      current.first_error = error;
    }
    if (steady_clock::now() >= pool.deadline) return out_of_time;
  }
  const int error = current.first_error != 0 ? current.first_error : current.reader.error();
  const std::string name = std::move(current.name);
  const bool progress = current.removed > 0;
  if (is_limbo(pool)) gone(current.weight);
  pool.current.reset();
  if (error != 0) return lacks_space(error) && progress ? 0 : error; // what was deleted may have made space
  if (unlinkat(pool.directory, name.c_str(), AT_REMOVEDIR) != 0)
    return errno == ENOENT || (errno == ENOTEMPTY && progress) ? 0 : errno;
  deleted_.fetch_add(1, std::memory_order_relaxed);
  return 0;
}

int Limbo::delete_from(const Pool& pool, const std::string& name) {
  if (unlinkat(pool.directory, name.c_str(), 0) == 0 || errno == ENOENT) return 0;
  return begin_emptying(pool, name);
}

/// Listing goes on while subdirectories are moved in, so it is begun again until a whole pass found nothing
/// to do.
int Limbo::empty_pool(const Pool& pool) {
  Fd copy(openat(pool.directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy) return errno;
  DirectoryReader reader(std::move(copy));
  if (!reader.ok()) return ENOMEM;
  int last_error = 0;
  bool progress = true;
  const auto settle = [&](const std::string& name, int error) {
    if (error == 0) {
      progress = true;
    } else if (error != out_of_time) {
      note_stuck(pool, name, error);
      last_error = error;
    }
    return error != out_of_time;
  };
  if (pool.current) {
    const std::string name = pool.current->name;
    if (!settle(name, empty_directory(pool))) return out_of_time;
  }
  while (progress) {
    progress = false;
    reader.rewind();
    while (const dirent* entry = reader.next()) {
      const std::string name = entry->d_name;
      if (pool.stuck.contains(name) || is_aside(name)) continue;
      if (steady_clock::now() >= pool.deadline) return out_of_time;
      if (!settle(name, delete_from(pool, name))) return out_of_time;
    }
    if (reader.error() != 0) return reader.error();
  }
  return last_error;
}

bool Limbo::purge_with_lock(milliseconds budget) {
  const int error = empty_pool({area_.limbo(), steady_clock::now() + budget, stuck_, current_});
  if (error == out_of_time) return false;
  const std::lock_guard lock(aside_mutex_);
  waiting_ = 0; // estimates add up to anything; what arrived during the last look is not worth counting
  return true;
}

bool Limbo::purge(milliseconds budget) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  return lock.owns_lock() && purge_with_lock(budget);
}

bool Limbo::make_space() {
  const std::uint64_t before = deleted_.load(std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  purge_with_lock(purge_when_full);
  return deleted_.load(std::memory_order_relaxed) != before;
}

void Limbo::close() noexcept {
  current_.reset();
  stuck_.clear();
}

int Limbo::remove_tree(int parent, const char* name) {
  const Fd directory(open_for_removal(parent, name));
  if (!directory) return errno;
  std::set<std::string> stuck;
  std::optional<Emptying> current;
  if (const int error = empty_pool({directory.get(), Deadline::max(), stuck, current}); error != 0)
    return error;
  return unlinkat(parent, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

} // namespace osync::sink_fs
