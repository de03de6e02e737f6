// One run: a tree, osync, writers, flush, comparison, report.
#pragma once

#include "stress/settings.h"

#include <atomic>
#include <string>

namespace osync::stress {

/// Set by a signal: the run ends early, cleans up, and counts as failed.
extern std::atomic<bool> interrupted;

struct Outcome {
  bool equal = false;
  std::string figures; ///< operations by kind, what osync counted
  std::string failure; ///< what differs and what else is wrong; empty when equal
};

/// Never throws. Logs of a failed run are written below `output`; `failure` names them.
[[nodiscard]] Outcome run(const Settings& settings, const std::string& output);

} // namespace osync::stress
