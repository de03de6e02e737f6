// Runs a pipeline, or one side of it, until it ends: `mirror`, `run`, `source` and `sink`.
// Thread: the main thread, with no other threads started yet (signals are blocked here for all).
#pragma once

#include <ostream>
#include <string>

#include "cli/run_options.h"
#include "config/pipeline.h"

namespace osync::cli {

enum class Sides : std::uint8_t { both, source, sink };

/// `replica`: which replica's sink to run; empty: all of them (both), or the only one (sink). Returns the exit code.
int run_pipeline(const config::Pipeline& pipeline, Sides sides, const std::string& replica, const RunOptions& options,
                 std::ostream& out, std::ostream& err);

} // namespace osync::cli
