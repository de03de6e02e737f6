#include "cli/control_commands.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/escape.h"
#include "cli/exit_codes.h"
#include "cli/report.h"
#include "config/environment.h"
#include "config/paths.h"
#include "config/pipeline_file.h"
#include "control/control_server.h"

namespace osync::cli {
namespace {

using nlohmann::json;
constexpr int answer_timeout_ms = 10'000;
constexpr int no_timeout_ms = 1'000'000'000;

struct Found {
  std::vector<std::string> sockets; ///< in the order to try
  int exit_code = exit_done;
  std::string problem;
};

void add_defaults(const std::string& pipeline, const std::string& state_directory, Found& found) {
  const config::Environment environment = config::process_environment();
  const bool root = geteuid() == 0;
  Result<std::string> state = state_directory.empty()
                                  ? config::default_state_directory(pipeline, environment, root)
                                  : Result<std::string>(state_directory + "/" + pipeline);
  if (!state.ok()) return;
  const std::string runtime = config::default_runtime_directory(pipeline, environment, root, state.value());
  for (const char* role : {"source", "sink"})
    if (Result<std::string> path = config::control_socket(runtime, role); path.ok())
      found.sockets.push_back(std::move(path).value());
}

Found find_sockets(const Target& target) {
  Found found;
  const std::string& path = target.file_or_socket;
  struct stat status {};
  if (!target.pipeline.empty()) {
    add_defaults(target.pipeline, target.state_directory, found);
  } else if (path.empty()) {
    found.exit_code = exit_usage;
    found.problem = "found no target, expected --pipeline NAME, the pipeline FILE, or the control socket's path";
  } else if (stat(path.c_str(), &status) != 0) {
    found.exit_code = exit_nobody;
    found.problem = "nothing there: " + path;
  } else if (S_ISSOCK(status.st_mode)) {
    found.sockets.push_back(path);
  } else {
    config::Mistakes mistakes;
    const config::Pipeline pipeline = config::load_pipeline(path, config::process_environment(), mistakes);
    if (!mistakes.empty()) {
      found.exit_code = exit_usage;
      found.problem = mistakes.to_string();
      return found;
    }
    if (!pipeline.source.control_socket.empty()) found.sockets.push_back(pipeline.source.control_socket);
    add_defaults(pipeline.name, target.state_directory, found);
    for (const auto& [name, replica] : pipeline.replicas)
      if (!replica.control_socket.empty()) found.sockets.push_back(replica.control_socket);
  }
  return found;
}

/// Asks the first osync that answers. The exit code is in the answer's "exit"; problems of our own likewise.
json ask_running(const Target& target, const json& request, int timeout_ms) {
  const Found found = find_sockets(target);
  if (!found.problem.empty()) return {{"exit", found.exit_code}, {"message", found.problem}};
  std::string tried;
  for (const std::string& socket : found.sockets) {
    const Result<std::string> answer = control::ask(socket, request.dump(), timeout_ms);
    if (answer.ok()) {
      json parsed = json::parse(answer.value(), nullptr, false);
      if (parsed.is_object() && parsed.contains("exit") && parsed["exit"].is_number_integer()) return parsed;
      return {{"exit", exit_nobody}, {"message", "not understood, is this an osync? " + socket}};
    }
    if (answer.status().code() == Code::timeout) return {{"exit", exit_timeout}, {"message", answer.status().to_string()}};
    tried += "\n  " + answer.status().to_string();
  }
  return {{"exit", exit_nobody}, {"message", "no osync is running there; tried:" + tried}};
}

int conclude(const json& answer, std::ostream& err) {
  if (const std::string message = answer.value("message", ""); !message.empty()) err << "osync: " << message << std::endl;
  return answer.value("exit", exit_nobody);
}

int check_status(const json& answer, const StatusRequest& request, std::ostream& out) {
  const double lag_ns = answer.value("lag_ms", 0.0) * 1e6;
  std::string worse;
  if (!answer.value("connected", false)) worse = "the sink is not connected";
  else if (answer.value("failures", 0ull) > 0) worse = std::to_string(answer.value("failures", 0ull)) + " paths failed";
  else if (request.max_lag_ns && lag_ns > static_cast<double>(*request.max_lag_ns))
    worse = "lag is " + std::to_string(lag_ns / 1e9) + " s";
  out << (worse.empty() ? "OK" : "WORSE: " + worse) << std::endl;
  return worse.empty() ? exit_done : exit_failures;
}

} // namespace

int run_status(const Target& target, const StatusRequest& request, std::ostream& out, std::ostream& err) {
  while (true) {
    json answer = ask_running(target, {{"command", "status"}}, answer_timeout_ms);
    const int code = conclude(answer, err);
    if (code != exit_done) return code;
    if (request.check) return check_status(answer, request, out);
    answer.erase("exit");
    out << (request.json ? answer.dump() + "\n" : status_text(answer)) << std::flush;
    if (!request.watch) return exit_done;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

int run_flush(const Target& target, std::optional<std::int64_t> timeout_ns, std::ostream& out, std::ostream& err) {
  json request = {{"command", "flush"}};
  int wait_ms = no_timeout_ms;
  if (timeout_ns) {
    const std::int64_t timeout_ms = std::min<std::int64_t>(*timeout_ns / 1'000'000, no_timeout_ms - answer_timeout_ms);
    request["timeout_ms"] = timeout_ms;
    wait_ms = static_cast<int>(timeout_ms) + answer_timeout_ms;
  }
  const json answer = ask_running(target, request, wait_ms);
  for (const json& failure : answer.value("failed_paths", json::array())) {
    const json& path = failure["path"];
    out << "failed: " << (path.is_string() ? escape_path(path.get<std::string>()) : path.dump()) << ": "
        << failure.value("message", "") << '\n';
  }
  out.flush();
  return conclude(answer, err);
}

int run_stop(const Target& target, bool now, std::ostream&, std::ostream& err) {
  const json answer = ask_running(target, {{"command", "stop"}, {"now", now}}, answer_timeout_ms);
  if (now && answer.value("exit", exit_nobody) == exit_timeout) return exit_done; // it ended before it could answer
  return conclude(answer, err);
}

int run_drain(const Target& target, std::ostream&, std::ostream& err) {
  return conclude(ask_running(target, {{"command", "drain"}}, answer_timeout_ms), err);
}

int run_pause(const Target& target, bool backlog, std::ostream&, std::ostream& err) {
  return conclude(ask_running(target, {{"command", "pause"}, {"backlog", backlog}}, answer_timeout_ms), err);
}

int run_resume(const Target& target, bool accept_deletions, std::ostream&, std::ostream& err) {
  return conclude(
      ask_running(target, {{"command", "resume"}, {"accept_deletions", accept_deletions}}, answer_timeout_ms), err);
}

} // namespace osync::cli
