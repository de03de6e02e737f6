#include "support/compare_trees.h"

#include "support/descriptor.h"
#include "support/process.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <utility>

namespace osync::test {
namespace {

constexpr int open_directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::string escaped(const std::string& bytes) {
  std::string text;
  for (const char letter : bytes) {
    if (letter >= ' ' && letter <= '~' && letter != '\\') {
      text.push_back(letter);
      continue;
    }
    char code[8];
    std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(letter)));
    text += code;
  }
  return text;
}

std::string joined(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

/// A path of fixed length to an entry of an open directory, for the calls that take no directory descriptor.
std::string through_proc(int directory, const std::string& name) {
  return "/proc/self/fd/" + std::to_string(directory) + "/" + name;
}

std::vector<std::string> sorted_names(int directory, bool top, bool may_be_gone = false) {
  const int again = openat(directory, ".", open_directory_flags);
  if (again < 0 && errno == ENOENT && may_be_gone) return {};
  DIR* stream = fdopendir(must(again, "open ."));
  must(stream == nullptr ? -1 : 0, "fdopendir");
  std::vector<std::string> names;
  while (const dirent* entry = readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != ".." && !(top && name == ".osync")) names.push_back(name);
  }
  closedir(stream);
  std::sort(names.begin(), names.end());
  return names;
}

std::map<std::string, std::string> xattrs_of(const std::string& path) {
  std::vector<char> names(
      static_cast<std::size_t>(must(llistxattr(path.c_str(), nullptr, 0), "listxattr " + path)));
  const auto size = must(llistxattr(path.c_str(), names.data(), names.size()), "listxattr " + path);
  std::map<std::string, std::string> result;
  for (const char* name = names.data(); name < names.data() + size; name += std::strlen(name) + 1) {
    std::string value(
        static_cast<std::size_t>(must(lgetxattr(path.c_str(), name, nullptr, 0), "getxattr " + path)), '\0');
    must(lgetxattr(path.c_str(), name, value.data(), value.size()), "getxattr " + path);
    result[name] = value;
  }
  return result;
}

std::string link_target(int directory, const std::string& name) {
  std::array<char, 8192> target{};
  const auto size =
      must(readlinkat(directory, name.c_str(), target.data(), target.size()), "readlink " + name);
  return {target.data(), static_cast<std::size_t>(size)};
}

std::string type_name(mode_t mode) {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return "file";
  case S_IFDIR:
    return "directory";
  case S_IFLNK:
    return "symlink";
  case S_IFIFO:
    return "fifo";
  case S_IFSOCK:
    return "socket";
  case S_IFCHR:
    return "character device";
  case S_IFBLK:
    return "block device";
  default:
    return "unknown type";
  }
}

std::string time_text(const timespec& time) {
  char text[64];
  std::snprintf(text, sizeof text, "%lld.%09ld", static_cast<long long>(time.tv_sec), time.tv_nsec);
  return text;
}

struct stat status_of(int directory, const std::string& name) {
  struct stat status {};
  must(fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW), "stat " + name);
  return status;
}

/// The first offset at which two files differ; nothing when they are equal.
std::string content_difference(int left_directory, int right_directory, const std::string& name) {
  const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  const Descriptor left(openat(left_directory, name.c_str(), flags));
  const Descriptor right(openat(right_directory, name.c_str(), flags));
  if (!left.valid() || !right.valid()) return std::string("cannot be read: ") + std::strerror(errno);
  static thread_local std::vector<char> left_bytes(1 << 18);
  static thread_local std::vector<char> right_bytes(1 << 18);
  off_t offset = 0;
  for (;;) {
    const auto got = must(pread(left.get(), left_bytes.data(), left_bytes.size(), offset), "read " + name);
    std::size_t want = static_cast<std::size_t>(got), have = 0;
    while (have < want) { // a short read would look like a difference
      const auto more =
          must(pread(right.get(), right_bytes.data() + have, want - have, offset + static_cast<off_t>(have)),
               "read " + name);
      if (more == 0) break;
      have += static_cast<std::size_t>(more);
    }
    if (std::memcmp(left_bytes.data(), right_bytes.data(), have) != 0) {
      const auto at =
          std::mismatch(left_bytes.begin(), left_bytes.begin() + static_cast<std::ptrdiff_t>(have),
                        right_bytes.begin())
              .first -
          left_bytes.begin();
      return "content differs at byte " + std::to_string(offset + at);
    }
    if (have < want) return "content ends at byte " + std::to_string(offset + static_cast<off_t>(have));
    if (got == 0) return {};
    offset += got;
  }
}

