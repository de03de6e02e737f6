// GroupApplier: moving a directory of the replica, with all that is below it, by one rename.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "group_applier.h"
#include "names.h"

namespace osync::sink_fs {

namespace {

struct Split {
  std::string parent;
  std::string name;
};

Split split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {{}, path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

} // namespace

/// The directory that holds what is to be moved, and its name there.
Result<GroupApplier::Origin> GroupApplier::find_origin(const Operation& operation) {
  if (!usable_path(operation.target, services_.case_sensitive))
    return Status(Code::invalid, "no path that a replica may have", operation.target);
  Origin origin;
  if (operation.stage == 0) {
    Split from = split(operation.target);
    auto opened = services_.access.open_for_change(from.parent);
    if (!opened.ok()) return opened.status();
    origin.in_use = std::move(opened).value();
    origin.in_use.stay.will_change(); // its mtime is put back: the source sends what it is to be
    origin.parent = origin.in_use.fd.get();
    origin.name = std::move(from.name);
    return origin;
  }
  const std::string kept = services_.replacing.limbo.name_of(operation.stage);
  if (kept.empty())
    return Status(Code::not_found, "no directory was put aside under number " + std::to_string(operation.stage));
  origin.parent = services_.replacing.area.limbo();
  origin.name = kept;
  if (operation.target.empty()) return origin;
  Split from = split(operation.target);
  const std::string path = from.parent.empty() ? kept : kept + "/" + from.parent;
  auto opened = services_.tree.open_directory(origin.parent, path, O_RDONLY);
  if (!opened.ok()) return opened.status();
  origin.in_use.fd = std::move(opened).value();
  origin.parent = origin.in_use.fd.get();
  origin.name = std::move(from.name);
  return origin;
}

/// 0 or an errno. What has the name makes room first.
int GroupApplier::rename_here(const Origin& origin, const char* name, Status& room) {
  const int here = directory_.fd.get();
  const auto move = [&] {
    if (renameat2(origin.parent, origin.name.c_str(), here, name, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    struct stat status {}; // a file system without RENAME_NOREPLACE; this process is the only writer
    if (fstatat(here, name, &status, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
    return renameat(origin.parent, origin.name.c_str(), here, name) == 0 ? 0 : errno;
  };
  int error = move();
  if (error == EEXIST) {
    room = replacer_->make_room(name);
    if (!room.ok()) return EEXIST;
    error = move();
  }
  if (error != EACCES) return error;
  const Privileges& privileges = services_.replacing.privileges;
  if (make_movable(services_.tree, privileges, origin.parent, origin.name.c_str()) != 0) return EACCES;
  return move();
}

Status GroupApplier::move_directory(const Operation& operation) {
  auto origin = find_origin(operation);
  if (!origin.ok()) return origin.status();
  struct stat status {};
  if (fstatat(origin->parent, origin->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return failed(errno, "looking at a directory that is to be moved", operation);
  if (!S_ISDIR(status.st_mode))
    return {Code::not_found, "what is to be moved is no directory", operation.target};
  Status room;
  const int error = rename_here(origin.value(), operation.name.c_str(), room);
  if (!room.ok()) return room;
  if (error == EXDEV) // another subvolume or quota project: the source sends it
    return {Code::not_found, "cannot be moved by a rename, it crosses file systems", operation.target};
  if (error != 0) return failed(error, "moving a directory", operation);
  if (operation.stage != 0 && operation.target.empty()) services_.replacing.limbo.taken_back(operation.stage);
  Fd moved(services_.tree.open_entry(directory_.fd.get(), operation.name.c_str(), O_PATH | O_DIRECTORY));
  if (!moved) return failed(errno, "opening a directory just moved", operation);
  return set_existing_directory(std::move(moved), operation);
}

} // namespace osync::sink_fs
