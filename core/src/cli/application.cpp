#include "cli/application.h"

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <iostream>

#include "base/escape.h"
#include "cli/check_command.h"
#include "cli/control_commands.h"
#include "cli/exit_codes.h"
#include "cli/plugins_command.h"
#include "cli/run_command.h"
#include "cli/run_options.h"
#include "config/environment.h"
#include "config/mirror.h"
#include "config/pipeline_file.h"
#include "config/stages.h"
#include "config/units.h"
#include "engine/messages.h"
#include "loader/plugin_loader.h"

namespace osync::cli {
namespace {

/// Everything that any command's line may hold.
struct Arguments {
  RunOptions run;
  std::string log_level = "info", log_format = "text";
  std::vector<std::string> settings;
  config::MirrorRequest mirror;
  std::string file, replica, plugin, path;
  Target target;
  StatusRequest status;
  VerifyOptions verify;
  std::string max_lag, timeout;
  bool now = false, backlog = false, accept_deletions = false;
};

/// Where one of the first three descriptors is closed, the next file that is opened would get its number, and log lines
/// would be written into it: perhaps a file of the replica.
void keep_standard_descriptors() noexcept {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(descriptor, F_GETFD) == -1 && errno == EBADF)
      static_cast<void>(open("/dev/null", O_RDWR)); // takes the lowest number that is free
}

std::string version_text() {
  return "osync " OSYNC_VERSION " (protocol " + std::to_string(engine::protocol_version) + ", plugin API " +
         std::to_string(api_major) + "." + std::to_string(api_minor) + ", build " OSYNC_BUILD_TYPE ")";
}

int usage(const std::string& message) {
  std::cerr << "osync: " << escape_path(message) << std::endl;
  return exit_usage;
}

bool finish_run_options(Arguments& arguments) {
  RunOptions& run = arguments.run;
  const std::map<std::string, LogLevel> levels = {{"trace", LogLevel::trace},     {"debug", LogLevel::debug},
                                                  {"info", LogLevel::info},       {"warning", LogLevel::warning},
                                                  {"error", LogLevel::error}};
  const auto level = levels.find(arguments.log_level);
  if (level == levels.end()) return false;
  run.log_level = level->second;
  run.log_format = arguments.log_format == "json" ? LogFormat::json : LogFormat::text;
  run.build = OSYNC_VERSION;
  return true;
}

int run_checked(CheckedPipeline checked, Sides sides, const Arguments& arguments) {
  if (!checked.mistakes.empty() || !checked.insecure.empty()) {
    std::cerr << checked.mistakes.to_string() << checked.insecure.to_string() << std::flush;
    return checked.mistakes.empty() ? exit_refused : exit_usage;
  }
  config::Pipeline& pipeline = checked.pipeline;
  for (auto& [name, replica] : pipeline.replicas) {
    replica.adopt = arguments.mirror.adopt;
    replica.take_over = arguments.mirror.take_over;
  }
  if (!arguments.replica.empty() && !pipeline.replicas.contains(arguments.replica))
    return usage("--replica: found \"" + arguments.replica + "\", expected a replica of the pipeline");
  return run_pipeline(pipeline, sides, arguments.replica, arguments.run, std::cout, std::cerr);
}

int run_mirror(const Arguments& arguments) {
  const Result<config::Pipeline> pipeline = config::make_mirror_pipeline(arguments.mirror);
  if (!pipeline.ok()) return usage(pipeline.status().to_string());
  return run_checked(check_pipeline(pipeline.value(), arguments.settings), Sides::both, arguments);
}

int run_file(const Arguments& arguments, Sides sides) {
  return run_checked(check_pipeline_file(arguments.file, arguments.settings, config::process_environment()), sides,
                     arguments);
}

std::optional<std::int64_t> duration(const std::string& text, const char* option, int& exit_code) {
  if (text.empty()) return std::nullopt;
  if (const std::optional<std::int64_t> parsed = config::parse_duration(text)) return parsed;
  exit_code = usage(std::string(option) + ": found \"" + text + "\", expected a time such as 500ms, 30s or 15min");
  return std::nullopt;
}

/// Of the commands that open a replica.
void add_consent_options(CLI::App& command, Arguments& arguments) {
  command.add_flag("--adopt", arguments.mirror.adopt, "Accept a replica root that has entries and is no replica yet; keeps them");
  command.add_flag("--take-over", arguments.mirror.take_over, "Accept a replica of another source, after a full comparison");
}

void add_run_options(CLI::App& command, Arguments& arguments) {
  RunOptions& run = arguments.run;
  command.add_flag("--once", run.once, "End once the backlog and all that changed before its end is durable");
  command.add_flag("--progress", run.progress, "Show figures every second on standard error");
  command.add_option("--log-level", arguments.log_level, "trace, debug, info, warning or error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error"}));
  command.add_option("--log-format", arguments.log_format, "text or json")->check(CLI::IsMember({"text", "json"}));
  command.add_option("--set", arguments.settings, "stage.option=value, over what the file says; repeatable")
      ->allow_extra_args(false);
  command.add_option("--state-dir", run.state_directory, "Below it, in a folder of the pipeline's name, the source remembers how far its replicas are");
  command.add_flag("-0", run.raw_paths, "Paths on standard output raw and separated by NUL");
}