class Comparison {
 public:
  explicit Comparison(const CompareOptions& options) : options_(options) {}

  std::vector<std::string> run(const std::string& source, const std::string& replica) {
    const Descriptor left(must(open(source.c_str(), open_directory_flags), "open " + source));
    const Descriptor right(must(open(replica.c_str(), open_directory_flags), "open " + replica));
    if (options_.root_itself) attributes("", left.get(), right.get(), ".");
    directory("", left.get(), right.get());
    if (options_.link_groups) groups();
    if (found_ > lines_.size()) lines_.push_back("and " + std::to_string(found_ - lines_.size()) + " more");
    return std::move(lines_);
  }

 private:
  using Inode = std::pair<dev_t, ino_t>;

  void report(const std::string& path, const std::string& what) {
    if (++found_ <= options_.most) lines_.push_back((path.empty() ? "." : escaped(path)) + ": " + what);
  }

  template <class Value>
  void same(const std::string& path, const char* what, const Value& left, const Value& right) {
    if (left != right) report(path, std::string(what) + " is " + text(right) + ", should be " + text(left));
  }
  static std::string text(const std::string& value) { return value; }
  static std::string text(std::uint64_t value) { return std::to_string(value); }

  void directory(const std::string& path, int left, int right) {
    const auto left_names = sorted_names(left, path.empty());
    const auto right_names = sorted_names(right, path.empty());
    std::vector<std::string> both;
    std::set_union(left_names.begin(), left_names.end(), right_names.begin(), right_names.end(),
                   std::back_inserter(both));
    for (const std::string& name : both) {
      const std::string here = joined(path, name);
      if (options_.left_out.count(here) != 0) continue;
      const bool in_left = std::binary_search(left_names.begin(), left_names.end(), name);
      const bool in_right = std::binary_search(right_names.begin(), right_names.end(), name);
      if (!in_right)
        report(here, "is missing");
      else if (!in_left)
        report(here, "should not exist");
      else
        entry(here, left, right, name);
    }
  }

  void entry(const std::string& path, int left, int right, const std::string& name) {
    const struct stat a = status_of(left, name);
    const struct stat b = status_of(right, name);
    if ((a.st_mode & S_IFMT) != (b.st_mode & S_IFMT)) {
      report(path, "is a " + type_name(b.st_mode) + ", should be a " + type_name(a.st_mode));
      return;
    }
    attributes(path, left, right, name);
    if (S_ISDIR(a.st_mode)) {
      const Descriptor below_left(must(openat(left, name.c_str(), open_directory_flags), "open " + path));
      const Descriptor below_right(must(openat(right, name.c_str(), open_directory_flags), "open " + path));
      directory(path, below_left.get(), below_right.get());
      return;
    }
    left_groups_[{a.st_dev, a.st_ino}].insert(path);
    right_groups_[{b.st_dev, b.st_ino}].insert(path);
    if (S_ISREG(a.st_mode)) file(path, left, right, name, a, b);
    if (S_ISLNK(a.st_mode))
      same(path, "target", escaped(link_target(left, name)), escaped(link_target(right, name)));
    if (S_ISCHR(a.st_mode) || S_ISBLK(a.st_mode))
      same(path, "device", std::uint64_t{a.st_rdev}, std::uint64_t{b.st_rdev});
  }

  void attributes(const std::string& path, int left, int right, const std::string& name) {
    const struct stat a = status_of(left, name);
    const struct stat b = status_of(right, name);
    char modes[2][8];
    std::snprintf(modes[0], sizeof modes[0], "%04o", a.st_mode & 07777);
    std::snprintf(modes[1], sizeof modes[1], "%04o", b.st_mode & 07777);
    same(path, "mode", std::string(modes[0]), std::string(modes[1]));
    if (options_.owners) {
      same(path, "user", std::uint64_t{a.st_uid}, std::uint64_t{b.st_uid});
      same(path, "group", std::uint64_t{a.st_gid}, std::uint64_t{b.st_gid});
    }
    if (options_.times) same(path, "mtime", time_text(a.st_mtim), time_text(b.st_mtim));
    if (options_.xattrs)
      xattrs(path, xattrs_of(through_proc(left, name)), xattrs_of(through_proc(right, name)));
  }

