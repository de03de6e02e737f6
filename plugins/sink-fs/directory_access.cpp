#include "directory_access.h"

#include <fcntl.h>

#include <cerrno>
#include <string>

#include "errors.h"

namespace osync::sink_fs {

Result<DirectoryInUse> DirectoryAccess::open_for_change(std::string_view path) const {
  auto opened = tree_.open_directory(tree_.root(), path, O_RDONLY);
  if (!opened.ok()) {
    if (opened.status().sys_errno() == EACCES && !privileges_.override_permissions)
      return open_widening(path);
    return opened.status();
  }
  DirectoryInUse use;
  use.fd = std::move(opened).value();
  auto stay = active_.enter(use.fd.get());
  if (!stay.ok()) return stay.status();
  use.stay = std::move(stay).value();
  return use;
}

Result<DirectoryInUse> DirectoryAccess::open_for_reading(std::string_view path) const {
  if (!privileges_.override_permissions) return open_for_change(path); // readable is not yet searchable
  auto opened = tree_.open_directory(tree_.root(), path, O_RDONLY);
  if (!opened.ok()) return opened.status();
  DirectoryInUse use;
  use.fd = std::move(opened).value();
  return use;
}

/// Component by component, widening what forbids the next step.
Result<DirectoryInUse> DirectoryAccess::open_widening(std::string_view path) const {
  const std::string whole(path);
  const auto refuse = [&](int error) { return failure(error, "opening a directory of the replica", whole); };
  DirectoryInUse use;
  DirectoryInUse::Widened current;
  current.fd.reset(openat(tree_.root(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!current.fd) { // the root itself forbids to be searched
    current.fd.reset(fcntl(tree_.root(), F_DUPFD_CLOEXEC, 0));
    if (!current.fd) return refuse(errno);
  }
  const auto widen = [&]() -> Status {
    auto stay = active_.enter(current.fd.get());
    if (stay.ok()) current.stay = std::move(stay).value();
    return stay.status();
  };
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string component(path.substr(0, slash));
    Fd next(tree_.open_entry(current.fd.get(), component.c_str(), O_PATH | O_DIRECTORY));
    if (!next && errno == EACCES && !current.stay.active()) {
      if (Status status = widen(); !status.ok()) return status;
      next.reset(tree_.open_entry(current.fd.get(), component.c_str(), O_PATH | O_DIRECTORY));
    }
    if (!next) return refuse(errno);
    if (current.stay.active()) use.ancestors.push_back(std::move(current));
    current = {};
    current.fd = std::move(next);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  // Widened through the O_PATH descriptor, kept so by a stay of the real one: times are set through that.
  if (Status status = widen(); !status.ok()) return status;
  use.fd.reset(openat(current.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!use.fd) return refuse(errno);
  auto stay = active_.enter(use.fd.get());
  if (!stay.ok()) return stay.status();
  use.stay = std::move(stay).value();
  return use;
}

} // namespace osync::sink_fs
