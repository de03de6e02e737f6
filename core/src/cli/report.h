// How paths, figures and reports look on standard output and in JSON.
// Pure; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
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
/// The reverse; empty where it is neither.
[[nodiscard]] std::string path_of_json(const nlohmann::json& path);

/// What monitoring has to say about the status of a running osync, in one line; empty: nothing. Worse is a peer that is
/// away, a failed path, held deletions, and a lag above `max_lag_ns`.
[[nodiscard]] std::string what_is_worse(const nlohmann::json& status, std::optional<std::int64_t> max_lag_ns);

/// One replica as the source sees it.
[[nodiscard]] nlohmann::json source_json(const std::string& replica, const engine::SourceStatus& status,
                                         const std::vector<engine::FailureReport>& failures, const std::string& waiting_for,
                                         const WatchQueueReport& queue);
[[nodiscard]] nlohmann::json sink_json(const std::string& replica, const engine::SinkCounters& counters, bool connected);

/// The same for people, from the JSON of a running osync.
[[nodiscard]] std::string status_text(const nlohmann::json& status);

/// `value` with `digits` digits after the point.
[[nodiscard]] std::string decimal(double value, int digits);

/// "12.3 MiB", "999 B".
[[nodiscard]] std::string size_text(double bytes);

/// The phase's name as in JSON.
[[nodiscard]] std::string phase_name(engine::SourceStatus::Phase phase);

} // namespace osync::cli
