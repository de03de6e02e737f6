// How paths, figures and reports look on standard output and in JSON.
// Pure; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <string>

#include "engine/sink_engine.h"
#include "engine/source_engine.h"
#include "osync/watcher.h"

namespace osync::cli {

/// "failed: PATH: MESSAGE", the path escaped; with `raw`, only the path, as it is, ended by NUL.
void print_failure(std::ostream& out, const engine::FailureReport& failure, bool raw);

/// A path in JSON: a string, or {"bytes": BASE64} where it is no UTF-8.
[[nodiscard]] nlohmann::json path_json(const std::string& path);

/// One replica as the source sees it.
[[nodiscard]] nlohmann::json source_json(const std::string& replica, const engine::SourceStatus& status,
                                         const std::vector<engine::FailureReport>& failures, const std::string& waiting_for,
                                         const WatchQueueReport& queue);
[[nodiscard]] nlohmann::json sink_json(const std::string& replica, const engine::SinkCounters& counters, bool connected);

/// The same for people, from the JSON of a running osync.
[[nodiscard]] std::string status_text(const nlohmann::json& status);

/// One line for `--progress`: files, bytes, rate, queues, lag. `seconds` since the figures in `before` were taken.
[[nodiscard]] std::string progress_line(const engine::SourceStatus& before, const engine::SourceStatus& now, double seconds);

/// "12.3 MiB", "999 B".
[[nodiscard]] std::string size_text(double bytes);

/// The phase's name as in JSON.
[[nodiscard]] std::string phase_name(engine::SourceStatus::Phase phase);

} // namespace osync::cli
