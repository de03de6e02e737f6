#include "mounts.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdio>

namespace osync::sink_fs {

namespace {

/// Field `index` (from 0) of a line of fields separated by single spaces.
std::string_view field(std::string_view line, unsigned index) {
  for (; index > 0; --index) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return {};
    line.remove_prefix(space + 1);
  }
  return line.substr(0, line.find(' '));
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

std::string unescape(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      result +=
          static_cast<char>(((text[i + 1] - '0') << 6) | ((text[i + 2] - '0') << 3) | (text[i + 3] - '0'));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

} // namespace

std::set<std::string> mounts_below(std::string_view mountinfo, std::string_view root) {
  std::string prefix(root);
  if (!prefix.ends_with('/')) prefix += '/';
  std::set<std::string> found;
  while (!mountinfo.empty()) {
    const std::size_t end = std::min(mountinfo.find('\n'), mountinfo.size());
    const std::string point = unescape(field(mountinfo.substr(0, end), 4));
    if (point.size() > prefix.size() && point.starts_with(prefix)) found.insert(point.substr(prefix.size()));
    mountinfo.remove_prefix(std::min(end + 1, mountinfo.size()));
  }
  return found;
}

void Mounts::watch(int root) {
  const std::lock_guard lock(mutex_);
  root_ = root;
  file_.reset(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  refresh();
}

void Mounts::refresh() {
  below_.clear();
  too_many_ = false;
  if (!file_) return;
  std::array<char, 32> link{};
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", root_);
  std::array<char, PATH_MAX> root{};
  const ssize_t length = readlink(link.data(), root.data(), root.size());
  if (length <= 0) return;
  std::string text;
  std::array<char, 65536> piece{};
  if (lseek(file_.get(), 0, SEEK_SET) != 0) return;
  for (ssize_t size = 0; (size = read(file_.get(), piece.data(), piece.size())) > 0;)
    text.append(piece.data(), static_cast<std::size_t>(size));
  below_ = mounts_below(text, std::string_view(root.data(), static_cast<std::size_t>(length)));
  if (below_.size() <= mount_limit) return;
  too_many_ = true;
  below_.clear();
}

bool Mounts::holds_mount(std::string_view path) {
  const std::lock_guard lock(mutex_);
  pollfd changed{file_.get(), POLLPRI, 0}; // mountinfo says POLLPRI once after each change (proc(5))
  if (file_ && poll(&changed, 1, 0) > 0) refresh();
  if (too_many_) return true;
  if (path.empty()) return !below_.empty();
  const std::string whole(path);
  if (below_.contains(whole)) return true;
  const auto inside = below_.lower_bound(whole + "/");
  return inside != below_.end() && inside->starts_with(whole + "/");
}

} // namespace osync::sink_fs
