#include "active_directories.h"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "errors.h"

namespace osync::sink_fs {

int change_mode(int fd, mode_t mode) noexcept {
  if (fchmod(fd, mode) == 0) return 0;
  if (errno != EBADF) return errno; // EBADF: opened with O_PATH (open(2))
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
  return chmod(path.data(), mode) == 0 ? 0 : errno;
}

ActiveDirectories::Stay& ActiveDirectories::Stay::operator=(Stay&& other) noexcept {
  if (this == &other) return *this;
  leave();
  table_ = std::exchange(other.table_, nullptr);
  key_ = other.key_;
  fd_ = other.fd_;
  before_ = other.before_;
  return *this;
}

bool ActiveDirectories::needs_widening(const struct stat& status) const noexcept {
  return !privileges_.override_permissions && status.st_uid == privileges_.uid &&
         (status.st_mode & 0700) != 0700;
}

Result<ActiveDirectories::Stay> ActiveDirectories::enter(int fd) {
  const std::lock_guard lock(mutex_);
  Stay stay;
  if (fstat(fd, &stay.before_) != 0) return failure(errno, "fstat of a directory");
  stay.key_ = {stay.before_.st_dev, stay.before_.st_ino};
  stay.fd_ = fd;
  const auto [position, fresh] = entries_.try_emplace(stay.key_);
  Entry& entry = position->second;
  if (fresh) {
    entry.mode = stay.before_.st_mode & 07777;
    entry.mtime = stay.before_.st_mtim;
  }
  if (needs_widening(stay.before_)) {
    if (const int error = change_mode(fd, (stay.before_.st_mode & 07777) | 0700); error != 0) {
      if (fresh) entries_.erase(position);
      return failure(error, "chmod (u+rwx for as long as entries of the directory change)");
    }
    entry.widened = true;
  }
  ++entry.users;
  stay.table_ = this;
  return stay;
}

void ActiveDirectories::Stay::will_change() noexcept {
  const std::lock_guard lock(table_->mutex_);
  table_->entries_.find(key_)->second.times_changed = true;
}

void ActiveDirectories::Stay::settle(mode_t mode, Timestamp mtime) noexcept {
  const std::lock_guard lock(table_->mutex_);
  Entry& entry = table_->entries_.find(key_)->second;
  entry.mode = mode;
  entry.mtime = {static_cast<time_t>(mtime.seconds), static_cast<long>(mtime.nanoseconds)};
  entry.mode_settled = true;
  entry.times_changed = true;
}

int ActiveDirectories::Stay::leave() noexcept {
  if (table_ == nullptr) return 0;
  ActiveDirectories& table = *std::exchange(table_, nullptr);
  const std::lock_guard lock(table.mutex_);
  const auto position = table.entries_.find(key_);
  if (--position->second.users > 0) return 0;
  const Entry entry = position->second;
  table.entries_.erase(position);
  return put_back(entry, fd_);
}

int ActiveDirectories::put_back(const Entry& entry, int fd) noexcept {
  if (!entry.widened && !entry.mode_settled && !entry.times_changed) return 0;
  struct stat now {};
  if (fstat(fd, &now) != 0) return errno;
  int error = 0;
  if ((entry.widened || entry.mode_settled) && (now.st_mode & 07777) != entry.mode)
    error = change_mode(fd, entry.mode);
  const bool other_time =
      now.st_mtim.tv_sec != entry.mtime.tv_sec || now.st_mtim.tv_nsec != entry.mtime.tv_nsec;
  if (entry.times_changed && other_time) {
    const std::array<timespec, 2> times = {timespec{0, UTIME_OMIT}, entry.mtime};
    if (futimens(fd, times.data()) != 0) error = errno;
  }
  return error;
}

} // namespace osync::sink_fs
