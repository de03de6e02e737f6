// The exit codes of the command (INTERFACE.md).
#pragma once

namespace osync::cli {

inline constexpr int exit_done = 0;
inline constexpr int exit_failures = 1;  ///< finished with failed paths or differences
inline constexpr int exit_usage = 2;     ///< wrong use or configuration
inline constexpr int exit_refused = 3;   ///< for safety
inline constexpr int exit_peer = 4;      ///< peer refused or lost for good
inline constexpr int exit_nobody = 5;    ///< not running
inline constexpr int exit_timeout = 6;
inline constexpr int exit_killed = 130;  ///< a second SIGINT, or stop --now

} // namespace osync::cli
