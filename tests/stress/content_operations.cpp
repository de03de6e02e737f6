#include "stress/operations.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace osync::stress {
namespace {

using test::Descriptor;

off_t size_of(const Descriptor& file) {
  struct stat status {};
  return fstat(file.get(), &status) == 0 ? status.st_size : 0;
}

/// errno as a result for Hands::did, from a function that returns 0 or errno.
long failed(int error) {
  errno = error;
  return error == 0 ? 0 : -1;
}

int create(Hands& hands) {
  const Entry entry = hands.new_entry();
  const Descriptor file = hands.open_file(entry, O_WRONLY | O_CREAT | O_EXCL);
  if (!file.valid()) return hands.did("create", -1, entry);
  hands.counted(1);
  return hands.did("create", failed(hands.write_at(file, 0, hands.new_size())), entry);
}

/// Opens a file that is there, lets `change` work on it, logs.
template <class Change>
int on_file(Hands& hands, const char* what, int flags, const Change& change) {
  const auto entry = hands.file();
  if (!entry) return nothing_there;
  const Descriptor file = hands.open_file(*entry, flags);
  return hands.did(what, file.valid() ? change(file) : -1, *entry);
}

int append(Hands& hands) {
  return on_file(hands, "append", O_WRONLY | O_APPEND, [&](const Descriptor& file) {
    return failed(hands.write_at(file, size_of(file), 1 + hands.random.below(3000)));
  });
}

/// Equal size, and mostly within the second of the last write.
int write_in_place(Hands& hands) {
  return on_file(hands, "write in place", O_WRONLY, [&](const Descriptor& file) {
    const auto size = static_cast<std::uint64_t>(size_of(file));
    if (size == 0) return 0L;
    const std::uint64_t from = hands.random.below(size);
    const std::uint64_t most = std::min<std::uint64_t>(size - from, 5000);
    return failed(hands.write_at(file, static_cast<off_t>(from), 1 + hands.random.below(most)));
  });
}

/// Equal size, and the old time put back: cp -p and some build systems leave this.
int write_and_set_time_back(Hands& hands) {
  return on_file(hands, "write in place, old mtime", O_WRONLY, [&](const Descriptor& file) {
    struct stat status {};
    if (fstat(file.get(), &status) != 0 || status.st_size == 0) return 0L;
    (void)hands.write_at(file, 0, 1 + hands.random.below(static_cast<std::uint64_t>(status.st_size)) % 5000);
    const timespec times[2] = {status.st_atim, status.st_mtim};
    return static_cast<long>(futimens(file.get(), times));
  });
}

int rewrite(Hands& hands) {
  return on_file(hands, "truncate and write", O_WRONLY | O_TRUNC,
                 [&](const Descriptor& file) { return failed(hands.write_at(file, 0, hands.new_size())); });
}

int write_sparse(Hands& hands) {
  return on_file(hands, "write sparse", O_WRONLY, [&](const Descriptor& file) {
    const auto offset = static_cast<off_t>(hands.random.below(4 << 20));
    return failed(hands.write_at(file, offset, 1 + hands.random.below(9000)));
  });
}

int punch_hole(Hands& hands) {
  return on_file(hands, "punch hole", O_RDWR, [&](const Descriptor& file) {
    const auto size = static_cast<std::uint64_t>(size_of(file)) + 1;
    const auto offset = static_cast<off_t>(hands.random.below(size));
    return static_cast<long>(fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                                       static_cast<off_t>(1 + hands.random.below(200'000))));
  });
}

int allocate(Hands& hands) {
  return on_file(hands, "fallocate", O_RDWR, [&](const Descriptor& file) {
    const int mode = hands.random.one_in(3)   ? FALLOC_FL_KEEP_SIZE
                     : hands.random.one_in(3) ? FALLOC_FL_ZERO_RANGE
                                              : 0;
    return static_cast<long>(fallocate(file.get(), mode, static_cast<off_t>(hands.random.below(100'000)),
                                       static_cast<off_t>(1 + hands.random.below(300'000))));
  });
}

/// By path, as truncate(2) does: the kernel tells of it once, and no close follows.
int truncate_by_path(Hands& hands) {
  const auto entry = hands.file();
  if (!entry) return nothing_there;
  const Descriptor held = hands.hold(*entry);
  const auto size = static_cast<off_t>(hands.random.below(hands.random.one_in(8) ? 1'000'000 : 5000));
  return hands.did("truncate", held.valid() ? truncate(Hands::reference(held).c_str(), size) : -1, *entry);
}

int copy_range(Hands& hands) {
  const auto from = hands.file();
  const auto to = hands.file();
  if (!from || !to) return nothing_there;
  const Descriptor source = hands.open_file(*from, O_RDONLY);
  const Descriptor target = hands.open_file(*to, O_WRONLY);
  if (!source.valid() || !target.valid()) return hands.did("copy_file_range", -1, *from, *to);
  if (hands.random.one_in(3))
    return hands.did("clone", ioctl(target.get(), FICLONE, source.get()), *from, *to);
  off_t offset = static_cast<off_t>(hands.random.below(3000));
  const ssize_t copied = copy_file_range(source.get(), nullptr, target.get(), &offset, 100'000, 0);
  return hands.did("copy_file_range", copied, *from, *to);
}

/// As careful programs save: a new file, fsync now and then, renamed over the old one.
int save_atomically(Hands& hands) {
  const auto entry = hands.file();
  if (!entry) return nothing_there;
  const Entry temporary{entry->folder, "." + entry->name.substr(0, 200) + ".tmp", 0};
  const Descriptor file = hands.open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.valid()) return hands.did("atomic save: temporary", -1, temporary);
  (void)hands.write_at(file, 0, hands.new_size());
  if (hands.random.one_in(10)) (void)fsync(file.get());
  const long result = renameat(temporary.at(), temporary.name.c_str(), entry->at(), entry->name.c_str());
  return hands.did("atomic save", result, temporary, *entry);
}

/// O_TMPFILE and linkat(2): the event names the file before its content is complete.
int link_unnamed(Hands& hands) {
  const Entry entry = hands.new_entry();
  const Descriptor file(openat(entry.at(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640));
  if (!file.valid()) return hands.did("O_TMPFILE", -1, entry);
  (void)hands.write_at(file, 0, hands.new_size());
  const long result =
      linkat(AT_FDCWD, Hands::reference(file).c_str(), entry.at(), entry.name.c_str(), AT_SYMLINK_FOLLOW);
  const int error = hands.did("O_TMPFILE, linkat", result, entry);
  if (error != 0) return error;
  hands.counted(1);
  return hands.did("O_TMPFILE, write after linkat", failed(hands.write_at(file, 0, hands.new_size())), entry);
}

/// Opened, written, and left open.
int open_and_keep(Hands& hands) {
  Entry entry = hands.new_entry();
  if (const auto there = hands.random.one_in(2) ? hands.file() : std::nullopt) entry = *there;
  Descriptor file = hands.open_file(entry, O_WRONLY | O_CREAT);
  if (!file.valid()) return hands.did("write, keep open", -1, entry);
  const int error = hands.did("write, keep open", failed(hands.write_at(file, 0, hands.new_size())), entry);
  if (hands.held_files.size() < 12)
    hands.held_files.push_back(std::move(file));
  else
    hands.held_files[hands.random.below(12)] = std::move(file); // this closes another one
  return error;
}

/// Often to a file whose name is another one by now, or gone.
int write_to_kept(Hands& hands) {
  if (hands.held_files.empty()) return nothing_there;
  Descriptor& file = hands.held_files[hands.random.below(hands.held_files.size())];
  if (hands.is_outside(file.get())) { // its name left the root; another name may have stayed
    std::swap(file, hands.held_files.back());
    hands.held_files.pop_back();
    return nothing_there;
  }
  const off_t at = hands.random.one_in(2) ? size_of(file) : 0;
  const int error = hands.write_at(file, at, 1 + hands.random.below(4000));
  return hands.did("write to kept", failed(error), file);
}

} // namespace

const std::vector<Operation>& content_operations() {
  static const std::vector<Operation> all = {{"create", 140, create},
                                             {"append", 60, append},
                                             {"write in place", 60, write_in_place},
                                             {"write in place, old mtime", 20, write_and_set_time_back},
                                             {"truncate and write", 40, rewrite},
                                             {"write sparse", 20, write_sparse},
                                             {"punch hole", 20, punch_hole},
                                             {"fallocate", 20, allocate},
                                             {"truncate by path", 30, truncate_by_path},
                                             {"copy_file_range, clone", 20, copy_range},
                                             {"atomic save", 70, save_atomically},
                                             {"O_TMPFILE, linkat", 20, link_unnamed},
                                             {"write, keep open", 20, open_and_keep},
                                             {"write to kept", 40, write_to_kept}};
  return all;
}

} // namespace osync::stress
