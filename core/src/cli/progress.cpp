#include "cli/progress.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/report.h"

namespace osync::cli {
namespace {

using engine::SourceStatus;


double lag_seconds(const SourceStatus& status) { return std::chrono::duration<double>(status.lag).count(); }

bool backlog_is_done(const SourceStatus& status) { return status.initial_pass_done && status.backlog_pending == 0; }

std::string time_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::ceil(seconds));
  if (whole < 120) return std::to_string(whole) + " s";
  if (whole < 7200) return std::to_string(whole / 60) + " min";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

std::string backlog_text(const SourceStatus& status, std::optional<double> left) {
  if (backlog_is_done(status)) return "done";
  // How much it is, is known only of directories that were seen.
  return std::to_string(status.backlog_pending) + "+ (" + std::to_string(status.directories_scanned) + " of " +
         std::to_string(status.directories_known) + (left ? "" : "+") + " directories), ETA " +
         (left ? time_text(*left) : "not known yet");
}

} // namespace

void ProgressMeter::add(const SourceStatus& status, std::uint64_t watches, double seconds) {
  samples_.push_back({status, watches, seconds});
  if (samples_.size() > samples_bound) samples_.pop_front();
}

double ProgressMeter::rate(std::uint64_t SourceStatus::* figure) const {
  if (samples_.size() < 2) return 0;
  const Sample& first = samples_.front();
  const Sample& last = samples_.back();
  const double seconds = last.seconds - first.seconds;
  return seconds > 0 ? static_cast<double>(last.status.*figure - first.status.*figure) / seconds : 0;
}

std::optional<double> ProgressMeter::seconds_left() const {
  if (samples_.size() < 2) return std::nullopt;
  const SourceStatus& now = samples_.back().status;
  const SourceStatus& before = samples_[samples_.size() - 2].status;
  if (backlog_is_done(now)) return 0;
  const double directories = rate(&SourceStatus::directories_scanned);
  const bool all_known = samples_.back().watches >= now.directories_known && now.directories_known == before.directories_known;
  if (!all_known || directories <= 0 || now.directories_scanned >= now.directories_known) return std::nullopt;
  return static_cast<double>(now.directories_known - now.directories_scanned) / directories;
}

std::string ProgressMeter::line() const {
  if (samples_.empty()) return {};
  const SourceStatus& now = samples_.back().status;
  std::string line = phase_name(now.phase) + ": " + std::to_string(now.entries_sent) + " files sent (" +
                     decimal(rate(&SourceStatus::entries_sent), 0) + "/s), " +
                     size_text(static_cast<double>(now.bytes_sent)) + " (" + size_text(rate(&SourceStatus::bytes_sent)) +
                     "/s), " + std::to_string(now.entries_compared) + " compared, live queue " +
                     std::to_string(now.live_pending) + ", backlog " + backlog_text(now, seconds_left()) + ", lag " +
                     decimal(lag_seconds(now), 1) + " s";
  if (now.failures > 0) line += ", " + std::to_string(now.failures) + " failed";
  if (now.held_deletions > 0) line += ", " + std::to_string(now.held_deletions) + " deletions held";
  return line;
}

nlohmann::json ProgressMeter::json() const {
  if (samples_.empty()) return nlohmann::json::object();
  const SourceStatus& now = samples_.back().status;
  nlohmann::json object = {{"phase", phase_name(now.phase)},
                           {"entries_sent", now.entries_sent},
                           {"entries_per_second", rate(&SourceStatus::entries_sent)},
                           {"bytes_sent", now.bytes_sent},
                           {"bytes_per_second", rate(&SourceStatus::bytes_sent)},
                           {"entries_compared", now.entries_compared},
                           {"live_pending", now.live_pending},
                           {"backlog_pending", now.backlog_pending},
                           {"backlog_done", backlog_is_done(now)},
                           {"directories_scanned", now.directories_scanned},
                           {"directories_known", now.directories_known},
                           {"lag_ms", lag_seconds(now) * 1000},
                           {"failures", now.failures},
                           {"held_deletions", now.held_deletions}};
  if (const std::optional<double> left = seconds_left()) object["seconds_left"] = *left;
  return object;
}

} // namespace osync::cli
