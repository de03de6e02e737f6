// What osync says about a run: the final reports of both sides, monitoring, and paths in all their forms.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/skip.h"
#include "support/tcp_proxy.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <sys/stat.h>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

/// The object that `side` printed as its final report; null when it printed none, or a line is no object.
nlohmann::json final_report(const std::string& err, const std::string& side) {
  nlohmann::json report;
  std::istringstream lines(err);
  for (std::string line; std::getline(lines, line);) {
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    INFO(line);
    CHECK(parsed.is_object());
    if (parsed.is_object() && parsed.value("message", "") == "final report" && parsed.value("side", "") == side)
      report = parsed;
  }
  return report;
}

/// A name that is not UTF-8, below a directory that only root may read.
const std::string odd_name = "odd\xff\nname";

/// Mirrors as the user nobody a file that it may not read: a failed path with an odd name.
struct Unreadable {
  Unreadable() {
    write_many(workspace.source(), 20, 100);
    workspace.give_to(65534);
    write_file(workspace.source(odd_name), "of root alone");
    REQUIRE(chmod(workspace.source(odd_name).c_str(), 0600) == 0);
  }
  [[nodiscard]] Command command(const Arguments& arguments) const {
    return workspace.command_as(65534, arguments);
  }
  Workspace workspace;
};

} // namespace

TEST_CASE("final report: both sides of a mirror, on standard error, as text and as JSON") {
  const Workspace workspace;
  write_many(workspace.source(), 120, 1000);
  const Finished text = workspace.mirror_once({"--log-level", "error"}); // it is no log line
  INFO(describe(text));
  REQUIRE(text.exit_code == 0);
  CHECK(text.out == "");
  CHECK(mentions(text, "final report of the source \\(replica replica\\): 12[0-9] entries sent, .* 0 removals, .* 0 paths "
                       "failed, 0 possibly torn, lag 0\\.000 s, in "));
  CHECK(mentions(text, "final report of the sink \\(replica replica\\): 12[0-9] entries changed, "));

  fs::remove(workspace.source("folder0/file1"));
  fs::remove(workspace.source("folder0/file2"));
  write_file(workspace.source("new"), "12345");
  const Finished json = workspace.mirror_once({"--log-format", "json", "--progress"});
  INFO(describe(json));
  REQUIRE(json.exit_code == 0);
  for (const char* side : {"source", "sink"}) {
    const auto report = final_report(json.err, side);
    REQUIRE(report.is_object());
    CHECK(report["removals"] == 2);
    CHECK(report["failures"] == 0);
    CHECK(report["seconds"] > 0);
    CHECK(report["possibly_torn"] == 0);
    CHECK(report["bytes"] >= 5);
  }
  CHECK(final_report(json.err, "source")["lag_ms"] == 0);
}

TEST_CASE("final report: source and sink as two processes, each its own, --once ends both") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 1000);
  const std::string file = PipelineFile(workspace).over_tcp(free_port()).write(workspace / "pipeline.yaml");
  TwoProcesses both(workspace, file, {"--once"});
  CHECK(both.source->process().wait_exit() == 0);
  CHECK(both.sink->process().wait_exit() == 0);
  INFO(both.log());
  CHECK(mentions(both.source->process().finished(), "final report of the source"));
  CHECK(mentions(both.sink->process().finished(), "final report of the sink"));
}

TEST_CASE("final report: after a stop, and after a refusal there is none") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 100);
  const auto running = Running::mirror(workspace);
  CHECK(running->stop() == 0);
  CHECK(mentions(running->process().finished(), "final report of the source"));
  const Finished refused = workspace.osync(
      {"mirror", "--state-dir", workspace.state(), "--log-format", "json", workspace.source(), workspace.source()});
  INFO(describe(refused));
  CHECK(refused.exit_code == 3);
  CHECK(final_report(refused.err, "source").is_null()); // and every line is an object
}

TEST_CASE("failed paths: escaped, raw with -0, and base64 in JSON, status --check says that there are some") {
  OSYNC_NEEDS_ROOT();
  Unreadable unreadable;
  const Workspace& workspace = unreadable.workspace;
  Process process(unreadable.command(workspace.mirror()));
  const auto line = process.read_line(Process::Stream::out);
  REQUIRE(line);
  const Arguments handle = {"--state-dir", workspace.state(), "--pipeline", line->substr(line->find(' ') + 1)};
  const auto tell = [&](const Arguments& arguments) { return run(unreadable.command(arguments + handle)); };
  const Finished text = tell({"flush", "--timeout", "30s"});
  INFO(describe(text) << process.err());
  CHECK(text.exit_code == 1);
  CHECK(text.out.starts_with("failed: odd\\xff\\x0aname: "));
  CHECK(tell({"flush", "-0", "--timeout", "30s"}).out == odd_name + std::string(1, '\0'));
  const auto status = nlohmann::json::parse(tell({"status", "--json"}).out, nullptr, false);
  REQUIRE(status.is_object());
  CHECK(status["replicas"][0]["failed_paths"][0]["path"] == nlohmann::json({{"bytes", "b2Rk/wpuYW1l"}}));
  CHECK(tell({"status"}).out.find("odd\\xff\\x0aname") != std::string::npos);
  const Finished check = tell({"status", "--check", "--max-lag", "15min"});
  CHECK(check.exit_code == 1);
  CHECK(check.out == "WORSE: 1 path failed\n");

  process.send(SIGTERM);
  CHECK(process.wait_exit() == 0);
  const Finished once = run(unreadable.command(workspace.mirror({"--once", "-0"})));
  INFO(describe(once));
  CHECK(once.exit_code == 1);
  CHECK(once.out == odd_name + std::string(1, '\0'));
}