void add_target(CLI::App& command, Arguments& arguments) {
  command.add_option("--pipeline", arguments.target.pipeline, "The pipeline's name");
  command.add_option("--state-dir", arguments.target.state_directory, "As it was given to the running osync");
  command.add_option("--replica", arguments.target.replica, "The sink of this replica, instead of the source");
  command.add_option("FILE", arguments.target.file_or_socket, "The pipeline file, or the control socket's path");
}

void add_mirror(CLI::App& app, Arguments& arguments) {
  CLI::App* mirror = app.add_subcommand("mirror", "Make DST equal to what is in SRC, and keep it so");
  add_run_options(*mirror, arguments);
  config::MirrorRequest& request = arguments.mirror;
  mirror->add_option("SRC", request.source, "The source root")->required();
  mirror->add_option("DST", request.destination, "The replica root")->required();
  mirror->add_option("--watcher", request.watcher, "auto, inotify, fanotify, or a plugin's name");
  mirror->add_option("--policy", request.policy, "The policy plugin");
  mirror->add_option("--exclude", request.excludes, "gitignore pattern of what is left alone; repeatable")
      ->allow_extra_args(false);
  mirror->add_flag("--keep-extra", request.keep_extra, "Delete nothing on the replica");
  mirror->add_flag("--delete-extra", request.delete_extra, "Delete what the source lacks, also from an adopted replica");
  add_consent_options(*mirror, arguments);
  mirror->add_flag("--dry-run", arguments.run.dry_run, "Print what would be done, and do nothing");
}

void add_control_commands(CLI::App& app, Arguments& arguments) {
  CLI::App* status = app.add_subcommand("status", "Phase, progress, both reports, lag and failures of a running osync");
  add_target(*status, arguments);
  status->add_flag("--json", arguments.status.json, "As one JSON object");
  status->add_flag("--watch", arguments.status.watch, "Again every second");
  CLI::Option* check = status->add_flag("--check", arguments.status.check, "For monitoring: exit 1 when worse than allowed");
  status->add_option("--max-lag", arguments.max_lag, "With --check: the longest lag allowed, for example 15min")->needs(check);
  CLI::App* flush = app.add_subcommand("flush", "Wait until all that changed before now is durable on every replica");
  add_target(*flush, arguments);
  flush->add_option("--timeout", arguments.timeout, "Exit 6 after so long, for example 30s");
  flush->add_flag("-0", arguments.run.raw_paths, "Failed paths raw and separated by NUL");
  CLI::App* verify = app.add_subcommand("verify", "Compare the replicas while live; print what differs, exit 1 if anything does");
  add_target(*verify, arguments);
  verify->add_flag("--checksum", arguments.verify.checksum, "Compare all contents, not only what changed lately");
  verify->add_flag("--repair", arguments.verify.repair, "Send what differs");
  verify->add_option("--timeout", arguments.timeout, "Exit 6 after so long, for example 1h");
  verify->add_flag("-0", arguments.run.raw_paths, "Paths raw and separated by NUL");
  CLI::App* stop = app.add_subcommand("stop", "Ship the live changes already seen, make them durable, end");
  add_target(*stop, arguments);
  stop->add_flag("--now", arguments.now, "End at once");
  add_target(*app.add_subcommand("drain", "Finish the backlog and all live changes, then stop"), arguments);
  CLI::App* pause = app.add_subcommand("pause", "Send nothing, or no backlog, until resume");
  add_target(*pause, arguments);
  pause->add_flag("--backlog", arguments.backlog, "Only the backlog");
  CLI::App* resume = app.add_subcommand("resume", "Go on after pause, or after deletions were held");
  add_target(*resume, arguments);
  resume->add_flag("--accept-deletions", arguments.accept_deletions, "Carry out the deletions that are held");
}

