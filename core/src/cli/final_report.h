// What each side says of a run when it is over: entries, bytes, removals, failures, and how long it took.
// Pure; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/sink_engine.h"
#include "engine/source_engine.h"

namespace osync::cli {

/// The source's report on one replica, `seconds` after the start.
[[nodiscard]] nlohmann::json source_report(const std::string& replica, const engine::SourceStatus& status, double seconds);

/// The sink's. A lag is the source's to tell.
[[nodiscard]] nlohmann::json sink_report(const std::string& replica, const engine::SinkCounters& counters, double seconds);

/// The sink's figures while it runs, as one line.
[[nodiscard]] std::string sink_progress_text(const nlohmann::json& report, bool connected);

/// Either of them as one line for people.
[[nodiscard]] std::string report_text(const nlohmann::json& report);

} // namespace osync::cli
