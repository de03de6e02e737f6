#include "config/paths.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace osync::config {
namespace {

/// An absolute path from the environment; unset, empty and relative ones count as absent.
std::optional<std::string> directory_from(const Environment& environment, const std::string& name) {
  std::optional<std::string> value = environment(name);
  if (!value || !value->starts_with('/')) return std::nullopt;
  return value;
}

std::string below(const std::string& base, std::string_view pipeline) {
  return base + "/osync/" + std::string(pipeline);
}

Status make_parents(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST)
      return Status::from_errno(errno, "mkdir (directory for state or control sockets)", parent);
  }
  return {};
}

} // namespace

Result<std::string> default_state_directory(std::string_view pipeline, const Environment& environment,
                                            bool root) {
  if (root) return below("/var/lib", pipeline);
  if (const auto state = directory_from(environment, "XDG_STATE_HOME")) return below(*state, pipeline);
  if (const auto home = directory_from(environment, "HOME")) return below(*home + "/.local/state", pipeline);
  return Status(Code::invalid,
                "neither XDG_STATE_HOME nor HOME names an absolute directory: give --state-dir");
}

std::string default_runtime_directory(std::string_view pipeline, const Environment& environment, bool root,
                                      const std::string& state_directory) {
  if (root) return below("/run", pipeline);
  if (const auto runtime = directory_from(environment, "XDG_RUNTIME_DIR")) return below(*runtime, pipeline);
  return state_directory + "/run";
}

std::string sink_role(const Pipeline& pipeline, const std::string& replica) {
  return pipeline.replicas.size() == 1 ? "sink" : "sink-" + replica;
}

Result<std::string> control_socket(const std::string& runtime_directory, std::string_view role) {
  std::string path = runtime_directory + "/" + std::string(role) + ".sock";
  if (path.size() <= socket_path_bound) return path;
  return Status(Code::name_too_long,
                "the control socket's path has " + std::to_string(path.size()) + " bytes, expected at most " +
                    std::to_string(socket_path_bound) +
                    " (unix(7)): write a shorter one as control: {socket: PATH}",
                std::move(path));
}

Status make_socket_directory(const std::string& socket) {
  const std::size_t slash = socket.rfind('/');
  if (slash == std::string::npos || slash == 0) return {};
  const std::string directory = socket.substr(0, slash);
  if (Status status = make_parents(directory); !status.ok()) return status;
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return Status::from_errno(errno, "mkdir (directory of a control socket)", directory);
  return {}; // what else is wrong with a directory that is there, bind(2) says
}

Status make_private_directory(const std::string& path) {
  if (Status status = make_parents(path); !status.ok()) return status;
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return Status::from_errno(errno, "mkdir (directory for state or control sockets)", path);
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return Status::from_errno(errno, "open (directory for state or control sockets)", path);
  struct stat found {};
  Status status;
  if (fstat(descriptor, &found) != 0) {
    status = Status::from_errno(errno, "fstat (directory for state or control sockets)", path);
  } else if (found.st_uid != geteuid()) {
    status = Status(Code::denied,
                    "the directory belongs to user " + std::to_string(found.st_uid) + ", expected user " +
                        std::to_string(geteuid()),
                    path);
  } else if ((found.st_mode & 022) != 0) {
    // Somebody else may already have put things there; changing the mode now would not make them go away.
    status = Status(Code::conflict,
                    "other users may write to the directory: look what is in it, then chmod 700", path);
  } else if ((found.st_mode & 07777) != 0700 && fchmod(descriptor, 0700) != 0) {
    status = Status::from_errno(errno, "fchmod (directory for state or control sockets)", path);
  }
  close(descriptor);
  return status;
}

} // namespace osync::config
