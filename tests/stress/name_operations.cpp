#include "stress/operations.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <unistd.h>

namespace osync::stress {
namespace {

using test::Descriptor;

int rename_with(Hands& hands, const char* what, const Entry& from, const Entry& to, unsigned flags) {
  const long result = renameat2(from.at(), from.name.c_str(), to.at(), to.name.c_str(), flags);
  return hands.did(what, result, from, to);
}

/// Anything, to a name that may or may not be there.
int rename_anything(Hands& hands) {
  const auto from = hands.any(DT_UNKNOWN);
  if (!from) return nothing_there;
  return rename_with(hands, "rename", *from, hands.new_entry(), 0);
}

int rename_over_file(Hands& hands) {
  const auto from = hands.file();
  const auto to = hands.file();
  if (!from || !to) return nothing_there;
  const int error = rename_with(hands, "rename over", *from, *to, 0);
  if (error == 0) hands.counted(-1);
  return error;
}

int rename_without_replacing(Hands& hands) {
  const auto from = hands.any(DT_UNKNOWN);
  if (!from) return nothing_there;
  return rename_with(hands, "RENAME_NOREPLACE", *from, hands.new_entry(), RENAME_NOREPLACE);
}

/// Of any two types.
int exchange(Hands& hands) {
  const auto one = hands.any(DT_UNKNOWN);
  const auto other = hands.any(DT_UNKNOWN);
  if (!one || !other) return nothing_there;
  return rename_with(hands, "RENAME_EXCHANGE", *one, *other, RENAME_EXCHANGE);
}

int exchange_directories(Hands& hands) {
  const auto one = hands.directory();
  const auto other = hands.directory();
  if (!one || !other) return nothing_there;
  return rename_with(hands, "RENAME_EXCHANGE directories", *one, *other, RENAME_EXCHANGE);
}

/// Leaves a whiteout, a character device 0:0, at the old name.
int rename_with_whiteout(Hands& hands) {
  const auto from = hands.any(hands.random.one_in(3) ? DT_DIR : DT_REG);
  if (!from) return nothing_there;
  const int error = rename_with(hands, "RENAME_WHITEOUT", *from, hands.new_entry(), RENAME_WHITEOUT);
  if (error == 0) hands.counted(1);
  return error;
}

int move_directory(Hands& hands) {
  const auto from = hands.directory();
  if (!from) return nothing_there;
  return rename_with(hands, "move directory", *from, hands.new_entry(), 0);
}

/// a into b, then b into c, and sometimes on: what is below moves as often.
int move_in_chain(Hands& hands) {
  auto moved = hands.directory();
  int error = nothing_there;
  for (std::uint64_t length = 2 + hands.random.below(3); moved && length > 0; --length) {
    const auto target = hands.directory();
    if (!target) return error;
    const auto inside = std::make_shared<Descriptor>(
        openat(target->at(), target->name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!inside->valid()) return error;
    error = rename_with(hands, "move directory, chain", *moved, Entry{inside, hands.new_name(), 0}, 0);
    moved = target;
  }
  return error;
}

int unlink_any(Hands& hands) {
  const auto entry = hands.any(hands.random.one_in(3) ? DT_UNKNOWN : DT_REG);
  if (!entry) return nothing_there;
  const int error = hands.did("unlink", unlinkat(entry->at(), entry->name.c_str(), 0), *entry);
  if (error == 0) hands.counted(-1);
  return error;
}

/// Not across the root's border: what is written under a name outside shows nowhere inside.
int link_to(Hands& hands, const Entry& from, const Entry& to) {
  if (hands.is_outside(from.at()) || hands.is_outside(to.at())) return EXDEV;
  const int error =
      hands.did("link", linkat(from.at(), from.name.c_str(), to.at(), to.name.c_str(), 0), from, to);
  if (error == 0) hands.counted(1);
  return error;
}

int make_link(Hands& hands) {
  const auto from = hands.random.one_in(8) ? hands.any(DT_UNKNOWN) : hands.file();
  if (!from) return nothing_there;
  return link_to(hands, *from, hands.new_entry());
}

/// Two or more names elsewhere, then a write through one of them.
int link_and_write(Hands& hands) {
  const auto from = hands.file();
  if (!from) return nothing_there;
  const Entry to = hands.new_entry();
  if (const int error = link_to(hands, *from, to); error != 0) return error;
  const Entry& through = hands.random.one_in(2) ? *from : to;
  const Descriptor file = hands.open_file(through, O_WRONLY);
  const bool written = file.valid() && hands.write_at(file, 0, 1 + hands.random.below(3000)) == 0;
  return hands.did("write through a link", written ? 0 : -1, through);
}

/// The name that events know goes away, then the file is written under the other one.
int link_unlink_write(Hands& hands) {
  const auto from = hands.file();
  if (!from) return nothing_there;
  const Descriptor file = hands.open_file(*from, O_WRONLY);
  if (!file.valid()) return hands.did("open", -1, *from);
  const Entry to = hands.new_entry();
  if (const int error = link_to(hands, *from, to); error != 0) return error;
  if (hands.did("unlink the first name", unlinkat(from->at(), from->name.c_str(), 0), *from) == 0)
    hands.counted(-1);
  const bool written = hands.write_at(file, 0, 1 + hands.random.below(3000)) == 0;
  return hands.did("write under the second name", written ? 0 : -1, to);
}

/// rename(2) of one name of a file onto another one: nothing happens, both stay.
int rename_link_onto_link(Hands& hands) {
  const auto from = hands.file();
  if (!from) return nothing_there;
  const Entry to = hands.new_entry();
  if (const int error = link_to(hands, *from, to); error != 0) return error;
  return rename_with(hands, "rename link onto link", *from, to, 0);
}

} // namespace

const std::vector<Operation>& name_operations() {
  static const std::vector<Operation> all = {{"rename", 50, rename_anything},
                                             {"rename over", 30, rename_over_file},
                                             {"RENAME_NOREPLACE", 20, rename_without_replacing},
                                             {"RENAME_EXCHANGE", 20, exchange},
                                             {"RENAME_EXCHANGE directories", 20, exchange_directories},
                                             {"RENAME_WHITEOUT", 10, rename_with_whiteout},
                                             {"move directory", 30, move_directory},
                                             {"move directories in a chain", 30, move_in_chain},
                                             {"unlink", 80, unlink_any},
                                             {"link", 30, make_link},
                                             {"link, write", 20, link_and_write},
                                             {"link, unlink, write", 20, link_unlink_write},
                                             {"rename link onto link", 10, rename_link_onto_link}};
  return all;
}

} // namespace osync::stress
