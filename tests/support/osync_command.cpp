#include "support/osync_command.h"

#include "support/paths.h"
#include "support/wait.h"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <regex>
#include <stdexcept>
#include <system_error>
#include <unistd.h>

namespace osync::test {

std::string osync_binary() { return binary_directory() + "/osync"; }

Arguments operator+(Arguments left, const Arguments& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

Workspace::Workspace(const std::string& parent) : directory_(parent) {
  for (const char* name : {"source", "replica", "state", "run", "home"})
    std::filesystem::create_directory(directory_ / name);
  std::filesystem::permissions(directory_ / "run", std::filesystem::perms::owner_all);
}

Command Workspace::command(const Arguments& arguments) const {
  return {.argv = Arguments{osync_binary()} + arguments,
          .environment = {{"HOME", directory_ / "home"},
                          {"XDG_RUNTIME_DIR", directory_ / "run"},
                          {"XDG_STATE_HOME", state()},
                          {"LC_ALL", "C.UTF-8"}}};
}

Finished Workspace::osync(const Arguments& arguments, milliseconds deadline) const {
  return run(command(arguments), deadline);
}

Arguments Workspace::mirror(const Arguments& options) const {
  return Arguments{"mirror", "--state-dir", state()} + options + Arguments{source(), replica()};
}

Finished Workspace::mirror_once(const Arguments& options) const {
  return osync(mirror(Arguments{"--once"} + options));
}

void Workspace::give_to(uid_t user) const {
  const auto give = [&](const std::string& path) {
    if (lchown(path.c_str(), user, user) != 0)
      throw std::system_error(errno, std::generic_category(), "chown " + path);
  };
  give(directory_.path());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path()))
    give(entry.path());
}

PipelineFile::PipelineFile(const Workspace& workspace)
    : name("test-" + std::filesystem::path(workspace / "x").parent_path().filename().string().substr(11)),
      source_root(workspace.source()), replica_root(workspace.replica()),
      listen("ipc://" + (workspace / "run/data")), connect(listen),
      source_socket(workspace / "run/source.sock"), sink_socket(workspace / "run/sink.sock") {}

PipelineFile& PipelineFile::over_tcp(std::uint16_t port) {
  listen = connect = "tcp://127.0.0.1:" + std::to_string(port);
  return *this;
}

std::string PipelineFile::text() const {
  return "version: 1\n"
         "pipeline: " +
         name +
         "\n"
         "source:\n"
         "  root: \"" +
         source_root +
         "\"\n"
         "  control: {socket: \"" +
         source_socket + "\"}\n" + in_source +
         "replicas:\n"
         "  copy:\n"
         "    transport:\n"
         "      plugin: transport-zmq\n"
         "      listen: \"" +
         listen +
         "\"\n"
         "      connect: \"" +
         connect + "\"\n" + in_transport + "    sink: {plugin: sink-fs, options: {root: \"" + replica_root +
         "\"}}\n"
         "    control: {socket: \"" +
         sink_socket + "\"}\n" + in_replica + at_top;
}

std::string PipelineFile::write(const std::string& path) const {
  write_file(path, text());
  return path;
}

namespace {

/// The name in "pipeline NAME" in what a mirror printed; nothing when it did not say one in time.
Arguments printed_handle(Process& process) {
  static const std::regex pattern("pipeline[ :='\"]+([A-Za-z0-9_-]+)");
  std::smatch match;
  std::string text;
  const bool found = wait_until(
      [&] {
        const bool ended = !process.running();
        text = process.out() + "\n" + process.err();
        return std::regex_search(text, match, pattern) || ended;
      },
      scaled(seconds(20)));
  if (!found || match.empty())
    throw std::runtime_error("osync mirror printed no \"pipeline NAME\":\n" + text);
  return {"--pipeline", match[1].str()};
}

} // namespace

Running::Running(const Workspace& workspace, const Arguments& arguments, Arguments handle)
    : workspace_(workspace), process_(workspace.command(arguments)), handle_(std::move(handle)),
      must_be_source_(!arguments.empty() && arguments.front() == "source") {}

std::unique_ptr<Running> Running::mirror(const Workspace& workspace, const Arguments& options) {
  auto running = std::make_unique<Running>(workspace, workspace.mirror(options), Arguments{});
  running->handle_ = printed_handle(running->process_);
  if (!running->answers()) throw std::runtime_error("osync mirror does not answer: " + running->log());
  return running;
}

Finished Running::tell(const std::string& command, const Arguments& more, milliseconds deadline) const {
  return workspace_.osync(Arguments{command} + handle_ + more, deadline);
}

bool Running::answers(milliseconds deadline) {
  const auto itself = [&] {
    const Finished status = tell("status", {"--json"});
    return status.exit_code == 0 &&
           (!must_be_source_ || status.out.find("\"role\":\"source\"") != std::string::npos);
  };
  return wait_until([&] { return !process_.running() || itself(); }, scaled(deadline)) && process_.running();
}

Finished Running::flush() const { return tell("flush", {"--timeout", "60s"}, seconds(70)); }

int Running::stop() {
  process_.send(SIGTERM);
  return process_.wait_exit(seconds(40)).value_or(-1);
}

bool mentions(const Finished& finished, const std::string& pattern) {
  const std::regex expression(pattern, std::regex::ECMAScript | std::regex::icase);
  return std::regex_search(finished.out, expression) || std::regex_search(finished.err, expression);
}

TwoProcesses::TwoProcesses(const Workspace& where, const std::string& pipeline_file,
                           const Arguments& source_options)
    : workspace(where), file(pipeline_file) {
  start_sink();
  start_source(source_options);
}

void TwoProcesses::start_source(const Arguments& options) {
  source.reset(); // the old one is gone before the new one wants its endpoint
  source = std::make_unique<Running>(
      workspace, Arguments{"source", "--state-dir", workspace.state()} + options + Arguments{file},
      Arguments{file});
}

void TwoProcesses::start_sink() {
  sink.reset();
  sink = std::make_unique<Running>(workspace, Arguments{"sink", file}, Arguments{file});
}

std::string TwoProcesses::log() {
  return "source: " + (source ? source->log() : "") + "\nsink: " + (sink ? sink->log() : "");
}

} // namespace osync::test
