#include "replacer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "attributes.h"
#include "names.h"

namespace osync::sink_fs {

namespace {

/// "seconds-number-name", cut to what a file system takes.
std::string kept_name(const std::string& unique, const char* name) {
  std::string text = std::to_string(std::time(nullptr)) + "-" + unique.substr(unique.size() - 6) + "-" + name;
  if (text.size() > 255) text.resize(255);
  return text;
}

} // namespace

Status Replacer::failed(int error, std::string_view what, const char* name) const {
  return failure(error, what, join(path_, name));
}

Status Replacer::refuse_mounts(const char* name) {
  std::string path = join(path_, name);
  if (!services_.mounts.holds_mount(path)) return {};
  return {Code::conflict,
          "a mount point lies at or below it, and the sink deletes nothing there; unmount it, or leave it "
          "out of the "
          "source",
          std::move(path)};
}

int Replacer::keep(int place, const char* temporary, const char* name) {
  const std::string there = kept_name(services_.area.unique_name(), name);
  return renameat(place, temporary, services_.area.kept(), there.c_str()) == 0 ? 0 : errno;
}

Status Replacer::publish(int place, const char* temporary, const char* name, FileType type) {
  if (services_.keep_replaced || type == FileType::directory) return displace(place, temporary, name, type);
  if (renameat(place, temporary, directory_, name) == 0) return {};
  if (errno == EISDIR || errno == EEXIST || errno == ENOTEMPTY) return displace(place, temporary, name, type);
  return failed(errno, "renaming the new entry to its name", name);
}

Status Replacer::displace(int place, const char* temporary, const char* name, FileType type) {
  struct stat old {};
  const bool absent = fstatat(directory_, name, &old, AT_SYMLINK_NOFOLLOW) != 0;
  if (absent && errno != ENOENT) return failed(errno, "looking at what is to be replaced", name);
  const FileType old_type = absent ? FileType::unknown : type_of_mode(old.st_mode);
  if (absent || (old_type == type && type != FileType::directory))
    return renameat(place, temporary, directory_, name) == 0
               ? Status()
               : failed(errno, "renaming the new entry to its name", name);
  if (old_type == FileType::directory)
    if (Status status = refuse_mounts(name); !status.ok()) return status;

  int error = renameat2(place, temporary, directory_, name, RENAME_EXCHANGE) == 0 ? 0 : errno;
  if (error == EACCES && old_type == FileType::directory &&
      make_movable(services_.tree, services_.privileges, directory_, name) == 0)
    error = renameat2(place, temporary, directory_, name, RENAME_EXCHANGE) == 0 ? 0 : errno;
  if (error == EINVAL || error == ENOSYS) return displace_in_two_steps(place, temporary, name, old_type);
  if (error != 0) return failed(error, "exchanging the new entry with the old one", name);
  if (!services_.keep_replaced) return dispose(place, temporary, name, old_type);
  error = keep(place, temporary, name);
  if (error == 0) return {};
  if (renameat2(place, temporary, directory_, name, RENAME_EXCHANGE) != 0)
    return failed(errno, "putting the old entry back, which could not be kept", name);
  return {Code::unsupported,
          std::string("the old entry cannot be moved to .osync/kept (") + std::strerror(error) +
              "), as keep_replaced demands; move it away by hand",
          join(path_, name)};
}

/// For file systems without RENAME_EXCHANGE: for an instant the name is absent.
Status Replacer::displace_in_two_steps(int place, const char* temporary, const char* name,
                                       FileType old_type) {
  const std::string prefix(is_beside_name(temporary) ? beside_prefix : std::string_view());
  const std::string aside = prefix + services_.area.unique_name();
  if (renameat(directory_, name, place, aside.c_str()) != 0)
    return failed(errno, "moving the old entry aside", name);
  if (renameat(place, temporary, directory_, name) != 0) {
    const int error = errno;
    if (renameat(place, aside.c_str(), directory_, name) != 0)
      services_.logger.error("the old entry of " + join(path_, name) + " is left in .osync/stage/" + aside +
                             ": " + std::strerror(errno));
    return failed(error, "renaming the new entry to its name", name);
  }
  if (services_.keep_replaced) {
    const int error = keep(place, aside.c_str(), name);
    return error == 0 ? Status() : failed(error, "moving the old entry to .osync/kept", name);
  }
  return dispose(place, aside.c_str(), name, old_type);
}

/// Deletes what stood in the way. The new entry stands already: what cannot be deleted is said and cleaned up
/// later.
Status Replacer::dispose(int place, const char* temporary, const char* name, FileType old_type) {
  int error = 0;
  if (old_type != FileType::directory) {
    error = unlinkat(place, temporary, 0) == 0 ? 0 : errno;
  } else {
    error = services_.limbo.take(place, temporary);
    if (error == EXDEV) error = services_.limbo.remove_tree(place, temporary);
  }
  if (error != 0)
    services_.logger.warning("what " + join(path_, name) +
                             " replaced cannot be deleted yet: " + std::strerror(error));
  return {};
}

Status Replacer::remove_directory(const char* name, std::uint64_t number) {
  if (number != 0) {
    if (Status status = refuse_mounts(name); !status.ok()) return status;
    const int error = services_.limbo.put_aside(directory_, name, number);
    if (error == 0 || error == ENOENT) return {};
    if (error != EXDEV && !lacks_space(error)) return failed(error, "putting a directory aside", name);
  }
  if (unlinkat(directory_, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  if (errno != ENOTEMPTY && errno != EEXIST) return failed(errno, "rmdir", name);
  if (Status status = refuse_mounts(name); !status.ok()) return status;
  int error = services_.limbo.take(directory_, name);
  // On a full disk there may be no space for its name in the limbo, and removing is what makes some.
  if (error == EXDEV || lacks_space(error)) error = services_.limbo.remove_tree(directory_, name);
  return error == 0 || error == ENOENT ? Status() : failed(error, "removing a directory", name);
}

Status Replacer::remove(const char* name, bool& changed, std::uint64_t number) {
  changed = true;
  if (unlinkat(directory_, name, 0) == 0) return {};
  const int error = errno;
  if (error == ENOENT) {
    changed = false;
    return {};
  }
  struct stat status {};
  const bool directory =
      error == EISDIR || (error == EPERM && fstatat(directory_, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                          S_ISDIR(status.st_mode));
  return directory ? remove_directory(name, number) : failed(error, "unlink", name);
}

Status Replacer::make_room(const char* name) {
  bool changed = false;
  if (!services_.keep_replaced) return remove(name, changed);
  if (Status status = refuse_mounts(name); !status.ok()) return status;
  const int error = keep(directory_, name, name);
  return error == 0 || error == ENOENT ? Status()
                                       : failed(error, "moving the old entry to .osync/kept", name);
}

} // namespace osync::sink_fs
