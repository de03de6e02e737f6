#include "stress/operations.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace osync::stress {
namespace {

using test::Descriptor;

int counted(Hands& hands, int error) {
  if (error == 0) hands.counted(1);
  return error;
}

/// Targets stay below the tree or lead nowhere: nothing that follows a link may reach the host's own files.
int make_symlink(Hands& hands, const Entry& entry) {
  const std::string target =
      hands.random.one_in(5) ? hands.random.bytes(3) + "\xff somewhere" : hands.new_name();
  return counted(hands,
                 hands.did("symlink", symlinkat(target.c_str(), entry.at(), entry.name.c_str()), entry));
}

int make_node(Hands& hands, const Entry& entry, const char* what, mode_t mode, dev_t device) {
  return counted(hands, hands.did(what, mknodat(entry.at(), entry.name.c_str(), mode, device), entry));
}

int make_fifo(Hands& hands, const Entry& entry) { return make_node(hands, entry, "fifo", S_IFIFO | 0640, 0); }
int make_socket(Hands& hands, const Entry& entry) {
  return make_node(hands, entry, "socket", S_IFSOCK | 0750, 0);
}

/// Numbers that no driver has, so that an open does nothing.
int make_device(Hands& hands, const Entry& entry) {
  const bool block = hands.random.one_in(2);
  const dev_t number = makedev(240 + static_cast<unsigned>(hands.random.below(10)),
                               static_cast<unsigned>(hands.random.below(300)));
  return make_node(hands, entry, block ? "block device" : "character device",
                   (block ? S_IFBLK : S_IFCHR) | 0600, number);
}

int make_file(Hands& hands, const Entry& entry) {
  const Descriptor file = hands.open_file(entry, O_WRONLY | O_CREAT | O_EXCL);
  if (file.valid()) (void)hands.write_at(file, 0, hands.new_size());
  return counted(hands, hands.did("create", file.valid() ? 0 : -1, entry));
}

int make_anything(Hands& hands, const Entry& entry) {
  switch (hands.random.below(6)) {
  case 0:
    return make_symlink(hands, entry);
  case 1:
    return make_fifo(hands, entry);
  case 2:
    return make_socket(hands, entry);
  case 3:
    return make_device(hands, entry);
  case 4:
    return make_burst(hands, entry);
  default:
    return make_file(hands, entry);
  }
}

/// Removed and made again at once, mostly as another type.
int become_another_type(Hands& hands) {
  const auto entry = hands.any(DT_UNKNOWN);
  if (!entry) return nothing_there;
  if (const int error = remove_recursively(hands, *entry); error != 0) return error;
  return make_anything(hands, *entry);
}

/// A symlink takes the place of a directory that others work below, and mostly gives it back.
int swap_component(Hands& hands) {
  const auto entry = hands.directory();
  if (!entry) return nothing_there;
  const Entry aside{entry->folder, hands.new_name(), 0};
  const long moved =
      renameat2(entry->at(), entry->name.c_str(), aside.at(), aside.name.c_str(), RENAME_NOREPLACE);
  if (const int error = hands.did("swap component: aside", moved, *entry, aside); error != 0) return error;
  const long linked = symlinkat(aside.name.c_str(), entry->at(), entry->name.c_str());
  if (const int error = hands.did("swap component: symlink", linked, *entry); error != 0) return error;
  const Descriptor folder(
      openat(aside.at(), aside.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (folder.valid())
    (void)make_file(hands, {std::make_shared<Descriptor>(dup(folder.get())), hands.new_name(), 0});
  if (hands.random.one_in(4)) return counted(hands, 0);
  if (hands.did("swap component: unlink", unlinkat(entry->at(), entry->name.c_str(), 0), *entry) != 0)
    return 0;
  return hands.did("swap component: back",
                   renameat(aside.at(), aside.name.c_str(), entry->at(), entry->name.c_str()), aside, *entry);
}

template <int (*make)(Hands&, const Entry&)>
int at_new_name(Hands& hands) {
  return make(hands, hands.new_entry());
}

} // namespace

const std::vector<Operation>& type_operations() {
  static const std::vector<Operation> all = {
      {"symlink", 30, at_new_name<make_symlink>},       {"fifo", 10, at_new_name<make_fifo>},
      {"socket", 10, at_new_name<make_socket>},         {"device", 10, at_new_name<make_device>},
      {"become another type", 30, become_another_type}, {"swap path component", 10, swap_component}};
  return all;
}

} // namespace osync::stress
