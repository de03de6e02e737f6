// What osync is started in: another prefix, another user, closed or broken standard streams, odd directories.
#include "support/paths.h"
#include "support//compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/skip.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <sys/stat.h>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

constexpr uid_t nobody = 65534;

mode_t mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(lstat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

/// `script` of sh(1), whose $0 is osync and whose other parameters are `arguments`.
Command shell(const Workspace& workspace, const std::string& script, const Arguments& arguments,
              const std::string& osync = osync_binary()) {
  Command command = workspace.command({});
  command.argv = Arguments{"/bin/sh", "-c", script, osync} + arguments;
  return command;
}

} // namespace

TEST_CASE("an installation in another prefix finds its plugins, wherever it was configured for") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  const Finished installed = run({{"cmake", "--install", binary_directory(), "--prefix", workspace / "opt/osync"}}, seconds(120));
  INFO(describe(installed));
  REQUIRE(installed.exit_code == 0);
  Command command = workspace.command({});
  command.argv = {workspace / "opt/osync/bin/osync", "plugins"};
  const Finished plugins = run(command);
  INFO(describe(plugins));
  CHECK(plugins.out.find(workspace / "opt/osync/lib") != std::string::npos);
  command.argv = Arguments{workspace / "opt/osync/bin/osync"} + workspace.mirror({"--once"});
  const Finished mirrored = run(command);
  INFO(describe(mirrored));
  CHECK(mirrored.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
  // A link to the executable is not where it is.
  fs::create_symlink(workspace / "opt/osync/bin/osync", workspace / "osync");
  command.argv = {workspace / "osync", "plugins", "inspect", "sink-fs"};
  CHECK(run(command).exit_code == 0);
}

TEST_CASE("another user: state and sockets are below XDG_STATE_HOME and XDG_RUNTIME_DIR, private, and nothing fails") {
  OSYNC_NEEDS_ROOT();
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  workspace.give_to(nobody);
  Process process(workspace.command_as(nobody, {"mirror", workspace.source(), workspace.replica()}));
  const auto line = process.read_line(Process::Stream::out);
  REQUIRE(line);
  const std::string name = line->substr(line->find(' ') + 1);
  const auto tell = [&](const Arguments& arguments) {
    return run(workspace.command_as(nobody, arguments + Arguments{"--pipeline", name}));
  };
  const Finished flushed = tell({"flush", "--timeout", "30s"});
  INFO(describe(flushed) << process.err());
  CHECK(flushed.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
  CHECK(mode_of(workspace / "run/osync/" + name) == 0700);
  CHECK(mode_of(workspace / "run/osync/" + name + "/source.sock") == 0600);
  CHECK(mode_of(workspace.state() + "/osync/" + name) == 0700);
  CHECK(tell({"stop"}).exit_code == 0);
  CHECK(process.wait_exit() == 0);
}

TEST_CASE("another user: without any home the message says what to give, with --state-dir all is well") {
  OSYNC_NEEDS_ROOT();
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  workspace.give_to(nobody);
  const std::string script = "unset HOME XDG_STATE_HOME XDG_RUNTIME_DIR; exec \"$0\" \"$@\"";
  const std::string osync = osync_for_everybody();
  Command homeless = shell(workspace, script, {"mirror", "--once", workspace.source(), workspace.replica()}, osync);
  homeless.user = nobody;
  const Finished refused = run(homeless);
  INFO(describe(refused));
  CHECK(refused.exit_code == 2);
  CHECK(mentions(refused, "--state-dir"));
  Command told = shell(workspace, script, workspace.mirror({"--once"}), osync);
  told.user = nobody;
  const Finished mirrored = run(told);
  INFO(describe(mirrored));
  CHECK(mirrored.exit_code == 0);
}

TEST_CASE("closed standard streams: no file of the replica or the source gets what was meant for them") {
  const Workspace workspace;
  write_many(workspace.source(), 100, 3000);
  const Arguments mirror = workspace.mirror({"--once", "--log-level", "debug", "--progress"});
  const Finished finished = run(shell(workspace, "exec \"$0\" \"$@\" <&- >&- 2>&-", mirror));
  CHECK(finished.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("standard output into a pipe that nobody reads: the work goes on") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  const Arguments mirror = workspace.mirror({"--once", "--dry-run"}); // prints a line an entry
  const std::string script = "{ \"$0\" \"$@\"; echo \"exit $?\" >&2; } | true";
  const Finished finished = run(shell(workspace, script, mirror));
  INFO(describe(finished));
  CHECK(finished.err.find("exit 0") != std::string::npos);
}

TEST_CASE("control socket: a directory that is shared stays as it is, one that is missing is made private") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  fs::create_directory(workspace / "shared");
  REQUIRE(chmod((workspace / "shared").c_str(), 01777) == 0);
  PipelineFile pipeline(workspace);
  pipeline.source_socket = workspace / "shared/source.sock";
  pipeline.sink_socket = workspace / "new/sink.sock";
  const std::string file = pipeline.write(workspace / "pipeline.yaml");
  Running running(workspace, {"run", "--state-dir", workspace.state(), file}, {file});
  REQUIRE(running.answers());
  CHECK(mode_of(workspace / "shared") == 01777);
  CHECK(mode_of(pipeline.source_socket) == 0600);
  CHECK(mode_of(workspace / "new") == 0700);
  CHECK(mode_of(pipeline.sink_socket) == 0600);
  CHECK(workspace.osync({"status", pipeline.sink_socket}).exit_code == 0);
  CHECK(running.stop() == 0);
  CHECK(fs::is_empty(workspace / "shared"));
}
