#include "support/churn.h"

#include "support/descriptor.h"
#include "support/random.h"

#include <fcntl.h>
#include <filesystem>
#include <iterator>
#include <algorithm>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <vector>

namespace osync::test {
namespace {

/// The names that the churn knows of, and one operation on them at a time.
class Worker {
 public:
  Worker(std::string root, const ChurnOptions& options)
      : root_(std::move(root)), random_(options.seed), most_files_(options.most_files) {
    folders_.push_back(root_);
  }

  void step() {
    const std::uint64_t choice = random_.below(100);
    if (files_.size() > most_files_ || choice < 10)
      remove_file();
    else if (choice < 30)
      create();
    else if (choice < 38)
      append();
    else if (choice < 44)
      overwrite();
    else if (choice < 54)
      save();
    else if (choice < 58)
      shorten();
    else if (choice < 68)
      rename_file();
    else if (choice < 73)
      rename_folder();
    else if (choice < 76)
      exchange();
    else if (choice < 82)
      make_folders();
    else if (choice < 84)
      remove_folder();
    else if (choice < 88)
      link();
    else if (choice < 91)
      change_mode();
    else if (choice < 93)
      set_back_time();
    else if (choice < 95)
      set_xattr();
    else if (choice < 97)
      become_folder();
    else if (choice < 98)
      unnamed_file();
    else
      keep_open();
  }

 private:
  [[nodiscard]] std::string new_name() {
    return folders_[random_.below(folders_.size())] + "/n" + std::to_string(++counter_);
  }
  [[nodiscard]] std::size_t any(const std::vector<std::string>& names) { return random_.below(names.size()); }

  void write_at(const std::string& path, int flags, off_t offset, std::size_t size) {
    const Descriptor file(
        must(open(path.c_str(), flags | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644), "open " + path));
    const std::string content = random_.bytes(size);
    must(pwrite(file.get(), content.data(), content.size(), offset), "write " + path);
  }

  void create() {
    const std::string path = new_name();
    const bool large = random_.one_in(40);
    write_at(path, O_CREAT | O_EXCL, 0, random_.below(large ? 600000 : 6000));
    files_.push_back(path);
  }
  /// A file that is about to be changed. Through a name of several, it is reported for that name alone, and where the name
  /// is gone before anybody could look at it, nothing tells of the others (docs/consistency.md): it stays.
  const std::string& to_change() {
    const std::string& path = files_[any(files_)];
    struct stat status {};
    if (stat(path.c_str(), &status) == 0 && status.st_nlink > 1) kept_.push_back(path);
    return path;
  }
  [[nodiscard]] bool kept(const std::string& folder) const {
    return std::any_of(kept_.begin(), kept_.end(), [&](const std::string& name) { return within(name, folder); });
  }