TEST_CASE("status --check: a sink that is away, at either side, and held deletions") {
  const Workspace workspace;
  write_many(workspace.source(), 30, 100);
  PipelineFile pipeline(workspace);
  pipeline.over_tcp(free_port());
  pipeline.in_replica = "    delete: {hold_above: {percent: 0, entries: 5}}\n";
  const std::string file = pipeline.write(workspace / "pipeline.yaml");
  TwoProcesses both(workspace, file);
  REQUIRE(both.source->answers());
  REQUIRE(both.source->flush().exit_code == 0);
  CHECK(both.source->tell("status", {"--check"}).out == "OK\n");
  CHECK(both.source->stop() == 0);
  // Only the sink runs now: FILE means it.
  CHECK(wait_until([&] { return workspace.osync({"status", "--check", file}).exit_code == 1; }, scaled(seconds(20))));
  CHECK(workspace.osync({"status", "--check", file}).out == "WORSE: the source is not connected\n");
  const Finished flush = workspace.osync({"flush", file}); // the source, whom it is for, does not run
  INFO(describe(flush));
  CHECK(flush.exit_code == 5);
  CHECK(mentions(flush, "only a sink answers here"));
  CHECK(workspace.osync({"flush", pipeline.sink_socket}).exit_code == 2);

  for (int i = 0; i < 20; ++i) write_file(workspace.replica("extra" + std::to_string(i)), "nobody reported these");
  both.start_source();
  REQUIRE(both.source->answers());
  CHECK(both.source->flush().exit_code == 1);
  const Finished held = both.source->tell("status", {"--check"});
  CHECK(held.exit_code == 1);
  CHECK(held.out == "WORSE: 20 deletions are held (osync resume --accept-deletions)\n");
  CHECK(both.source->tell("resume", {"--accept-deletions"}).exit_code == 0);
  CHECK(both.source->flush().exit_code == 0);
  CHECK(both.source->tell("status", {"--check"}).exit_code == 0);
  CHECK(both.source->tell("status", {"--max-lag", "1s"}).exit_code == 2); // says nothing without --check
}

TEST_CASE("commands find a sink that runs alone, by name and by replica, in its default place") {
  const Workspace workspace;
  PipelineFile pipeline(workspace);
  pipeline.over_tcp(free_port());
  std::string text = pipeline.text();
  for (const std::string& socket : {pipeline.source_socket, pipeline.sink_socket}) {
    const std::string line = "control: {socket: \"" + socket + "\"}\n";
    const std::size_t at = text.find(line);
    REQUIRE(at != std::string::npos);
    text.replace(at, line.size(), "control: {}\n");
  }
  // A second replica, so that the sockets are named after theirs.
  text += "  other:\n    transport: {listen: \"tcp://127.0.0.1:0\", connect: \"tcp://127.0.0.1:1\"}\n"
          "    sink: {root: \"" + (workspace / "other") + "\"}\n";
  const std::string file = workspace / "pipeline.yaml";
  write_file(file, text);
  Running sink(workspace, {"sink", "--replica", "copy", file}, {file});
  REQUIRE(sink.answers());
  for (const Arguments& target : {Arguments{file}, Arguments{"--pipeline", pipeline.name},
                                  Arguments{"--pipeline", pipeline.name, "--replica", "copy"},
                                  Arguments{file, "--replica", "copy"}}) {
    const Finished status = workspace.osync(Arguments{"status"} + target);
    INFO(describe(status));
    CHECK(status.exit_code == 0);
    CHECK(status.out.find("sink copy") != std::string::npos);
  }
  CHECK(workspace.osync({"status", file, "--replica", "other"}).exit_code == 5);
  CHECK(workspace.osync({"status", file, "--replica", "nonsense"}).exit_code == 2);
  CHECK(workspace.osync({"status", "--pipeline", "../x"}).exit_code == 2);
  CHECK(workspace.osync({"status", "--pipeline", pipeline.name, file}).exit_code == 2);
  CHECK(workspace.osync({"stop", "--pipeline", pipeline.name}).exit_code == 0);
  CHECK(sink.process().wait_exit() == 0);
  CHECK(workspace.osync({"status", "--pipeline", pipeline.name}).exit_code == 5);
}
