#include "cli/final_report.h"

#include <nlohmann/json.hpp>

#include "cli/report.h"

namespace osync::cli {

using nlohmann::json;

json source_report(const std::string& replica, const engine::SourceStatus& status, double seconds) {
  return {{"side", "source"},
          {"replica", replica},
          {"entries", status.entries_sent},
          {"bytes", status.bytes_sent},
          {"removals", status.removals_sent},
          {"compared", status.entries_compared},
          {"failures", status.failures},
          {"held_deletions", status.held_deletions},
          {"possibly_torn", status.possibly_torn},
          {"lag_ms", std::chrono::duration<double, std::milli>(status.lag).count()},
          {"first_pass_done", status.initial_pass_done},
          {"seconds", seconds}};
}

json sink_report(const std::string& replica, const engine::SinkCounters& counters, double seconds) {
  return {{"side", "sink"},
          {"replica", replica},
          {"entries", counters.entries},
          {"bytes", counters.bytes},
          {"removals", counters.removals},
          {"compared", counters.entries_compared},
          {"failures", counters.operations_failed},
          {"possibly_torn", counters.possibly_torn},
          {"seconds", seconds}};
}

std::string sink_progress_text(const json& report, bool connected) {
  const auto count = [&](const char* key) { return report.value(key, std::uint64_t{0}); };
  return std::string(connected ? "connected" : "waiting for the source") + ": " + std::to_string(count("entries")) +
         " entries changed, " + size_text(static_cast<double>(count("bytes"))) + ", " +
         std::to_string(count("removals")) + " removals, " + std::to_string(count("compared")) + " compared, " +
         std::to_string(count("failures")) + " operations failed";
}

std::string report_text(const json& report) {
  const auto count = [&](const char* key) { return report.value(key, std::uint64_t{0}); };
  const auto number = [&](const char* key) { return std::to_string(count(key)); };
  const bool source = report.value("side", "") == "source";
  std::string text = "final report of the " + report.value("side", "") + " (replica " + report.value("replica", "") +
                     "): " + number("entries") + (source ? " entries sent, " : " entries changed, ") +
                     size_text(static_cast<double>(count("bytes"))) + ", " + number("removals") + " removals, " +
                     number("compared") + " compared, " + number("failures") + (source ? " paths" : " operations") +
                     " failed, " + number("possibly_torn") + " possibly torn";
  if (count("held_deletions") > 0) text += ", " + number("held_deletions") + " deletions held";
  if (source) {
    text += ", lag " + decimal(report.value("lag_ms", 0.0) / 1000, 3) + " s";
    if (!report.value("first_pass_done", true)) text += ", the first pass is not complete";
  }
  return text + ", in " + decimal(report.value("seconds", 0.0), 1) + " s";
}

} // namespace osync::cli