  void append() {
    if (files_.empty()) return;
    const std::string& path = to_change();
    struct stat status {};
    must(stat(path.c_str(), &status), "stat " + path);
    write_at(path, 0, status.st_size, 1 + random_.below(3000));
  }
  void overwrite() {
    if (!files_.empty())
      write_at(to_change(), 0, static_cast<off_t>(random_.below(2000)), 1 + random_.below(500));
  }
  /// As editors do: a new file renamed over the old one.
  void save() {
    if (files_.empty()) return;
    const std::string path = files_[any(files_)];
    if (kept(path)) return;
    write_at(path + "~", O_CREAT | O_TRUNC, 0, random_.below(8000));
    must(rename((path + "~").c_str(), path.c_str()), "rename " + path);
  }
  void shorten() {
    if (!files_.empty())
      must(truncate(to_change().c_str(), static_cast<off_t>(random_.below(3000))), "truncate");
  }
  void rename_file() {
    if (files_.empty()) return;
    const std::size_t from = any(files_);
    const bool over = random_.one_in(4);
    const std::string to = over ? files_[any(files_)] : new_name();
    if (kept(files_[from]) || kept(to)) return;
    struct stat before {
    }, target{};
    must(stat(files_[from].c_str(), &before), "stat");
    const bool same = over && stat(to.c_str(), &target) == 0 && target.st_ino == before.st_ino;
    must(rename(files_[from].c_str(), to.c_str()), "rename " + to);
    if (same) return; // two names of one file: rename(2) leaves both
    if (over)
      files_.erase(files_.begin() + static_cast<std::ptrdiff_t>(from));
    else
      files_[from] = to;
  }
  [[nodiscard]] static bool within(const std::string& path, const std::string& folder) {
    return path == folder || (path.size() > folder.size() && path.compare(0, folder.size(), folder) == 0 &&
                              path[folder.size()] == '/');
  }
  void follow(const std::string& from, const std::string& to) {
    for (auto* names : {&folders_, &files_, &kept_})
      for (std::string& name : *names)
        if (within(name, from)) name = to + name.substr(from.size());
  }
  void rename_folder() {
    const std::string from = folders_[any(folders_)];
    const std::string to = new_name();
    if (from == root_ || within(to, from)) return;
    must(rename(from.c_str(), to.c_str()), "rename " + from);
    follow(from, to);
  }
  void exchange() {
    const std::string one = folders_[any(folders_)];
    const std::string other = folders_[any(folders_)];
    if (within(one, other) || within(other, one)) return;
    must(renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE), "exchange " + one);
    const std::string aside = root_ + "//aside"; // no name of ours has an empty component
    follow(one, aside);
    follow(other, one);
    follow(aside, other);
  }
  /// A burst, as mkdir -p and an unpacker make it: new folders with content at once.
  void make_folders() {
    if (folders_.size() > 300) return;
    std::string path = new_name();
    for (std::uint64_t depth = 1 + random_.below(4); depth > 0; --depth) {
      must(mkdir(path.c_str(), 0755), "mkdir " + path);
      folders_.push_back(path);
      write_at(path + "/first", O_CREAT | O_EXCL, 0, random_.below(500));
      files_.push_back(path + "/first");
      path += "/d" + std::to_string(++counter_);
    }
  }
  void remove_file() {
    if (files_.empty()) return;
    const std::size_t index = any(files_);
    if (kept(files_[index])) return;
    must(unlink(files_[index].c_str()), "unlink " + files_[index]);
    files_.erase(files_.begin() + static_cast<std::ptrdiff_t>(index));
  }
  void remove_folder() {
    const std::string folder = folders_[any(folders_)];
    if (folder == root_ || kept(folder)) return;
    std::filesystem::remove_all(folder);
    for (auto* names : {&folders_, &files_})
      std::erase_if(*names, [&](const std::string& name) { return within(name, folder); });
  }
  void link() {
    if (files_.empty()) return;
    const std::string to = new_name();
    if (random_.one_in(3)) { // symlinks are made and left alone
      must(symlink(("target " + std::to_string(counter_)).c_str(), to.c_str()), "symlink " + to);
      return;
    }
    const std::string& from = files_[any(files_)];
    struct stat held {
    }, file{};
    const bool is_held = held_.valid() && fstat(held_.get(), &held) == 0 && stat(from.c_str(), &file) == 0 &&
                         held.st_ino == file.st_ino;
    if (is_held) return; // its opened name may be gone, or go
    must(::link(from.c_str(), to.c_str()), "link " + to);
    files_.push_back(to);
  }
  void change_mode() {
    const bool folder = random_.one_in(3);
    if (folder ? folders_.empty() : files_.empty()) return;
    const std::string& path = folder ? folders_[any(folders_)] : to_change();
    if (path != root_) must(chmod(path.c_str(), random_.one_in(2) ? 0700 : 0755), "chmod " + path);
  }
  /// Content of equal size with the old time, as `cp -p` and some build systems leave it.
  void set_back_time() {
    if (files_.empty()) return;
    const std::string& path = to_change();
    struct stat status {};
    must(stat(path.c_str(), &status), "stat " + path);
    if (status.st_size > 0)
      write_at(path, 0, 0, 1 + random_.below(static_cast<std::uint64_t>(status.st_size)));
    const timespec times[2] = {status.st_mtim, status.st_mtim};
    must(utimensat(AT_FDCWD, path.c_str(), times, 0), "utimensat " + path);
  }
  void set_xattr() {
    if (files_.empty()) return;
    const std::string value = std::to_string(random_.next());
    must(setxattr(to_change().c_str(), "user.churn", value.data(), value.size(), 0), "setxattr");
  }
  /// A file's name is taken by a folder at once.
  void become_folder() {
    if (files_.empty() || folders_.size() > 300) return;
    const std::size_t index = any(files_);
    const std::string path = files_[index];
    if (kept(path)) return;
    must(unlink(path.c_str()), "unlink " + path);
    must(mkdir(path.c_str(), 0755), "mkdir " + path);
    files_.erase(files_.begin() + static_cast<std::ptrdiff_t>(index));
    folders_.push_back(path);
  }
  /// O_TMPFILE, linkat, then more content: the event names the file before its content is complete.
  void unnamed_file() {
    const std::string folder = folders_[any(folders_)];
    const Descriptor file(open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644));
    if (!file.valid() && errno == EOPNOTSUPP) return;
    must(file.get(), "O_TMPFILE in " + folder);
    const std::string path = folder + "/n" + std::to_string(++counter_);
    must(linkat(AT_FDCWD, ("/proc/self/fd/" + std::to_string(file.get())).c_str(), AT_FDCWD, path.c_str(),
                AT_SYMLINK_FOLLOW),
         "linkat " + path);
    const std::string content = random_.bytes(random_.below(3000));
    must(write(file.get(), content.data(), content.size()), "write " + path);
    files_.push_back(path);
  }
  /// Writes to a file that stays open, often beyond its name's removal.
  void keep_open() {
    if (files_.empty()) return;
    if (!held_.valid() || random_.one_in(4)) {
      const std::string& path = to_change();
      held_ = Descriptor(must(open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC), "open " + path));
    }
    const std::string line = std::to_string(random_.next()) + "\n";
    must(write(held_.get(), line.data(), line.size()), "write to the open file");
  }

  const std::string root_;
  Random random_;
  const std::size_t most_files_;
  std::vector<std::string> folders_;
  std::vector<std::string> files_;
  std::vector<std::string> kept_; ///< names that are neither removed nor replaced
  std::uint64_t counter_ = 0;
  Descriptor held_;
};

} // namespace

Churn::Churn(std::string root, const ChurnOptions& options)
    : thread_([this, root = std::move(root), options] { work(root, options); }) {}

void Churn::work(const std::string& root, const ChurnOptions& options) {
  try {
    Worker worker(root, options);
    while (!ending_ && done_ < options.most_operations) {
      worker.step();
      ++done_;
      if (options.pause.count() > 0) std::this_thread::sleep_for(options.pause);
    }
  } catch (...) {
    failure_ = std::current_exception();
  }
}

std::size_t Churn::finish() {
  ending_ = true;
  return finish_all();
}

std::size_t Churn::finish_all() {
  if (thread_.joinable()) thread_.join();
  if (failure_) std::rethrow_exception(failure_);
  return done_;
}

Churn::~Churn() {
  ending_ = true;
  if (thread_.joinable()) thread_.join();
}

} // namespace osync::test
