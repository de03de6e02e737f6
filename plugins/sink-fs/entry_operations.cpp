// What GroupApplier does for each kind of operation on an entry.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "group_applier.h"
#include "group_applier_replace.h"
#include "names.h"
#include "small_file.h"
#include "sparse_copy.h"

namespace osync::sink_fs {

namespace {

constexpr int create_flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

mode_t format_of(FileType type) noexcept {
  switch (type) {
  case FileType::fifo:
    return S_IFIFO;
  case FileType::socket:
    return S_IFSOCK;
  case FileType::character_device:
    return S_IFCHR;
  case FileType::block_device:
    return S_IFBLK;
  default:
    return 0;
  }
}

} // namespace

// ---- regular files
// ----------------------------------------------------------------------------------------------

Status GroupApplier::put_file(const Operation& operation) {
  if (operation.payload_offset > group_.payload.size() ||
      operation.length > group_.payload.size() - operation.payload_offset)
    return {Code::invalid, "the operation's data lies outside of its group's payload",
            path_of(operation).text()};
  const AttributeWriter& writer = services_.writer;
  const char* name = operation.name.c_str();
  const bool inherits = inherits_acl();
  const mode_t mode =
      writer.creation_mode(operation.attributes, owner_is_right(operation, made_here_), inherits);
  Fd file(openat(directory_.fd.get(), name, create_flags, mode));
  if (file) {
    Status status = fill_file(file.get(), mode, made_here_, inherits, operation);
    const int error = file.close_checked();
    if (status.ok() && error != 0) status = failed(error, "closing a new file", operation);
    if (!status.ok())
      unlinkat(directory_.fd.get(), name, 0); // if that fails too, the next comparison finds the rest
    return status;
  }
  if (errno != EEXIST) return failed(errno, "creating a file", operation);
  return replace(
      operation, FileType::regular, [&](int place, const char* temporary, Made& made, bool acl) -> Status {
        const mode_t asked = writer.creation_mode(operation.attributes, owner_is_right(operation, made), acl);
        Fd staged(openat(place, temporary, create_flags, asked));
        if (!staged) return failed(errno, "creating a stage", operation);
        Status status = fill_file(staged.get(), asked, made, acl, operation);
        const int error = staged.close_checked();
        return status.ok() && error != 0 ? failed(error, "closing a stage", operation) : status;
      });
}

Status GroupApplier::fill_file(int fd, mode_t asked, Made& made, bool inherits, const Operation& operation) {
  const std::byte* data = group_.payload.data() + operation.payload_offset;
  if (const int error = write_fully(fd, data, operation.length, 0); error != 0)
    return failed(error, "writing a file", operation);
  const Target target{fd, false, FileType::regular};
  const AttributeWriter& writer = services_.writer;
  Present present{made.uid, made.gid, asked & ~writer.privileges().umask, {}, true, inherits};
  if (!made.known) {
    auto learned = learn(target, made, inherits, operation);
    if (!learned.ok()) return learned.status();
    present = learned.value();
  }
  return writer.write(target, present, operation.attributes, true, true, path_of(operation));
}

Status GroupApplier::publish(const Operation& operation) {
  if (operation.attributes.type != FileType::regular) {
    services_.stages.discard(operation.stage);
    return {Code::invalid, "only regular files are published", path_of(operation).text()};
  }
  auto taken = services_.stages.take(operation.stage, operation.attributes.size, operation.digest);
  if (!taken.ok()) return taken.status();
  const int stage = services_.replacing.area.stage();
  const char* staged = taken->name.c_str();
  Status status;
  if (!beside_) {
    const Target target{taken->file.get(), false, FileType::regular};
    auto present = learn(target, made_in_stage_, false, operation);
    status = present.ok() ? services_.writer.write(target, present.value(), operation.attributes, true, true,
                                                   path_of(operation))
                          : present.status();
    if (status.ok()) status = replacer_->publish(stage, staged, operation.name.c_str(), FileType::regular);
    if (status.sys_errno() == EXDEV) beside_ = true;
    if (status.ok()) {
      const int error = taken->file.close_checked();
      return error == 0 ? status : failed(error, "closing a published file", operation);
    }
  }
  if (beside_) status = publish_beside(taken->file.get(), operation);
  if (unlinkat(stage, staged, 0) != 0 && status.ok()) status = failed(errno, "removing a stage", operation);
  return status;
}

/// The stage is on another file system than the target: a copy beside that, then as usual.
Status GroupApplier::publish_beside(int from, const Operation& operation) {
  return replace(operation, FileType::regular,
                 [&](int place, const char* temporary, Made& made, bool acl) -> Status {
                   Fd file(openat(place, temporary, create_flags, 0600));
                   if (!file) return failed(errno, "creating a stage", operation);
                   if (const int error = copy_sparse(from, file.get(), operation.attributes.size); error != 0)
                     return failed(error, "copying a stage beside its target", operation);
                   const Target target{file.get(), false, FileType::regular};
                   auto present = learn(target, made, acl, operation);
                   if (!present.ok()) return present.status();
                   Status status = services_.writer.write(target, present.value(), operation.attributes, true,
                                                          true, path_of(operation));
                   const int error = file.close_checked();
                   return status.ok() && error != 0 ? failed(error, "closing a stage", operation) : status;
                 });
}

// ---- directories
// ------------------------------------------------------------------------------------------------

Status GroupApplier::make_directory(const Operation& operation) {
  const char* name = operation.name.c_str();
  const int parent = directory_.fd.get();
  const Attributes& wanted = operation.attributes;
  const bool inherits = inherits_acl();
  const bool simple = owner_is_right(operation, made_here_) && !inherits && wanted.xattrs.empty() &&
                      (directory_.stay.before().st_mode & S_ISGID) == 0 && (wanted.mode & ~0777u) == 0 &&
                      (wanted.mode & services_.writer.privileges().umask) == 0;
  if (mkdirat(parent, name, simple ? wanted.mode : 0700) == 0) {
    if (simple) return {};
    Fd made(services_.tree.open_entry(parent, name, O_PATH | O_DIRECTORY));
    if (!made) return failed(errno, "opening a directory just made", operation);
    const Target target{made.get(), true, FileType::directory};
    auto present = learn(target, made_here_, inherits, operation);
    Status status = present.ok() ? services_.writer.write(target, present.value(), wanted, true, false,
                                                          path_of(operation))
                                 : present.status();
    if (!status.ok())
      unlinkat(parent, name, AT_REMOVEDIR); // not empty any more: somebody uses it, so it stays
    return status;
  }
  if (errno != EEXIST) return failed(errno, "mkdir", operation);
  Fd existing(services_.tree.open_entry(parent, name, O_PATH | O_DIRECTORY));
  if (existing) return set_existing_directory(std::move(existing), operation);
  if (errno == ENOTDIR || errno == ELOOP) return replace_by_directory(operation);
  return errno == EXDEV ? failed(EBUSY, "looking at a directory", operation)
                        : failed(errno, "looking at a directory", operation);
}

Status GroupApplier::set_existing_directory(Fd directory, const Operation& operation) {
  struct stat status {};
  if (fstat(directory.get(), &status) != 0) return failed(errno, "fstat of a directory", operation);
  const Target target{directory.get(), true, FileType::directory};
  return services_.writer.write(target, present_of(status), operation.attributes, true, false,
                                path_of(operation));
}

Status GroupApplier::replace_by_directory(const Operation& operation) {
  Fd made_directory;
  Present present;
  Status status = replace(
      operation, FileType::directory, [&](int place, const char* temporary, Made& made, bool acl) -> Status {
        if (mkdirat(place, temporary, 0700) != 0) return failed(errno, "mkdir", operation);
        made_directory.reset(services_.tree.open_entry(place, temporary, O_PATH | O_DIRECTORY));
        if (!made_directory) return failed(errno, "opening a directory just made", operation);
        const Target target{made_directory.get(), true, FileType::directory};
        auto learned = learn(target, made, acl, operation);
        if (learned.ok()) present = learned.value();
        return learned.status();
      });
  if (!status.ok()) return status;
  // Only now, because moving a directory wants write permission on it.
  const Target target{made_directory.get(), true, FileType::directory};
  return services_.writer.write(target, present, operation.attributes, true, false, path_of(operation));
}

// ---- symlinks, FIFOs, sockets, devices
// --------------------------------------------------------------------------

int GroupApplier::create_node(int place, const char* name, const Operation& operation) const {
  if (operation.kind == OperationKind::make_symlink)
    return symlinkat(operation.target.c_str(), place, name) == 0 ? 0 : errno;
  const Attributes& wanted = operation.attributes;
  const mode_t format = format_of(wanted.type);
  const bool device = S_ISCHR(format) || S_ISBLK(format);
  const dev_t number = device ? makedev(wanted.device_major, wanted.device_minor) : 0;
  return mknodat(place, name, format, number) == 0 ? 0 : errno;
}

Status GroupApplier::make_node(const Operation& operation) {
  const bool symlink = operation.kind == OperationKind::make_symlink;
  if (!symlink && format_of(operation.attributes.type) == 0)
    return {Code::invalid, "the type is none of FIFO, socket and device", path_of(operation).text()};
  if (symlink && (operation.target.empty() || operation.target.find('\0') != std::string::npos))
    return {Code::invalid, "no target that a symbolic link may have", path_of(operation).text()};
  const FileType type = symlink ? FileType::symlink : operation.attributes.type;
  const char* name = operation.name.c_str();
  int error = create_node(directory_.fd.get(), name, operation);
  if (error == 0) {
    Status status = dress_node(directory_.fd.get(), name, made_here_, inherits_acl(), operation);
    if (!status.ok())
      unlinkat(directory_.fd.get(), name, 0); // if that fails too, the next comparison finds it
    return status;
  }
  Status status = failed(error, symlink ? "symlink" : "mknod", operation);
  if (error == EEXIST)
    status = replace(operation, type, [&](int place, const char* temporary, Made& made, bool acl) -> Status {
      error = create_node(place, temporary, operation);
      return error == 0 ? dress_node(place, temporary, made, acl, operation)
                        : failed(error, symlink ? "symlink" : "mknod", operation);
    });
  if (error != EPERM || (type != FileType::character_device && type != FileType::block_device)) return status;
  // Not a failure: the replica is right but for the node, and what was there before must not stay in its
  // place.
  services_.losses.note(Losses::Kind::device, path_of(operation).text(),
                        "this process may not make device nodes");
  return replacer_->make_room(name);
}

/// Sets the attributes of a node that was just made, having looked that it is the one.
Status GroupApplier::dress_node(int place, const char* name, Made& made, bool inherits,
                                const Operation& operation) {
  const FileType type =
      operation.kind == OperationKind::make_symlink ? FileType::symlink : operation.attributes.type;
  const Fd node(services_.tree.open_entry(place, name, O_PATH));
  if (!node) return failed(errno, "opening a node just made", operation);
  struct stat status {};
  if (fstat(node.get(), &status) != 0) return failed(errno, "fstat of a node just made", operation);
  if (type_of_mode(status.st_mode) != type || status.st_nlink != 1)
    return {Code::stale, "something else took the place of a node just made", path_of(operation).text()};
  made = {true, status.st_uid, status.st_gid};
  Present present = present_of(status);
  present.fresh = true;
  present.inherits_acl = inherits;
  return services_.writer.write({node.get(), true, type}, present, operation.attributes, true, true,
                                path_of(operation));
}

// ---- attributes and links of what is there
// ----------------------------------------------------------------------

Status GroupApplier::set_attributes(const Operation& operation) {
  const Attributes& wanted = operation.attributes;
  const Fd entry(services_.tree.open_entry(directory_.fd.get(), operation.name.c_str(), O_PATH));
  if (!entry)
    return failed(errno == EXDEV ? EBUSY : errno, "opening an entry to set its attributes", operation);
  struct stat status {};
  if (fstat(entry.get(), &status) != 0) return failed(errno, "fstat", operation);
  const auto stale = [&](std::string what) {
    return Status(Code::stale, "attributes are not set, send the entry: " + what, path_of(operation).text());
  };
  const FileType type = type_of_mode(status.st_mode);
  if (type != wanted.type) return stale("it is of another type");
  if (type == FileType::regular && static_cast<std::uint64_t>(status.st_size) != wanted.size)
    return stale("it has " + std::to_string(status.st_size) + " bytes, expected " +
                 std::to_string(wanted.size));
  // A name that nobody here made may be a link to a file outside of the root (RULES.md 19).
  if (type != FileType::directory && status.st_nlink > 1 && status.st_nlink != wanted.links)
    return stale("it has " + std::to_string(status.st_nlink) + " links, expected " +
                 std::to_string(wanted.links));
  return services_.writer.write({entry.get(), true, type}, present_of(status), wanted, true, true,
                                path_of(operation));
}

Status GroupApplier::make_link(const Operation& operation) {
  if (!usable_path(operation.target, services_.case_sensitive) || operation.target.empty())
    return {Code::invalid, "no path that a link of the replica may have", operation.target};
  const std::size_t slash = operation.target.rfind('/');
  const bool nested = slash != std::string::npos;
  const std::string target_name = nested ? operation.target.substr(slash + 1) : operation.target;
  auto parent = services_.access.open_for_reading(nested ? operation.target.substr(0, slash) : std::string());
  if (!parent.ok()) return parent.status();
  const int from = parent->fd.get();
  struct stat target {};
  if (fstatat(from, target_name.c_str(), &target, AT_SYMLINK_NOFOLLOW) != 0)
    return failure(errno, "looking at the file to link to", operation.target);
  const auto cannot = [&](std::string why) {
    return Status(Code::stale, "no link is made, send the content: " + why, path_of(operation).text());
  };
  const FileType type = type_of_mode(target.st_mode);
  if (type == FileType::directory) return cannot(operation.target + " is a directory");
  const auto link_to = [&](int place, const char* name) {
    return linkat(from, target_name.c_str(), place, name, 0) == 0 ? 0 : errno;
  };
  const auto explain = [&](int error) {
    if (error == EXDEV) return cannot("the two names lie on different file systems or subvolumes");
    if (error == EMLINK) return cannot("the file has as many names as the file system allows");
    return failed(error, "link", operation);
  };
  const int error = link_to(directory_.fd.get(), operation.name.c_str());
  if (error == 0) return {};
  if (error != EEXIST) return explain(error);

  struct stat existing {};
  if (fstatat(directory_.fd.get(), operation.name.c_str(), &existing, AT_SYMLINK_NOFOLLOW) == 0 &&
      existing.st_dev == target.st_dev && existing.st_ino == target.st_ino) {
    changed_ = false;
    return {};
  }
  Temporary link;
  Status status =
      replace(operation, type, [&](int place, const char* temporary, Made&, bool) -> Status {
        link = {place, temporary};
        const int again = link_to(place, temporary);
        if (again == 0) return {};
        return again == EXDEV && !beside_ ? failed(EXDEV, "link", operation) : explain(again);
      });
  // Where the name became a link of the same file meanwhile, the rename did nothing and left the temporary
  // (rename(2)).
  if (status.ok()) unlinkat(link.place, link.name.c_str(), 0);
  return status;
}

} // namespace osync::sink_fs
