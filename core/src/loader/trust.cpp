#include "loader/trust.h"

#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string_view>
#include <vector>

namespace osync::loader {
namespace {

constexpr int symlinks_bound = 40; ///< as the kernel has it (path_resolution(7))
constexpr std::string_view advice = "; a privileged process loads only plugins that root alone can write: "
                                    "chown root and chmod go-w, or install the plugin elsewhere";

/// Pushes the components of `path` so that the first one is on top.
void push_components(std::string_view path, std::vector<std::string>& stack) {
  while (!path.empty()) {
    const std::size_t slash = path.rfind('/');
    const std::string_view last = slash == std::string_view::npos ? path : path.substr(slash + 1);
    if (!last.empty() && last != ".") stack.emplace_back(last);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  }
}

Status check_owner_and_mode(const std::string& path, const struct stat& found) {
  if (found.st_uid != 0)
    return Status(Code::denied,
                  "found user " + std::to_string(found.st_uid) + " as the owner, expected root" +
                      std::string(advice),
                  path);
  if (S_ISLNK(found.st_mode)) return {}; // its mode means nothing (symlink(7))
  const bool sticky_directory = S_ISDIR(found.st_mode) && (found.st_mode & S_ISVTX) != 0;
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky_directory)
    return Status(Code::denied, "found it writable to others than root" + std::string(advice), path);
  return {};
}

Status look(const std::string& path, struct stat& found) {
  if (lstat(path.c_str(), &found) != 0)
    return Status::from_errno(errno, "lstat (who may write a plugin)", path);
  return check_owner_and_mode(path, found);
}

} // namespace

Status check_root_only(const std::string& path, std::string& resolved) {
  std::vector<std::string> rest;
  push_components(path, rest);
  std::string current; // without its trailing slash, so empty for "/"
  struct stat found {};
  if (Status status = look("/", found); !status.ok()) return status;
  for (int symlinks = 0; !rest.empty();) {
    const std::string name = std::move(rest.back());
    rest.pop_back();
    if (name == "..") { // what lies above has been looked at on the way down
      current.erase(current.rfind('/') == std::string::npos ? 0 : current.rfind('/'));
      continue;
    }
    const std::string next = current + "/" + name;
    if (Status status = look(next, found); !status.ok()) return status;
    if (!S_ISLNK(found.st_mode)) {
      current = next;
      continue;
    }
    char target[PATH_MAX];
    const ssize_t length = readlink(next.c_str(), target, sizeof target);
    if (length < 0) return Status::from_errno(errno, "readlink (who may write a plugin)", next);
    if (++symlinks > symlinks_bound)
      return Status::from_errno(ELOOP, "readlink (who may write a plugin)", next);
    const std::string_view text(target, static_cast<std::size_t>(length));
    if (text.starts_with('/')) current.clear();
    push_components(text, rest);
  }
  if (!S_ISREG(found.st_mode)) return Status(Code::invalid, "found no regular file, expected a plugin", path);
  resolved = std::move(current);
  return {};
}

bool process_is_privileged() noexcept { return geteuid() == 0 || getauxval(AT_SECURE) != 0; }

} // namespace osync::loader
