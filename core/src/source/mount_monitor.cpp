#include "source/mount_monitor.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "source/attributes_status.h"

namespace osync::source {
namespace {

/// mountinfo writes space, tab, newline and backslash as \NNN in octal.
std::string decode_octal(const std::string& text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t k) { return text[i + k] >= '0' && text[i + k] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && digit(1) && digit(2) && digit(3)) {
      decoded += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

} // namespace

bool parse_mountinfo_line(const std::string& line, std::uint64_t& id, std::string& mount_point) {
  // ID PARENT MAJOR:MINOR ROOT MOUNT_POINT OPTIONS ... (proc(5))
  std::istringstream words(line);
  std::string parent, device, root, point;
  if (!(words >> id >> parent >> device >> root >> point)) return false;
  mount_point = decode_octal(point);
  return true;
}

std::set<std::string> mounts_below(const std::string& root) {
  std::ifstream file("/proc/self/mountinfo");
  const std::string below = root == "/" ? "/" : root + "/";
  std::set<std::string> mounts;
  std::string line, point;
  while (std::getline(file, line)) {
    std::uint64_t id = 0;
    if (parse_mountinfo_line(line, id, point) && point.size() > below.size() && point.starts_with(below))
      mounts.insert(point.substr(below.size()));
  }
  return mounts;
}

MountMonitor::MountMonitor(const SourceRoot& root, Handlers handlers) : root_(root), handlers_(std::move(handlers)) {}

MountMonitor::~MountMonitor() {
  stopping_ = true;
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    static_cast<void>(!write(wake_, &one, sizeof one)); // an eventfd that is full wakes as well
    thread_.join();
  }
  if (mountinfo_ >= 0) close(mountinfo_);
  if (wake_ >= 0) close(wake_);
}

Status MountMonitor::start() {
  std::error_code error;
  prefix_ = std::filesystem::canonical(root_.path(), error).string();
  if (error) return Status::from_errno(error.value(), "resolving the source root", root_.path());
  FileStatus status;
  if (const int failed = read_status(root_.fd(), "", status); failed != 0)
    return Status::from_errno(failed, "statx (source root)", root_.path());
  root_mount_ = status.mount_id;
  mountinfo_ = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (mountinfo_ < 0 || wake_ < 0) return Status::from_errno(errno, "opening mountinfo", "/proc/self/mountinfo");
  look();
  thread_ = std::thread([this] { run(); });
  return {};
}

void MountMonitor::run() {
  pthread_setname_np(pthread_self(), "osync-mounts");
  while (!stopping_) {
    pollfd waiting[2] = {{mountinfo_, POLLPRI, 0}, {wake_, POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    if (!stopping_ && (waiting[0].revents & (POLLPRI | POLLERR)) != 0) look();
  }
}

void MountMonitor::look() {
  std::ifstream file("/proc/self/mountinfo");
  const std::string below = prefix_ == "/" ? "/" : prefix_ + "/";
  std::set<std::string> now;
  bool root_there = root_mount_ == 0;
  bool whole = false;
  std::string line, point;
  while (std::getline(file, line)) {
    std::uint64_t id = 0;
    if (!parse_mountinfo_line(line, id, point)) continue;
    root_there = root_there || id == root_mount_;
    whole = whole || point == "/";
    if (point.size() > below.size() && point.compare(0, below.size(), below) == 0) now.insert(point.substr(below.size()));
  }
  // In a chroot that is no mount point, the mount that its files lie on is not listed, there or not.
  if (first_ && !root_there && !whole) {
    root_mount_ = 0;
    root_there = true;
  }
  if (!root_there && !gone_) {
    gone_ = true;
    handlers_.root_gone();
  }
  if (!first_) {
    for (const std::string& path : now)
      if (!mounts_.contains(path)) handlers_.changed(path, true);
    for (const std::string& path : mounts_)
      if (!now.contains(path)) handlers_.changed(path, false);
  }
  first_ = false;
  mounts_ = std::move(now);
}

} // namespace osync::source