  void xattrs(const std::string& path, const std::map<std::string, std::string>& left,
              const std::map<std::string, std::string>& right) {
    for (const auto& [name, value] : left) {
      const auto other = right.find(name);
      if (other == right.end())
        report(path, "xattr " + escaped(name) + " is missing");
      else if (other->second != value)
        report(path, "xattr " + escaped(name) + " differs");
    }
    for (const auto& [name, value] : right)
      if (left.count(name) == 0) report(path, "xattr " + escaped(name) + " should not exist");
  }

  void file(const std::string& path, int left, int right, const std::string& name, const struct stat& a,
            const struct stat& b) {
    same(path, "size", static_cast<std::uint64_t>(a.st_size), static_cast<std::uint64_t>(b.st_size));
    const std::string content = content_difference(left, right, name);
    if (!content.empty()) report(path, content);
    const auto taken = static_cast<std::uint64_t>(a.st_blocks) * 512;
    const auto copied = static_cast<std::uint64_t>(b.st_blocks) * 512;
    const bool sparse = taken < static_cast<std::uint64_t>(a.st_size);
    if (sparse && copied > taken + options_.sparse_slack)
      report(path, "takes " + std::to_string(copied) + " bytes, its source " + std::to_string(taken));
  }

  static std::set<std::set<std::string>> more_than_one(const std::map<Inode, std::set<std::string>>& groups) {
    std::set<std::set<std::string>> result;
    for (const auto& [inode, names] : groups)
      if (names.size() > 1) result.insert(names);
    return result;
  }
  void groups() {
    const auto left = more_than_one(left_groups_);
    const auto right = more_than_one(right_groups_);
    const auto list = [&](const std::set<std::string>& names, const char* what) {
      std::string all;
      for (const auto& name : names) all += (all.empty() ? "" : ", ") + escaped(name);
      report(*names.begin(), std::string(what) + all);
    };
    for (const auto& names : left)
      if (right.count(names) == 0) list(names, "should be one file by these names: ");
    for (const auto& names : right)
      if (left.count(names) == 0) list(names, "is one file, and should not be, by these names: ");
  }

  const CompareOptions& options_;
  std::vector<std::string> lines_;
  std::size_t found_ = 0;
  std::map<Inode, std::set<std::string>> left_groups_;
  std::map<Inode, std::set<std::string>> right_groups_;
};

/// Calls visit(path, status) for everything below `directory`.
template <class Visit>
void walk(const std::string& path, int directory, const Visit& visit) {
  for (const std::string& name : sorted_names(directory, path.empty(), true)) {
    const Descriptor entry(openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!entry.valid() || fstat(entry.get(), &status) != 0) continue; // gone while we walk
    visit(joined(path, name), status);
    if (!S_ISDIR(status.st_mode)) continue;
    const Descriptor below(openat(directory, name.c_str(), open_directory_flags));
    if (below.valid()) walk(joined(path, name), below.get(), visit);
  }
}

} // namespace

std::vector<std::string> compare_trees(const std::string& source, const std::string& replica,
                                       const CompareOptions& options) {
  return Comparison(options).run(source, replica);
}

std::string differences(const std::string& source, const std::string& replica,
                        const CompareOptions& options) {
  std::string text;
  for (const std::string& line : compare_trees(source, replica, options)) text += line + "\n";
  return text;
}

std::string rsync_differences(const std::string& source, const std::string& replica,
                              const std::vector<std::string>& excluded) {
  const bool root = geteuid() == 0;
  std::vector<std::string> argv = {"rsync", root ? "-naHAX" : "-nrlptHAX", "--delete", "-i",
                                   "--exclude=/.osync"};
  for (const std::string& pattern : excluded) argv.push_back("--exclude=" + pattern);
  argv.push_back(source + "/");
  argv.push_back(replica + "/");
  const Finished finished = run({argv}, seconds(120));
  std::string text = finished.out + finished.err;
  if (finished.exit_code != 0) text += "rsync: exit code " + std::to_string(finished.exit_code) + "\n";
  return text;
}

std::vector<std::string> fingerprints(const std::string& root) {
  const Descriptor top(must(open(root.c_str(), open_directory_flags), "open " + root));
  std::vector<std::string> lines;
  walk("", top.get(), [&](const std::string& path, const struct stat& status) {
    lines.push_back(escaped(path) + " " + std::to_string(status.st_ino) + " " + time_text(status.st_ctim));
  });
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::size_t count_entries(const std::string& root) {
  const Descriptor top(open(root.c_str(), open_directory_flags));
  if (!top.valid()) return 0;
  std::size_t count = 0;
  walk("", top.get(), [&](const std::string&, const struct stat&) { ++count; });
  return count;
}

} // namespace osync::test
