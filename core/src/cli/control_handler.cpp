#include "cli/control_handler.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/exit_codes.h"
#include "cli/report.h"
#include "engine/compare.h"

namespace osync::cli {
namespace {

using nlohmann::json;

std::string reply(int exit, const std::string& message = {}) {
  json object = {{"exit", exit}};
  if (!message.empty()) object["message"] = message;
  return object.dump();
}

std::chrono::steady_clock::time_point deadline_after(std::int64_t timeout_ms) {
  constexpr std::int64_t longest_ms = 366LL * 24 * 3600 * 1000;
  const std::int64_t bounded = timeout_ms < 0 ? longest_ms : std::min(timeout_ms, longest_ms);
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(bounded);
}

std::string words_for(engine::Difference difference) {
  using engine::Difference;
  if (difference == Difference::none) return "only on the replica";
  if (difference == Difference::absent) return "not on the replica";
  if (difference == Difference::links) return "hard links differ";
  return std::string(engine::difference_name(difference)) + (difference == Difference::xattrs ? " differ" : " differs");
}

/// `only_source` tells the asker to look further: the source may run here too, or have its socket in another place.
std::string not_the_source(const std::string& command) {
  return json{{"exit", exit_usage},
              {"only_source", true},
              {"message", "this is a sink; " + command + " is for the source, where it runs"}}
      .dump();
}

} // namespace

std::string ControlHandler::answer(const std::string& request) {
  const json parsed = json::parse(request, nullptr, false);
  if (!parsed.is_object()) return reply(exit_usage, "found no JSON object, expected {\"command\": NAME}");
  const std::string command =
      parsed.contains("command") && parsed["command"].is_string() ? parsed["command"].get<std::string>() : "";
  const auto flag = [&](const char* name) { return parsed.contains(name) && parsed[name] == true; };
  if (command == "ping") return reply(exit_done);
  if (command == "status") return status();
  if (command == "stop" || command == "drain") {
    if (command == "drain" && source_ == nullptr) return not_the_source(command);
    stop_(command == "drain", flag("now"));
    return reply(exit_done);
  }
  if (source_ == nullptr && (command == "flush" || command == "verify" || command == "pause" || command == "resume"))
    return not_the_source(command);
  const bool has_timeout = parsed.contains("timeout_ms") && parsed["timeout_ms"].is_number_integer();
  const std::int64_t timeout_ms = has_timeout ? parsed["timeout_ms"].get<std::int64_t>() : -1;
  if (command == "flush") return flush(timeout_ms);
  if (command == "verify") return verify(flag("checksum"), flag("repair"), timeout_ms);
  if (command == "pause") {
    const bool backlog = flag("backlog");
    return post_to_sources([backlog](engine::SourceEngine& engine, engine::Time now) { engine.pause(backlog, now); });
  }
  if (command == "resume") {
    const bool accept = flag("accept_deletions");
    return post_to_sources([accept](engine::SourceEngine& engine, engine::Time now) { engine.resume(accept, now); });
  }
  return reply(exit_usage, "found the command \"" + command + "\", expected status, flush, verify, stop, drain, pause or resume");
}

std::string ControlHandler::post_to_sources(const source::SourceRuntime::Request& request) {
  for (source::SourceRuntime* runtime : source_->runtimes()) runtime->post(request);
  return reply(exit_done);
}

std::string ControlHandler::status() const {
  json object = {{"exit", exit_done},
                 {"pipeline", pipeline_},
                 {"role", source_ == nullptr ? "sink" : sinks_.empty() ? "source" : "source and sink"}};
  double lag = 0;
  bool connected = true;
  std::uint64_t failures = 0;
  if (source_ != nullptr) {
    json replicas = json::array();
    const std::vector<source::SourceRuntime*> runtimes = source_->runtimes();
    for (std::size_t i = 0; i < runtimes.size(); ++i) {
      const engine::SourceStatus status = runtimes[i]->status();
      json replica = source_json(source_->replica_name(i), status, runtimes[i]->failures(), runtimes[i]->waiting_for(),
                                 source_->watcher(i)->queue_report());
      lag = std::max(lag, replica["lag_ms"].get<double>());
      connected = connected && status.connected;
      failures += status.failures;
      replicas.push_back(std::move(replica));
    }
    object["replicas"] = std::move(replicas);
  }
  json sinks = json::array();
  for (SinkSide* side : sinks_) {
    sinks.push_back(sink_json(side->name(), side->runtime().counters(), side->runtime().connected()));
    if (source_ == nullptr) connected = connected && side->runtime().connected();
  }
  object["sinks"] = std::move(sinks);
  object["lag_ms"] = lag;
  object["connected"] = connected;
  object["failures"] = failures;
  return object.dump();
}

std::string ControlHandler::flush(std::int64_t timeout_ms) {
  const auto deadline = deadline_after(timeout_ms);
  for (source::SourceRuntime* runtime : source_->runtimes()) {
    if (runtime->flush(deadline)) continue;
    const std::string why = runtime->waiting_for();
    return reply(exit_timeout, "not everything is durable yet: waiting for " + (why.empty() ? "the end of osync" : why));
  }
  json failed = json::array();
  for (source::SourceRuntime* runtime : source_->runtimes())
    if (const std::uint64_t held = runtime->status().held_deletions; held > 0)
      return reply(exit_failures, std::to_string(held) + " deletions are held; osync resume --accept-deletions carries them out");
  for (source::SourceRuntime* runtime : source_->runtimes())
    for (const engine::FailureReport& failure : runtime->failures())
      failed.push_back({{"path", path_json(failure.path)}, {"message", failure.message}});
  if (failed.empty()) return reply(exit_done);
  json object = {{"exit", exit_failures}, {"message", "paths failed"}, {"failed_paths", std::move(failed)}};
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// All replicas, one after the other; entries say which one where there are several.
std::string ControlHandler::verify(bool checksum, bool repair, std::int64_t timeout_ms) {
  const auto deadline = deadline_after(timeout_ms);
  json differences = json::array(), changing = json::array(), failed = json::array();
  std::uint64_t unlisted = 0;
  const std::vector<source::SourceRuntime*> runtimes = source_->runtimes();
  for (std::size_t i = 0; i < runtimes.size(); ++i) {
    const std::optional<engine::VerifyReport> report = runtimes[i]->verify(checksum, repair, deadline);
    if (!report) {
      const std::string why = runtimes[i]->waiting_for();
      return reply(exit_timeout, "not everything is compared yet" + (why.empty() ? "" : ": waiting for " + why));
    }
    for (const engine::VerifyReport::Entry& entry : report->differences) {
      json difference = {{"path", path_json(entry.path)}, {"what", words_for(entry.difference)}};
      if (runtimes.size() > 1) difference["replica"] = source_->replica_name(i);
      differences.push_back(std::move(difference));
    }
    for (const std::string& path : report->changing) changing.push_back(path_json(path));
    for (const auto& [path, status] : report->failed)
      failed.push_back({{"path", path_json(path)}, {"message", std::string(status.message())}});
    unlisted += report->unlisted;
  }
  const bool equal = differences.empty() && failed.empty() && unlisted == 0;
  json object = {{"exit", equal ? exit_done : exit_failures}, {"differences", std::move(differences)},
                 {"changing", std::move(changing)},           {"failed_paths", std::move(failed)},
                 {"unlisted", unlisted}};
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace osync::cli