void add_commands(CLI::App& app, Arguments& arguments) {
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  add_mirror(app, arguments);
  for (const auto& [name, help] : {std::pair{"run", "Run a pipeline file, both sides here"},
                                   std::pair{"source", "Run the source side of a pipeline file"},
                                   std::pair{"sink", "Run the sink side of a pipeline file"}}) {
    CLI::App* command = app.add_subcommand(name, help);
    add_run_options(*command, arguments);
    command->add_option("FILE", arguments.file, "The pipeline file")->required();
    if (std::string(name) != "source") add_consent_options(*command, arguments);
    if (std::string(name) == "sink")
      command->add_option("--replica", arguments.replica, "Which replica, where the file has several");
  }
  CLI::App* check = app.add_subcommand("check", "Print every mistake in a pipeline file and its plugins' options");
  check->add_option("FILE", arguments.file, "The pipeline file")->required();
  check->add_option("--set", arguments.settings, "stage.option=value, over what the file says; repeatable")
      ->allow_extra_args(false);
  CLI::App* plugins = app.add_subcommand("plugins", "The plugins that are found, and where");
  CLI::App* inspect = plugins->add_subcommand("inspect", "All about one plugin, with its options");
  inspect->add_option("NAME", arguments.plugin, "The plugin's name")->required();
  add_control_commands(app, arguments);
  for (const char* name : {"cutover", "keygen", "simulate", "explain"})
    app.add_subcommand(name, "Not available yet")->allow_extras();
}

int dispatch(const CLI::App& app, Arguments& arguments) {
  const CLI::App* command = app.get_subcommands().front();
  const std::string name = command->get_name();
  const loader::PluginLoader loader(loader::PluginLoader::search_path());
  int bad_duration = exit_done;
  const auto timeout = duration(arguments.timeout, "--timeout", bad_duration);
  arguments.status.max_lag_ns = duration(arguments.max_lag, "--max-lag", bad_duration);
  if (bad_duration != exit_done) return bad_duration;
  if (!finish_run_options(arguments)) return usage("--log-level: expected trace, debug, info, warning or error");
  if (name == "mirror") return run_mirror(arguments);
  if (name == "run") return run_file(arguments, Sides::both);
  if (name == "source") return run_file(arguments, Sides::source);
  if (name == "sink") return run_file(arguments, Sides::sink);
  if (name == "check") return run_check(arguments.file, arguments.settings, config::process_environment(), std::cout);
  if (name == "plugins")
    return command->get_subcommands().empty() ? run_plugins_list(loader, std::cout, std::cerr)
                                              : run_plugins_inspect(loader, arguments.plugin, std::cout, std::cerr);
  if (name == "status") return run_status(arguments.target, arguments.status, std::cout, std::cerr);
  if (name == "flush") return run_flush(arguments.target, timeout, arguments.run.raw_paths, std::cout, std::cerr);
  if (name == "verify") {
    arguments.verify.raw_paths = arguments.run.raw_paths;
    arguments.verify.timeout_ns = timeout;
    return run_verify(arguments.target, arguments.verify, std::cout, std::cerr);
  }
  if (name == "stop") return run_stop(arguments.target, arguments.now, std::cout, std::cerr);
  if (name == "drain") return run_drain(arguments.target, std::cout, std::cerr);
  if (name == "pause") return run_pause(arguments.target, arguments.backlog, std::cout, std::cerr);
  if (name == "resume") return run_resume(arguments.target, arguments.accept_deletions, std::cout, std::cerr);
  return usage(name + ": not available yet");
}

} // namespace

int run_application(int argument_count, char** arguments) noexcept {
  keep_standard_descriptors();
  try {
    CLI::App app("osync keeps a replica of a directory tree on another host while the tree is in use.", "osync");
    Arguments parsed;
    add_commands(app, parsed);
    try {
      app.parse(argument_count, arguments);
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? exit_done : exit_usage;
    }
    return dispatch(app, parsed);
  } catch (const std::exception& error) {
    std::cerr << "osync: internal error: " << error.what() << std::endl;
    return exit_failures;
  }
}

} // namespace osync::cli
