// The command line of osync: parses it, and calls the command.
// Thread: main.
#pragma once

namespace osync::cli {

/// Returns the process's exit code. Does not throw.
int run_application(int argument_count, char** arguments) noexcept;

} // namespace osync::cli
