#include "cli/run_command.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/escape.h"
#include "cli/control_handler.h"
#include "cli/exit_codes.h"
#include "cli/final_report.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/sink_side.h"
#include "cli/source_side.h"
#include "config/environment.h"
#include "config/paths.h"
#include "config/stages.h"
#include "control/control_server.h"

namespace osync::cli {
namespace {

using Clock = std::chrono::steady_clock;

/// Waits for signals in a thread of its own, so that no handler runs anywhere else.
class Signals {
 public:
  /// Blocks the signals in this thread and all that it starts. SIGHUP is only meant for us at a terminal.
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    if (isatty(STDIN_FILENO) != 0 || isatty(STDERR_FILENO) != 0) sigaddset(&set_, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  ~Signals() {
    ending_ = true;
    if (!thread_.joinable()) return;
    pthread_kill(thread_.native_handle(), SIGTERM); // it is blocked there: only ends the wait
    thread_.join();
  }
  void start(std::function<void(int)> handle) {
    thread_ = std::thread([this, handle = std::move(handle)] {
      const timespec interval{0, 100'000'000};
      while (!ending_)
        if (const int signal = sigtimedwait(&set_, nullptr, &interval); signal > 0 && !ending_) handle(signal);
    });
  }

 private:
  sigset_t set_{};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

class Running {
 public:
  Running(const config::Pipeline& pipeline, Sides sides, const std::string& replica, const RunOptions& options,
          std::ostream& out, std::ostream& err)
      : pipeline_(pipeline), sides_(sides), only_(replica), options_(options), out_(out), err_(err),
        logger_(make_logger(sides == Sides::sink ? "sink" : sides == Sides::source ? "source" : "osync", options.log_level,
                            options.log_format)),
        loader_(loader::PluginLoader::search_path(pipeline.plugin_path)) {}

  int run();

 private:
  int refuse(const Refusal& refusal) const {
    const std::string text = escape_path(refusal.status.to_string());
    say("error", "osync: " + text, {{"message", text}, {"exit", refusal.exit_code}});
    return refusal.exit_code;
  }
  void say(const char* level, const std::string& text, nlohmann::json object) const;
  Refusal prepare();
  Refusal find_directories();
  Refusal open_sinks();
  Refusal start_control();
  void stop(bool drain, bool now);
  void show_progress();
  void print_reports() const;
  [[nodiscard]] double seconds() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }
  void end_sinks();

  const config::Pipeline& pipeline_;
  const Sides sides_;
  const std::string only_;
  const RunOptions& options_;
  std::ostream& out_;
  std::ostream& err_;
  const Clock::time_point started_ = Clock::now();
  std::unique_ptr<Logger> logger_;
  loader::PluginLoader loader_;
  std::string state_directory_, runtime_directory_;
  std::unique_ptr<SourceSide> source_;
  std::vector<std::unique_ptr<SinkSide>> sinks_;
  std::unique_ptr<ControlHandler> handler_;
  std::vector<std::unique_ptr<control::ControlServer>> servers_;
  std::atomic<bool> ended_{false};
  std::atomic<bool> stop_asked_{false};
  std::atomic<std::int64_t> stop_deadline_{0}; ///< steady clock's ticks; 0: none
};

/// A line on standard error that is no log line: it does not depend on the level. In one piece, so that lines of other
/// threads do not get into it.
void Running::say(const char* level, const std::string& text, nlohmann::json object) const {
  std::string line = text;
  if (options_.log_format == LogFormat::json) {
    object["time"] = log_time();
    object["level"] = level;
    object["stage"] = sides_ == Sides::sink ? "sink" : sides_ == Sides::source ? "source" : "osync";
    line = object.dump();
  }
  err_ << line + "\n" << std::flush;
}

Refusal Running::find_directories() {
  const config::Environment environment = config::process_environment();
  const bool root = geteuid() == 0;
  Result<std::string> state = options_.state_directory.empty()
                                  ? config::default_state_directory(pipeline_.name, environment, root)
                                  : Result<std::string>(options_.state_directory + "/" + pipeline_.name);
  if (!state.ok()) return {exit_usage, state.status()};
  state_directory_ = std::move(state).value();
  runtime_directory_ = config::default_runtime_directory(pipeline_.name, environment, root, state_directory_);
  return {};
}

Refusal Running::open_sinks() {
  Ancestry source;
  if (source_ != nullptr) {
    Result<Ancestry> chain = source_->ancestry();
    if (!chain.ok()) return {exit_usage, chain.status()};
    source = std::move(chain).value();
  }
  for (const auto& [name, settings] : pipeline_.replicas) {
    if (!only_.empty() && name != only_) continue;
    auto side = std::make_unique<SinkSide>(pipeline_, name, options_, loader_, *logger_);
    if (Refusal refusal = side->check_nesting_of_path(source); !refusal.ok()) return refusal;
    if (Refusal refusal = side->open(); !refusal.ok()) return refusal;
    if (Refusal refusal = side->check_nesting(source); !refusal.ok()) return refusal;
    sinks_.push_back(std::move(side));
  }
  if (sides_ == Sides::sink && sinks_.size() != 1)
    return {exit_usage, Status(Code::invalid, "found " + std::to_string(pipeline_.replicas.size()) +
                                                  " replicas in the pipeline, expected --replica NAME with one of them")};
  return {};
}

Refusal Running::prepare() {
  if (Refusal refusal = find_directories(); !refusal.ok()) return refusal;
  if (sides_ != Sides::sink) {
    source_ = std::make_unique<SourceSide>(pipeline_, options_, loader_, *logger_);
    if (Refusal refusal = source_->prepare(state_directory_, sides_ == Sides::both); !refusal.ok()) return refusal;
  }
  if (sides_ != Sides::source) {
    if (Refusal refusal = open_sinks(); !refusal.ok()) return refusal;
    for (const auto& side : sinks_)
      if (Refusal refusal = side->connect({}); !refusal.ok()) return refusal;
  }
  return start_control();
}

Refusal Running::start_control() {
  std::vector<SinkSide*> sinks;
  for (const auto& side : sinks_) sinks.push_back(side.get());
  handler_ = std::make_unique<ControlHandler>(pipeline_.name, source_.get(), std::move(sinks),
                                              [this](bool drain, bool now) { stop(drain, now); });
  if (options_.dry_run) return {};
  std::vector<std::string> sockets;
  const auto add = [&](const std::string& configured, const std::string& role) -> Status {
    if (!configured.empty()) {
      sockets.push_back(configured);
      return config::make_socket_directory(configured);
    }
    if (Status made = config::make_private_directory(runtime_directory_); !made.ok()) return made;
    Result<std::string> path = config::control_socket(runtime_directory_, role);
    if (!path.ok()) return path.status();
    sockets.push_back(std::move(path).value());
    return {};
  };
  if (source_ != nullptr)
    if (Status status = add(pipeline_.source.control_socket, "source"); !status.ok()) return {exit_usage, status};
  for (const auto& side : sinks_) {
    const std::string role = config::sink_role(pipeline_, side->name());
    if (Status status = add(pipeline_.replicas.at(side->name()).control_socket, role); !status.ok())
      return {exit_usage, status};
  }
  for (const std::string& socket : sockets) {
    auto server = std::make_unique<control::ControlServer>(
        *logger_, [this](const std::string& request) { return handler_->answer(request); });
    if (Status started = server->start(socket); !started.ok())
      return {started.code() == Code::conflict ? exit_refused : exit_usage, std::move(started)};
    servers_.push_back(std::move(server));
  }
  return {};
}

void Running::stop(bool drain, bool now) {
  if (now) _exit(exit_killed); // "ends at once": what is not durable is found by the next start
  if (!drain) {
    stop_asked_ = true;
    stop_deadline_ = (Clock::now() + std::chrono::nanoseconds(pipeline_.stop_timeout)).time_since_epoch().count();
  }
  if (source_ != nullptr) source_->stop(drain);
  else end_sinks();
}

void Running::end_sinks() {
  for (const auto& side : sinks_) side->stop(false);
}

void Running::show_progress() {
  std::vector<ProgressMeter> meters(source_ == nullptr ? 0 : source_->runtimes().size());
  const auto look = [&](bool show) {
    for (std::size_t i = 0; i < meters.size(); ++i) {
      meters[i].add(source_->runtimes()[i]->status(), source_->watcher(i)->queue_report().watches, seconds());
      if (!show) continue;
      const std::string name = source_->replica_name(i);
      say("info", (meters.size() > 1 ? name + ": " : "") + meters[i].line(),
          {{"message", "progress"}, {"replica", name}, {"progress", meters[i].json()}});
    }
    for (const auto& side : sinks_) {
      if (!show || source_ != nullptr) continue; // of both, the source's figures tell all
      const nlohmann::json report = sink_report(side->name(), side->runtime().counters(), seconds());
      say("info", sink_progress_text(report, side->runtime().connected()),
          {{"message", "progress"}, {"replica", side->name()}, {"progress", report}});
    }
  };
  look(false);
  while (!ended_) {
    for (int i = 0; i < 10 && !ended_; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    look(true);
  }
}

/// At the end, from both sides (DESIGN.md, service termination). A dry run has done nothing to report.
void Running::print_reports() const {
  if (options_.dry_run) return;
  const auto print = [&](nlohmann::json report) {
    const std::string text = report_text(report);
    report["message"] = "final report";
    say("info", escape_path(text), std::move(report));
  };
  if (source_ != nullptr) {
    const std::vector<source::SourceRuntime*> runtimes = source_->runtimes();
    for (std::size_t i = 0; i < runtimes.size(); ++i)
      print(source_report(source_->replica_name(i), runtimes[i]->status(), seconds()));
  }
  for (const auto& side : sinks_) print(sink_report(side->name(), side->runtime().counters(), seconds()));
}

int Running::run() {
  Signals signals;
  if (Refusal refusal = prepare(); !refusal.ok()) return refuse(refusal);
  if (sides_ == Sides::source)
    for (const std::string& endpoint : source_->endpoints()) out_ << "listening on " << endpoint << std::endl;
  if (sides_ == Sides::both && !options_.dry_run) {
    // Standard output of --once is for failed paths; the name is still what `status` and `stop` want.
    if (options_.once) logger_->info("pipeline " + pipeline_.name);
    else out_ << "pipeline " << pipeline_.name << std::endl;
  }
  signals.start([this](int signal) {
    if (stop_asked_ && signal == SIGINT) _exit(exit_killed);
    if (!stop_asked_) logger_->info("stopping: shipping the live changes already seen; again (SIGINT) to end at once");
    stop(false, false);
  });
  // After stop_timeout what is left waits for the next start.
  std::thread watchdog([this] {
    while (!ended_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      const std::int64_t deadline = stop_deadline_;
      if (deadline == 0 || Clock::now().time_since_epoch().count() < deadline) continue;
      stop_deadline_ = 0;
      logger_->warning("stop_timeout is over; what is left waits for the next start");
      if (source_ != nullptr)
        for (source::SourceRuntime* runtime : source_->runtimes())
          runtime->post([](engine::SourceEngine& engine, engine::Time) { engine.abort(); });
      for (const auto& side : sinks_) side->stop(true);
    }
  });
  for (const auto& side : sinks_) side->start();
  if (source_ != nullptr) source_->start();
  std::thread progress;
  if (options_.progress) progress = std::thread([this] { show_progress(); });
  int code = exit_done;
  if (source_ != nullptr) {
    code = source_->wait(out_);
    end_sinks();
  }
  for (const auto& side : sinks_) {
    const int sink_code = side->wait();
    if (code == exit_done || code == exit_peer) code = std::max(sink_code, exit_done) == exit_done ? code : sink_code;
  }
  ended_ = true;
  watchdog.join();
  if (progress.joinable()) progress.join();
  servers_.clear();
  print_reports();
  if (stop_asked_ && code == exit_failures) code = exit_done; // "0 done (also after a requested stop)"
  out_.flush();
  return code;
}

} // namespace

int run_pipeline(const config::Pipeline& pipeline, Sides sides, const std::string& replica, const RunOptions& options,
                 std::ostream& out, std::ostream& err) {
  return Running(pipeline, sides, replica, options, out, err).run();
}

} // namespace osync::cli
