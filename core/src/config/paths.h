// Where a pipeline keeps what is neither source nor replica: its state, and its control sockets.
//
// As root below /var/lib/osync and /run/osync, otherwise where the XDG base directory specification says. The
// functions that name directories are pure but for `environment`; make_private_directory is the one that
// makes them.
#pragma once

#include <string>
#include <string_view>

#include "config/environment.h"
#include "config/pipeline.h"
#include "osync/status.h"

namespace osync::config {

/// The longest path that a unix socket can be bound to: sun_path without its NUL (unix(7)).
inline constexpr std::size_t socket_path_bound = 107;

/// /var/lib/osync/NAME as root, else $XDG_STATE_HOME/osync/NAME, else ~/.local/state/osync/NAME. Relative XDG
/// paths are ignored, as the specification demands. Errors: invalid where no home is known.
[[nodiscard]] Result<std::string> default_state_directory(std::string_view pipeline,
                                                          const Environment& environment, bool root);

/// /run/osync/NAME as root, else $XDG_RUNTIME_DIR/osync/NAME, else `state_directory`/run.
[[nodiscard]] std::string default_runtime_directory(std::string_view pipeline, const Environment& environment,
                                                    bool root, const std::string& state_directory);

/// The role under which the sink of a replica serves: "sink", or "sink-NAME" where the pipeline has several.
[[nodiscard]] std::string sink_role(const Pipeline& pipeline, const std::string& replica);

/// The control socket of `role` ("source", "sink", "sink-NAME") in a runtime directory. Errors:
/// name_too_long.
[[nodiscard]] Result<std::string> control_socket(const std::string& runtime_directory, std::string_view role);

/// Makes `path` and what is missing above it; the last directory gets mode 0700. One that is there is
/// accepted only if it is a directory (no symlink) of this user that no other may write to; its mode is set
/// to 0700. Errors: denied, conflict, and those of mkdir(2).
[[nodiscard]] Status make_private_directory(const std::string& path);

/// Makes what is missing above a `socket` that the user named; its own directory gets mode 0700 where it is made
/// here. One that is there is left as it is: it may serve others too (/run, /tmp). Errors: those of mkdir(2).
[[nodiscard]] Status make_socket_directory(const std::string& socket);

} // namespace osync::config
