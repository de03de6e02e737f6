#include "source/reader_look.h"

#include <linux/limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "source/attributes_xattrs.h"
#include "source/file_content.h"

namespace osync::source {

using engine::EntryRead;
using Outcome = EntryRead::Outcome;

int read_target(int fd, const char* name, std::string& target) {
  std::array<char, PATH_MAX + 1> buffer;
  const ssize_t size = readlinkat(fd, name, buffer.data(), buffer.size());
  if (size < 0) return errno;
  if (static_cast<std::size_t>(size) == buffer.size())
    return ENAMETOOLONG; // perhaps cut: no file system has these
  target.assign(buffer.data(), static_cast<std::size_t>(size));
  return 0;
}

Look::Look(ReaderContext& context, const OpenDirectory& directory, std::uint32_t max_bytes,
           bool include_linked, bool count_links)
    : context_(context), directory_(directory),
      max_bytes_(
          std::min<std::uint32_t>(max_bytes, static_cast<std::uint32_t>(context.pool->buffer_bytes()))),
      include_linked_(include_linked), count_links_(count_links), payload_(*context.pool, context.limits.small_payload) {}

void Look::look(std::string name, EntryRead& entry) {
  entry.operation.name = std::move(name);
  excluded_ = false;
  if (!valid_name(entry.operation.name)) {
    entry.outcome = Outcome::failed;
    entry.status = Status(entry.operation.name.size() > 255 ? Code::name_too_long : Code::invalid,
                          "look at entry: not a valid name", directory_.path_of(entry.operation.name));
    return;
  }
  if (directory_.is_state(entry.operation.name)) {
    excluded_ = true;
    entry.outcome = Outcome::mount;
    return;
  }
  PinnedEntry pinned;
  const int error = context_.opener.pin(directory_.fd, entry.operation.name.c_str(), pinned);
  if (error == ENOENT) return look_absent(entry.operation.name, entry);
  if (error != 0) return fail(entry, error, "open (look at entry)");
  if (leave_alone(pinned, entry.operation.name)) {
    entry.outcome = Outcome::mount;
    entry.excluded = excluded_ && !context_.root.is_mount(pinned.status);
    return;
  }
  look_pinned(pinned, entry);
  if (entry.outcome == Outcome::not_done) return;
  ++looked_;
  metadata_bytes_ += xattr_bytes(entry.operation.attributes) + entry.operation.target.size();
}

bool Look::leave_alone(const PinnedEntry& pinned, std::string_view name) {
  const bool directory = pinned.status.attributes.type == FileType::directory;
  excluded_ = directory_.excludes(context_, name, directory);
  return excluded_ || context_.root.is_mount(pinned.status) ||
         (directory && holds_replica(pinned.fd.get(), ""));
}

void Look::look_absent(std::string_view name, EntryRead& entry) {
  entry.outcome = Outcome::absent;
  if (directory_.excludes(context_, name, false)) {
    excluded_ = entry.excluded = true;
    entry.outcome = Outcome::mount;
  } else if (directory_.excludes(context_, name, true)) {
    // What the replica has there decides, and is not known here: keeping is the side to err on.
    excluded_ = entry.excluded = true;
    entry.outcome = Outcome::mount;
    entry.status = Status(Code::not_found, "absent; a directory of this name would be excluded",
                          directory_.path_of(name));
  }
}

void Look::look_pinned(PinnedEntry& pinned, EntryRead& entry) {
  Operation& operation = entry.operation;
  operation.attributes = pinned.status.attributes;
  switch (operation.attributes.type) {
  case FileType::regular:
    return look_regular(pinned, entry);
  case FileType::directory:
    return look_directory(pinned, entry);
  case FileType::symlink:
    return look_symlink(pinned, entry);
  case FileType::unknown:
    entry.outcome = Outcome::failed;
    entry.status =
        Status(Code::unsupported, "look at entry: unknown file type", directory_.path_of(operation.name));
    return;
  default:
    operation.kind = OperationKind::make_special;
    if (left_as_linked(pinned, entry)) return;
    if (add_xattrs(pinned, entry)) entry.outcome = Outcome::ready;
  }
}

/// Files of any type but directories may have several names, which are found by their identity. True: that is all for
/// now, or it failed.
bool Look::left_as_linked(const PinnedEntry& pinned, EntryRead& entry) {
  if (pinned.status.attributes.links <= 1 && !count_links_) return false;
  if (!add_identity(pinned, entry)) return true;
  if (!include_linked_) entry.outcome = Outcome::linked;
  return !include_linked_;
}

void Look::look_regular(PinnedEntry& pinned, EntryRead& entry) {
  Operation& operation = entry.operation;
  const FileStatus& before = pinned.status;
  operation.kind = OperationKind::put_file;
  if (left_as_linked(pinned, entry)) return;
  const std::uint64_t size = before.attributes.size;
  if (size > context_.limits.inline_bytes) {
    entry.outcome = Outcome::large;
    return;
  }
  if (looked_ > 0 && used() + size > max_bytes_) {
    entry.outcome = Outcome::not_done;
    return;
  }
  FileDescriptor file;
  const int error = context_.opener.reopen_regular(pinned, file);
  if (error != 0) return fail(entry, error, "open (read file)");
  if (before.attributes.blocks * 512 < size && has_hole(file.get(), size)) {
    entry.outcome = Outcome::large;
    return;
  }
  if (!accept_xattrs(read_xattrs(file.get(), context_.limits.xattr_bytes, operation.attributes), entry))
    return;
  read_content(file.get(), before, entry);
}

void Look::read_content(int fd, const FileStatus& before, EntryRead& entry) {
  Operation& operation = entry.operation;
  const std::uint64_t size = before.attributes.size;
  std::size_t got = 0;
  if (size > 0) {
    const int error = read_fully(fd, 0, payload_.space().first(static_cast<std::size_t>(size)), got);
    if (error != 0) return fail(entry, error, "pread (read file)");
  }
  FileStatus after;
  const int error = read_status(fd, "", after);
  if (error != 0) return fail(entry, error, "statx (after reading)");
  operation.payload_offset = static_cast<std::uint32_t>(payload_.used());
  operation.length = static_cast<std::uint32_t>(got);
  operation.attributes.size = got; // the sink makes a file of `length` bytes, also where the copy is torn
  payload_.commit(got);
  entry.outcome = got == size && same_version(before, after) ? Outcome::ready : Outcome::torn;
}

void Look::look_directory(PinnedEntry& pinned, EntryRead& entry) {
  entry.operation.kind = OperationKind::make_directory;
  if (add_identity(pinned, entry) && add_xattrs(pinned, entry)) entry.outcome = Outcome::ready;
}

void Look::look_symlink(PinnedEntry& pinned, EntryRead& entry) {
  entry.operation.kind = OperationKind::make_symlink;
  if (left_as_linked(pinned, entry)) return;
  const int error = read_target(pinned.fd.get(), "", entry.operation.target);
  if (error != 0) return fail(entry, error, "readlinkat (look at symlink)");
  entry.operation.attributes.size = entry.operation.target.size();
  if (add_xattrs(pinned, entry)) entry.outcome = Outcome::ready;
}

bool Look::add_identity(const PinnedEntry& pinned, EntryRead& entry) {
  Identity identity;
  const int error = context_.root.identifier().identify(pinned.fd.get(), identity);
  if (error != 0) fail(entry, error, "name_to_handle_at (look at entry)");
  entry.id = identity.id;
  return error == 0;
}

bool Look::add_xattrs(const PinnedEntry& pinned, EntryRead& entry) {
  return accept_xattrs(
      read_xattrs_of_path_fd(pinned.fd.get(), context_.limits.xattr_bytes, entry.operation.attributes),
      entry);
}

bool Look::accept_xattrs(int error, EntryRead& entry) {
  // Not readable for this process: the rest of the entry is kept, and `has_xattrs` says that these are not
  // known.
  if (error == 0 || error == EACCES || error == EPERM) return true;
  entry.outcome = Outcome::failed;
  entry.status = xattr_error(error, directory_.path_of(entry.operation.name));
  return false;
}

void Look::fail(EntryRead& entry, int error, std::string_view what) {
  entry.outcome = Outcome::failed;
  entry.status = Status::from_errno(error, what, directory_.path_of(entry.operation.name));
}

} // namespace osync::source
