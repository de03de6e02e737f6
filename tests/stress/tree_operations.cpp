#include "stress/operations.h"

#include "support/process.h"

#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace osync::stress {
namespace {

using test::Descriptor;

constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::vector<std::string> names_in(int directory) {
  std::vector<std::string> names;
  const int again = openat(directory, ".", directory_flags);
  DIR* stream = again < 0 ? nullptr : fdopendir(again);
  if (stream == nullptr) return names;
  while (const dirent* entry = readdir(stream))
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
      names.emplace_back(entry->d_name);
  closedir(stream);
  return names;
}

/// Names at and below `name`, counted up to `most`.
long count_below(int at, const std::string& name, long most) {
  const Descriptor directory(openat(at, name.c_str(), directory_flags));
  long count = 1;
  if (!directory.valid()) return count;
  for (const std::string& below : names_in(directory.get())) {
    count += count_below(directory.get(), below, most - count);
    if (count >= most) break;
  }
  return count;
}

/// Large trees go only while the whole is large, so that the others keep something to work on.
bool may_go(Hands& hands, const Entry& entry) {
  constexpr long small = 60;
  return hands.shared().entries > hands.shared().most / 2 ||
         count_below(entry.at(), entry.name, small) < small;
}

/// 0 or errno. Others may put names into the directory meanwhile: after some rounds it stays.
int remove_at(int at, const std::string& name, long& removed) {
  for (int round = 0; round < 5; ++round) {
    if (unlinkat(at, name.c_str(), 0) == 0) return ++removed, 0;
    if (errno != EISDIR && errno != EPERM) return errno;
    const Descriptor directory(openat(at, name.c_str(), directory_flags));
    if (!directory.valid()) return errno;
    for (const std::string& below : names_in(directory.get()))
      (void)remove_at(directory.get(), below, removed);
    if (unlinkat(at, name.c_str(), AT_REMOVEDIR) == 0) return ++removed, 0;
    if (errno != ENOTEMPTY && errno != ENOTDIR) return errno;
  }
  return ENOTEMPTY;
}

int make_tree(Hands& hands) { return make_burst(hands, hands.new_entry()); }

int remove_tree(Hands& hands) {
  const auto entry = hands.directory();
  return entry ? remove_recursively(hands, *entry) : nothing_there;
}

/// Files with further names: no event under the root tells of a write through a name outside of it.
void unlink_shared_files(int at, const std::string& name) {
  struct stat status {};
  if (fstatat(at, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (!S_ISDIR(status.st_mode)) {
    if (status.st_nlink > 1) (void)unlinkat(at, name.c_str(), 0);
    return;
  }
  const Descriptor directory(openat(at, name.c_str(), directory_flags));
  if (!directory.valid()) return;
  for (const std::string& below : names_in(directory.get())) unlink_shared_files(directory.get(), below);
}

int leave_root(Hands& hands, const Entry& from, const Entry& to) {
  const long moved = renameat(from.at(), from.name.c_str(), to.at(), to.name.c_str());
  const int error = hands.did("move out", moved, from, to);
  if (error == 0) hands.counted(-count_below(to.at(), to.name, hands.shared().most));
  if (error == 0) unlink_shared_files(to.at(), to.name);
  return error;
}

/// One name of those outside is taken for each, so that a few trees wait there at most.
Entry name_outside(Hands& hands) {
  return {hands.outside(), "out" + std::to_string(hands.random.below(12)), 0};
}

int move_out(Hands& hands) {
  const auto from = hands.any(hands.random.one_in(4) ? DT_REG : DT_DIR);
  if (!from || !may_go(hands, *from)) return nothing_there;
  const Entry to = name_outside(hands);
  long removed = 0;
  (void)remove_at(to.at(), to.name, removed);
  return leave_root(hands, *from, to);
}

/// A populated tree appears at once; mostly it was made, or changed, where nobody watches.
int move_in(Hands& hands) {
  Entry from = name_outside(hands);
  if (const auto there = hands.random.one_in(2) ? hands.any_in(hands.outside(), DT_UNKNOWN) : std::nullopt)
    from = *there;
  else
    (void)make_burst(hands, from);
  const Entry to = hands.new_entry();
  return hands.did("move in", renameat(from.at(), from.name.c_str(), to.at(), to.name.c_str()), from, to);
}

/// Out, changed there without an event, and in again somewhere.
int move_out_change_move_in(Hands& hands) {
  const auto from = hands.directory();
  if (!from || !may_go(hands, *from)) return nothing_there;
  const Entry away{hands.outside(), "away" + std::to_string(hands.random.next() % 100000), 0};
  if (const int error = leave_root(hands, *from, away); error != 0) return error;
  const auto inside = std::make_shared<Descriptor>(openat(away.at(), away.name.c_str(), directory_flags));
  if (inside->valid()) {
    (void)make_burst(hands, {inside, hands.new_name(), 0});
    if (const auto file = hands.any_in(inside, DT_REG)) {
      const Descriptor open = hands.open_file(*file, O_WRONLY);
      if (open.valid()) (void)hands.write_at(open, 0, 500);
    }
  }
  const Entry to = hands.random.one_in(2) ? *from : hands.new_entry();
  const int error =
      hands.did("move in again", renameat(away.at(), away.name.c_str(), to.at(), to.name.c_str()), away, to);
  if (error == 0) hands.counted(count_below(to.at(), to.name, hands.shared().most));
  if (error != 0) (void)remove_recursively(hands, away);
  return error;
}

/// A real unpacker works while osync scans what it made so far.
int unpack(Hands& hands) {
  const Entry entry = hands.new_entry();
  if (const int error = hands.did("untar: mkdir", mkdirat(entry.at(), entry.name.c_str(), 0755), entry);
      error != 0)
    return error;
  const Descriptor folder(openat(entry.at(), entry.name.c_str(), directory_flags));
  if (!folder.valid()) return errno;
  const std::string target = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(folder.get());
  const test::Finished finished =
      test::run({{"tar", "-C", target, "-xf", hands.shared().archive}}, test::seconds(60));
  hands.counted(250);
  errno = EIO; // another writer took the directory away, or put something in tar's way
  return hands.did("untar", finished.exit_code == 0 ? 0 : -1, entry);
}

/// Removed while somebody stands in it: the kernel tells of it late.
int remove_directory_held_open(Hands& hands) {
  const Entry entry = hands.new_entry();
  if (mkdirat(entry.at(), entry.name.c_str(), 0755) != 0)
    return hands.did("held directory: mkdir", -1, entry);
  Descriptor folder(openat(entry.at(), entry.name.c_str(), directory_flags));
  if (!folder.valid()) return hands.did("held directory: open", -1, entry);
  Descriptor file(openat(folder.get(), "inside", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (file.valid()) (void)hands.write_at(file, 0, 300);
  (void)unlinkat(folder.get(), "inside", 0);
  const int error =
      hands.did("held directory: rmdir", unlinkat(entry.at(), entry.name.c_str(), AT_REMOVEDIR), entry);
  if (hands.held_directories.size() >= 8) hands.held_directories.erase(hands.held_directories.begin());
  hands.held_directories.push_back(std::move(folder));
  return error;
}

std::string long_name(Hands& hands) {
  return std::string(200, static_cast<char>('a' + hands.random.below(20)));
}

/// Below the folder whose paths are longer than PATH_MAX.
int change_deep_down(Hands& hands) {
  Folder here =
      std::make_shared<Descriptor>(openat(hands.root()->get(), deep_folder.c_str(), directory_flags));
  std::uint64_t level = 0;
  for (const std::uint64_t wanted = hands.random.below(30); here->valid() && level < wanted; ++level) {
    const auto next = hands.any_in(here, DT_DIR);
    if (!next) break;
    here = std::make_shared<Descriptor>(openat(next->at(), next->name.c_str(), directory_flags));
  }
  if (!here->valid()) return nothing_there;
  const Entry entry{here, hands.random.one_in(3) ? "file" : long_name(hands), 0};
  const std::uint64_t choice = hands.random.below(4);
  if (choice == 0 && level < 28)
    return hands.did("deep: mkdir", mkdirat(entry.at(), entry.name.c_str(), 0755), entry);
  if (choice == 1) {
    const auto from = hands.any_in(here, DT_DIR);
    if (!from) return nothing_there;
    return hands.did(
        "deep: rename",
        renameat2(from->at(), from->name.c_str(), entry.at(), entry.name.c_str(), RENAME_NOREPLACE), *from,
        entry);
  }
  const Descriptor file = hands.open_file(entry, O_WRONLY | O_CREAT);
  const bool written = file.valid() && hands.write_at(file, 0, 1 + hands.random.below(3000)) == 0;
  return hands.did("deep: write", written ? 0 : -1, entry);
}

} // namespace

int remove_recursively(Hands& hands, const Entry& entry) {
  if (!may_go(hands, entry)) return nothing_there;
  long removed = 0;
  const int error = remove_at(entry.at(), entry.name, removed);
  hands.counted(-removed);
  errno = error;
  return hands.did("rm -r", error == 0 ? 0 : -1, entry);
}

int make_burst(Hands& hands, const Entry& entry) {
  const int error = hands.did("mkdir -p", mkdirat(entry.at(), entry.name.c_str(), 0755), entry);
  if (error != 0) return error;
  Folder here = std::make_shared<Descriptor>(openat(entry.at(), entry.name.c_str(), directory_flags));
  for (std::uint64_t depth = 1 + hands.random.below(5); here->valid() && depth > 0; --depth) {
    for (std::uint64_t files = hands.random.below(4); files > 0; --files) {
      const Descriptor file = hands.open_file({here, hands.new_name(), 0}, O_WRONLY | O_CREAT | O_EXCL);
      if (file.valid() && hands.write_at(file, 0, hands.random.below(2000)) == 0) hands.counted(1);
    }
    const std::string below = hands.new_name();
    if (mkdirat(here->get(), below.c_str(), 0755) == 0) hands.counted(1);
    here = std::make_shared<Descriptor>(openat(here->get(), below.c_str(), directory_flags));
  }
  hands.counted(1);
  return 0;
}

const std::vector<Operation>& tree_operations() {
  static const std::vector<Operation> all = {{"mkdir -p burst", 50, make_tree},
                                             {"rm -r", 30, remove_tree},
                                             {"move out", 10, move_out, true},
                                             {"move in", 20, move_in},
                                             {"move out, change, move in", 20, move_out_change_move_in, true},
                                             {"untar", 1, unpack},
                                             {"rmdir of a held directory", 10, remove_directory_held_open},
                                             {"beyond PATH_MAX", 20, change_deep_down}};
  return all;
}

} // namespace osync::stress
