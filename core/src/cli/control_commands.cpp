#include "cli/control_commands.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/escape.h"
#include "cli/exit_codes.h"
#include "cli/report.h"
#include "config/environment.h"
#include "config/paths.h"
#include "config/pipeline_file.h"
#include "config/values.h"
#include "control/control_server.h"

namespace osync::cli {
namespace {

using nlohmann::json;
constexpr int answer_timeout_ms = 10'000;
constexpr int no_timeout_ms = 1'000'000'000;

struct Found {
  std::vector<std::string> sockets; ///< in the order to try
  bool by_path = false;             ///< the user named the socket itself
  int exit_code = exit_done;
  std::string problem;
};

/// Where the pipeline's sockets are that the file does not place elsewhere; empty where no home is known.
std::string runtime_directory(const std::string& pipeline, const std::string& state_directory) {
  const config::Environment environment = config::process_environment();
  const bool root = geteuid() == 0;
  const Result<std::string> state = state_directory.empty()
                                        ? config::default_state_directory(pipeline, environment, root)
                                        : Result<std::string>(state_directory + "/" + pipeline);
  return state.ok() ? config::default_runtime_directory(pipeline, environment, root, state.value()) : std::string();
}

void add_default(const std::string& directory, const std::string& role, Found& found) {
  if (directory.empty()) return;
  if (Result<std::string> path = config::control_socket(directory, role); path.ok())
    found.sockets.push_back(std::move(path).value());
}

/// All that may run under a name, of which no more is known here.
void find_by_name(const Target& target, Found& found) {
  const std::string directory = runtime_directory(target.pipeline, target.state_directory);
  if (!target.replica.empty()) {
    add_default(directory, "sink-" + target.replica, found);
    add_default(directory, "sink", found);
    return;
  }
  add_default(directory, "source", found);
  add_default(directory, "sink", found);
  std::vector<std::string> others;
  std::error_code error; // a directory that cannot be read has none
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    if (const std::string name = entry->path().filename().string(); name.starts_with("sink-") && name.ends_with(".sock"))
      others.push_back(entry->path().string());
  std::sort(others.begin(), others.end());
  found.sockets.insert(found.sockets.end(), others.begin(), others.end());
}

/// The source's socket first, then those of the sinks, each where the file or the default places it.
void find_by_file(const Target& target, const config::Pipeline& pipeline, Found& found) {
  const std::string directory = runtime_directory(pipeline.name, target.state_directory);
  if (target.replica.empty()) {
    if (!pipeline.source.control_socket.empty()) found.sockets.push_back(pipeline.source.control_socket);
    else add_default(directory, "source", found);
  } else if (!pipeline.replicas.contains(target.replica)) {
    found.exit_code = exit_usage;
    found.problem = "--replica: found \"" + target.replica + "\", expected a replica of the pipeline";
    return;
  }
  for (const auto& [name, replica] : pipeline.replicas) {
    if (!target.replica.empty() && name != target.replica) continue;
    if (!replica.control_socket.empty()) found.sockets.push_back(replica.control_socket);
    else add_default(directory, config::sink_role(pipeline, name), found);
  }
}

Found find_sockets(const Target& target) {
  Found found;
  const std::string& path = target.file_or_socket;
  struct stat status {};
  if (!target.pipeline.empty() && !path.empty()) {
    found.exit_code = exit_usage;
    found.problem = "found both --pipeline and " + path + ", expected one of them";
  } else if (!target.pipeline.empty()) {
    if (config::valid_instance_name(target.pipeline)) return find_by_name(target, found), found;
    found.exit_code = exit_usage;
    found.problem = "--pipeline: found \"" + target.pipeline + "\", expected a name of letters, digits, - and _ (a file "
                    "or a socket is named without --pipeline)";
  } else if (path.empty()) {
    found.exit_code = exit_usage;
    found.problem = "found no target, expected --pipeline NAME, the pipeline FILE, or the control socket's path";
  } else if (stat(path.c_str(), &status) != 0) {
    found.exit_code = exit_nobody;
    found.problem = "nothing there: " + path;
  } else if (S_ISSOCK(status.st_mode)) {
    found.sockets.push_back(path);
    found.by_path = true;
  } else {
    config::Mistakes mistakes;
    const config::Pipeline pipeline = config::load_pipeline(path, config::process_environment(), mistakes);
    if (!mistakes.empty()) {
      found.exit_code = exit_usage;
      found.problem = mistakes.to_string();
      return found;
    }
    find_by_file(target, pipeline, found);
  }
  return found;
}

/// Asks the first osync that answers. The exit code is in the answer's "exit"; problems of our own likewise.
/// `ends`: that it goes away without an answer is what was asked for.
json ask_running(const Target& target, const json& request, int timeout_ms, bool ends = false) {
  const Found found = find_sockets(target);
  if (!found.problem.empty()) return {{"exit", found.exit_code}, {"message", found.problem}};
  std::string tried;
  for (const std::string& socket : found.sockets) {
    const Result<std::string> answer = control::ask(socket, request.dump(), timeout_ms);
    if (answer.ok()) {
      json parsed = json::parse(answer.value(), nullptr, false);
      if (parsed.is_object() && parsed.value("only_source", false) && !found.by_path) {
        tried += "\n  only a sink answers here, and this command is for the source: " + socket;
        continue;
      }
      if (parsed.is_object() && parsed.contains("exit") && parsed["exit"].is_number_integer()) return parsed;
      return {{"exit", exit_nobody}, {"message", "not understood, is this an osync? " + socket}};
    }
    if (answer.status().code() == Code::timeout) return {{"exit", exit_timeout}, {"message", answer.status().to_string()}};
    if (answer.status().code() == Code::closed)
      return ends ? json{{"exit", exit_done}} : json{{"exit", exit_nobody}, {"message", answer.status().to_string()}};
    tried += "\n  " + answer.status().to_string();
  }
  return {{"exit", exit_nobody}, {"message", "no osync is running there; tried:" + tried}};
}

/// Of a command that waits; returns how long to wait for its answer.
int add_timeout(json& request, std::optional<std::int64_t> timeout_ns) {
  if (!timeout_ns) return no_timeout_ms;
  const std::int64_t timeout_ms = std::min<std::int64_t>(*timeout_ns / 1'000'000, no_timeout_ms - answer_timeout_ms);
  request["timeout_ms"] = timeout_ms;
  return static_cast<int>(timeout_ms) + answer_timeout_ms;
}

int conclude(const json& answer, std::ostream& err) {
  if (const std::string message = answer.value("message", ""); !message.empty()) err << "osync: " << message << std::endl;
  return answer.value("exit", exit_nobody);
}

int check_status(const json& answer, const StatusRequest& request, std::ostream& out) {
  const std::string worse = what_is_worse(answer, request.max_lag_ns);
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
    if (!request.watch || !out.good()) return exit_done; // nobody reads any more
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

int run_flush(const Target& target, std::optional<std::int64_t> timeout_ns, bool raw_paths, std::ostream& out,
              std::ostream& err) {
  json request = {{"command", "flush"}};
  const int wait_ms = add_timeout(request, timeout_ns);
  const json answer = ask_running(target, request, wait_ms);
  for (const json& failure : answer.value("failed_paths", json::array())) {
    engine::FailureReport report;
    report.path = path_of_json(failure.value("path", json()));
    report.message = failure.value("message", "");
    print_failure(out, report, raw_paths);
  }
  out.flush();
  return conclude(answer, err);
}

int run_verify(const Target& target, const VerifyOptions& options, std::ostream& out, std::ostream& err) {
  json request = {{"command", "verify"}, {"checksum", options.checksum}, {"repair", options.repair}};
  const int wait_ms = add_timeout(request, options.timeout_ns);
  const json answer = ask_running(target, request, wait_ms);
  for (const json& difference : answer.value("differences", json::array())) {
    const std::string path = path_of_json(difference.value("path", json()));
    if (options.raw_paths) {
      out << path << '\0';
      continue;
    }
    const std::string replica = difference.value("replica", "");
    out << "differs: " << escape_path(path) << ": " << difference.value("what", "") << (replica.empty() ? "" : " (" + replica + ")")
        << '\n';
  }
  out.flush();
  for (const json& path : answer.value("changing", json::array()))
    err << "osync: changes all the time, and was not compared: " << escape_path(path_of_json(path)) << '\n';
  for (const json& failed : answer.value("failed_paths", json::array()))
    err << "osync: could not be compared: " << escape_path(path_of_json(failed.value("path", json()))) << ": "
        << failed.value("message", "") << '\n';
  if (const auto unlisted = answer.value("unlisted", std::uint64_t{0}); unlisted > 0)
    err << "osync: and " << unlisted << " differences more, which are not listed\n";
  return conclude(answer, err);
}

int run_stop(const Target& target, bool now, std::ostream&, std::ostream& err) {
  const json answer = ask_running(target, {{"command", "stop"}, {"now", now}}, answer_timeout_ms, now);
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
