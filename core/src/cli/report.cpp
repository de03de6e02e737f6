#include "cli/report.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/escape.h"

namespace osync::cli {
namespace {

using nlohmann::json;

double milliseconds(engine::Time time) { return std::chrono::duration<double, std::milli>(time).count(); }

std::string shown_path(const json& path) { return escape_path(path_of_json(path)); }

std::uint64_t held_deletions(const json& status) {
  std::uint64_t held = 0;
  for (const json& replica : status.value("replicas", json::array()))
    held += replica.value("progress", json::object()).value("held_deletions", 0ull);
  return held;
}

} // namespace

std::string decimal(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

void print_failure(std::ostream& out, const engine::FailureReport& failure, bool raw) {
  if (raw) out << failure.path << '\0';
  else out << "failed: " << escape_path(failure.path.empty() ? "." : failure.path) << ": " << escape_path(failure.message) << '\n';
}

json path_json(const std::string& path) {
  if (is_utf8(path)) return path;
  return {{"bytes", base64(path)}};
}

std::string path_of_json(const json& path) {
  if (path.is_string()) return path.get<std::string>();
  return path.is_object() ? from_base64(path.value("bytes", "")) : std::string();
}

std::string what_is_worse(const json& status, std::optional<std::int64_t> max_lag_ns) {
  std::string worse;
  const auto add = [&](bool is_so, const std::string& text) {
    if (is_so) worse += (worse.empty() ? "" : "; ") + text;
  };
  const bool sink = status.value("role", "") == "sink";
  const double lag_ms = status.value("lag_ms", 0.0);
  const std::uint64_t failures = status.value("failures", 0ull);
  const std::uint64_t held = held_deletions(status);
  add(!status.value("connected", false), sink ? "the source is not connected" : "the sink is not connected");
  add(failures > 0, std::to_string(failures) + (failures == 1 ? " path" : " paths") + " failed");
  add(held > 0, std::to_string(held) + " deletions are held (osync resume --accept-deletions)");
  add(max_lag_ns && lag_ms * 1e6 > static_cast<double>(*max_lag_ns), "the lag is " + decimal(lag_ms / 1000, 3) + " s");
  return worse;
}

std::string phase_name(engine::SourceStatus::Phase phase) {
  using Phase = engine::SourceStatus::Phase;
  switch (phase) {
  case Phase::waiting: return "waiting for the sink";
  case Phase::transferring: return "transferring";
  case Phase::paused: return "paused";
  case Phase::stopping: return "stopping";
  case Phase::ended: return "ended";
  }
  return "unknown";
}

json source_json(const std::string& replica, const engine::SourceStatus& status,
                 const std::vector<engine::FailureReport>& failures, const std::string& waiting_for,
                 const WatchQueueReport& queue) {
  constexpr std::size_t listed_bound = 1000;
  json listed = json::array();
  for (const engine::FailureReport& failure : failures) {
    if (listed.size() == listed_bound) break;
    listed.push_back({{"path", path_json(failure.path)},
                      {"code", code_name(failure.code)},
                      {"message", escape_path(failure.message)},
                      {"attempts", failure.attempts}});
  }
  json mounts = json::array();
  for (const std::string& path : status.mounts_skipped) mounts.push_back(path_json(path));
  return {{"replica", replica},
          {"phase", phase_name(status.phase)},
          {"connected", status.connected},
          {"initial_pass_done", status.initial_pass_done},
          {"waiting_for", waiting_for},
          {"lag_ms", milliseconds(status.lag)},
          {"progress",
           {{"entries_sent", status.entries_sent},
            {"removals_sent", status.removals_sent},
            {"moves_sent", status.moves_sent},
            {"bytes_sent", status.bytes_sent},
            {"entries_compared", status.entries_compared},
            {"directories_scanned", status.directories_scanned},
            {"directories_known", status.directories_known},
            {"directories_polled", status.directories_polled},
            {"live_pending", status.live_pending},
            {"backlog_pending", status.backlog_pending},
            {"sequence", status.sequence},
            {"applied", status.applied},
            {"durable", status.durable},
            {"in_flight_bytes", status.in_flight_bytes},
            {"window_bytes", status.window},
            {"delivery_rate", status.delivery_rate},
            {"events", status.events},
            {"rescans", status.rescans},
            {"possibly_torn", status.possibly_torn},
            {"held_deletions", status.held_deletions}}},
          {"queue_report",
           {{"queued_bytes", queue.queued_bytes},
            {"capacity_events", queue.capacity_events},
            {"events", queue.events},
            {"overflows", queue.overflows},
            {"watches", queue.watches},
            {"watch_limit", queue.watch_limit}}},
          {"transfer_report",
           {{"entries_applied", status.transfer_report.entries_applied},
            {"bytes_applied", status.transfer_report.bytes_applied},
            {"operations_failed", status.transfer_report.operations_failed},
            {"applied", status.transfer_report.applied},
            {"durable", status.transfer_report.durable}}},
          {"mounts_skipped", std::move(mounts)},
          {"failures", status.failures},
          {"failed_paths", std::move(listed)}};
}

json sink_json(const std::string& replica, const engine::SinkCounters& counters, bool connected) {
  return {{"replica", replica},
          {"connected", connected},
          {"sessions", counters.sessions},
          {"operations", counters.operations},
          {"entries_changed", counters.entries},
          {"bytes_applied", counters.bytes},
          {"entries_compared", counters.entries_compared},
          {"operations_failed", counters.operations_failed},
          {"syncs", counters.syncs},
          {"received", counters.received},
          {"applied", counters.applied},
          {"durable", counters.durable},
          {"items_waiting", counters.items_waiting},
          {"jobs_running", counters.jobs_running}};
}

std::string size_text(double bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(units)) {
    bytes /= 1024;
    ++unit;
  }
  return decimal(bytes, unit == 0 ? 0 : 1) + " " + units[unit];
}

std::string status_text(const json& status) {
  std::string text = "pipeline " + status.value("pipeline", "") + " (" + status.value("role", "") + ")\n";
  for (const json& replica : status.value("sinks", json::array()))
    text += "  sink " + replica.value("replica", "") + ": " + (replica.value("connected", false) ? "connected" : "not connected") +
            ", " + std::to_string(replica.value("entries_changed", 0ull)) + " entries changed, " +
            size_text(static_cast<double>(replica.value("bytes_applied", 0ull))) + ", " +
            std::to_string(replica.value("operations_failed", 0ull)) + " failed\n";
  for (const json& replica : status.value("replicas", json::array())) {
    const json progress = replica.value("progress", json::object());
    const json queue = replica.value("queue_report", json::object());
    const json report = replica.value("transfer_report", json::object());
    const auto number = [](const json& object, const char* key) { return std::to_string(object.value(key, 0ull)); };
    text += "  replica " + replica.value("replica", "") + "\n";
    text += "    phase:    " + replica.value("phase", "") +
            (replica.value("initial_pass_done", false) ? ", the backlog is done\n" : ", the first pass is under way\n");
    if (const std::string why = replica.value("waiting_for", ""); !why.empty()) text += "    waits for: " + why + "\n";
    text += "    lag:      " + decimal(replica.value("lag_ms", 0.0) / 1000, 3) + " s\n";
    text += "    progress: " + number(progress, "entries_sent") + " entries sent, " + number(progress, "removals_sent") +
            " removed, " + size_text(static_cast<double>(progress.value("bytes_sent", 0ull))) + ", " +
            number(progress, "entries_compared") + " compared; live queue " + number(progress, "live_pending") +
            ", backlog " + number(progress, "backlog_pending") + "\n";
    text += "    transfer report: applied " + number(report, "entries_applied") + " entries, " +
            size_text(static_cast<double>(report.value("bytes_applied", 0ull))) + ", failed " +
            number(report, "operations_failed") + "\n";
    text += "    queue report: " + number(queue, "queued_bytes") + " bytes queued, " + number(queue, "events") +
            " events, " + number(queue, "overflows") + " overflows, " + number(queue, "watches") + " of " +
            number(queue, "watch_limit") + " watches\n";
    if (const auto held = progress.value("held_deletions", 0ull); held > 0)
      text += "    held:     " + std::to_string(held) + " deletions (osync resume --accept-deletions)\n";
    for (const json& mount : replica.value("mounts_skipped", json::array())) text += "    skipped mount: " + shown_path(mount) + "\n";
    text += "    failures: " + number(replica, "failures") + "\n";
    for (const json& failure : replica.value("failed_paths", json::array()))
      text += "      " + shown_path(failure["path"]) + ": " + failure.value("message", "") + "\n";
  }
  return text;
}

} // namespace osync::cli
