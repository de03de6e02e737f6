// The figures of a run, as text.
#pragma once

#include "stress/writer.h"

#include <chrono>
#include <string>

namespace osync::stress {

[[nodiscard]] std::string operation_figures(const Counts& counts);

/// What osync counted, from `status --json`, and what of it was sent beyond the bytes that the tree holds
/// now.
[[nodiscard]] std::string osync_figures(const std::string& status, const std::string& source,
                                        std::chrono::milliseconds flush);

/// Failed paths that osync reports though it says that all is done; empty when none.
[[nodiscard]] std::string reported_failures(const std::string& status);

} // namespace osync::stress
