// Operating a running osync: status, flush, stop, drain, pause, verify, and signals.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/tcp_proxy.h"
#include "support/wait.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t mebibyte = 1 << 20;

/// Whether any key in `value`, at any depth, contains `part`.
bool has_key(const nlohmann::json& value, const std::string& part) {
  if (!value.is_structured()) return false;
  for (const auto& [key, below] : value.items())
    if ((value.is_object() && key.find(part) != std::string::npos) || has_key(below, part)) return true;
  return false;
}

/// A source alone: its sink is away, so that nothing can become durable.
struct SourceAlone {
  explicit SourceAlone(const Workspace& workspace)
      : file(PipelineFile(workspace).over_tcp(free_port()).write(workspace / "pipeline.yaml")),
        source(workspace, {"source", "--state-dir", workspace.state(), file}, {file}) {}
  std::string file;
  Running source;
};

/// Whether SIGSTOP has reached every thread of the process (proc(5): the state comes after the name in brackets).
bool stands_still(pid_t pid) {
  for (const auto& thread : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    const std::string stat = read_file(thread.path() / "stat");
    if (stat.compare(stat.rfind(')'), 4, ") T ") != 0) return false;
  }
  return true;
}

} // namespace

TEST_CASE("status: for people, as JSON, and for monitoring") {
  const Workspace workspace;
  write_many(workspace.source(), 200, 1000);
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);

  const Finished text = running->tell("status");
  INFO(describe(text));
  CHECK(text.exit_code == 0);
  CHECK(mentions(text, "lag"));
  CHECK(mentions(text, "transfer|live")); // the phase

  const Finished machine = running->tell("status", {"--json"});
  INFO(describe(machine));
  CHECK(machine.exit_code == 0);
  const auto parsed = nlohmann::json::parse(machine.out, nullptr, false);
  REQUIRE(parsed.is_object());
  CHECK(has_key(parsed, "phase"));
  CHECK(has_key(parsed, "lag"));
  CHECK(has_key(parsed, "fail"));

  CHECK(running->tell("status", {"--check", "--max-lag", "15min"}).exit_code == 0);
  CHECK(running->tell("status", {"--check", "--max-lag", "15 parsecs"}).exit_code == 2);
}

TEST_CASE("status --check: worse than allowed is exit 1") {
  const Workspace workspace;
  write_many(workspace.source(), 10, 100);
  SourceAlone alone(workspace);
  REQUIRE(alone.source.answers());
  CHECK(wait_until(
      [&] {
        return alone.source.tell("status", {"--check", "--max-lag", "10ms"}).exit_code == 1;
      },
      scaled(seconds(10))));
}

TEST_CASE("commands find a pipeline by name, by file and by the socket's path") {
  const Workspace workspace;
  write_many(workspace.source(), 50, 1000);
  const PipelineFile pipeline(workspace);
  const std::string file = pipeline.write(workspace / "pipeline.yaml");
  Running running(workspace, {"run", "--state-dir", workspace.state(), file}, {file});
  REQUIRE(running.answers());
  const Finished by_socket = workspace.osync({"status", pipeline.source_socket});
  INFO(describe(by_socket));
  CHECK(by_socket.exit_code == 0);
  CHECK(running.flush().exit_code == 0);

  const auto mirror = [&] {
    const Workspace other;
    write_many(other.source(), 10, 10);
    return Running::mirror(other)->tell("status").exit_code; // by the name that it printed
  };
  CHECK(mirror() == 0);
}

TEST_CASE("flush: 6 on timeout, and it says why it waits") {
  const Workspace workspace;
  write_many(workspace.source(), 10, 100);
  SourceAlone alone(workspace);
  REQUIRE(alone.source.answers());
  const Finished flushed = alone.source.tell("flush", {"--timeout", "300ms"});
  INFO(describe(flushed));
  CHECK(flushed.exit_code == 6);
  CHECK(mentions(flushed, "sink|replica|copy"));
  CHECK(alone.source.process().running());
}

TEST_CASE("stop, drain and signals end with 0") {
  const Workspace workspace;
  write_many(workspace.source(), 500, 1000);
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);
  write_file(workspace.source("folder1/live"), "seen before the end");
  bool drained = false;
  SECTION("osync stop") { CHECK(running->tell("stop").exit_code == 0); }
  SECTION("osync drain") {
    CHECK(running->tell("drain").exit_code == 0);
    drained = true;
  }
  SECTION("SIGTERM") { running->process().send(SIGTERM); }
  SECTION("SIGINT") { running->process().send(SIGINT); }
  const auto code = running->process().wait_exit(seconds(40));
  INFO(running->log());
  REQUIRE(code == 0);
  if (drained) CHECK(differences(workspace.source(), workspace.replica()) == "");
  CHECK(running->tell("status").exit_code == 5);
}

TEST_CASE("SIGHUP at a terminal ends with 0") {
  const Workspace workspace;
  write_many(workspace.source(), 50, 1000);
  Command command = workspace.command(workspace.mirror());
  command.terminal = true;
  Process process(command);
  REQUIRE(wait_until([&] { return fs::exists(workspace.replica("folder0/file49")) || !process.running(); },
                     scaled(seconds(20))));
  process.send(SIGHUP);
  const auto code = process.wait_exit(seconds(40));
  INFO(describe(process.finished()));
  CHECK(code == 0);
}

TEST_CASE("drain: in the middle of the backlog it finishes all of it") {
  const Workspace workspace;
  write_many(workspace.source(), 3000, 4000);
  const std::uint16_t port = free_port();
  TcpProxy proxy(port);
  proxy.limit(6 * mebibyte);
  PipelineFile pipeline(workspace);
  pipeline.listen = loopback_endpoint(port);
  pipeline.connect = loopback_endpoint(proxy.port());
  TwoProcesses both(workspace, pipeline.write(workspace / "pipeline.yaml"));
  REQUIRE(wait_until([&] { return count_entries(workspace.replica()) >= 100; }, scaled(seconds(20))));
  REQUIRE(count_entries(workspace.replica()) < count_entries(workspace.source()));
  const Finished drained = both.source->tell("drain");
  INFO(describe(drained));
  CHECK(drained.exit_code == 0);
  CHECK(both.source->process().wait_exit(seconds(60)) == 0);
  INFO(both.log());
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("stop: in the middle of the backlog it ends soon, and the next start finishes") {
  const Workspace workspace;
  write_many(workspace.source(), 4000, 4000);
  const std::uint16_t port = free_port();
  TcpProxy proxy(port);
  proxy.limit(mebibyte); // the whole backlog would take 8 s and more
  PipelineFile pipeline(workspace);
  pipeline.listen = loopback_endpoint(port);
  pipeline.connect = loopback_endpoint(proxy.port());
  TwoProcesses both(workspace, pipeline.write(workspace / "pipeline.yaml"));
  REQUIRE(wait_until([&] { return count_entries(workspace.replica()) >= 50; }, scaled(seconds(20))));
  CHECK(both.source->tell("stop").exit_code == 0);
  const auto code = both.source->process().wait_exit(seconds(35));
  INFO(both.log());
  CHECK(code == 0);
  CHECK(count_entries(workspace.replica()) < count_entries(workspace.source()));
  proxy.limit(0);
  both.start_source();
  REQUIRE(both.source->answers());
  REQUIRE(both.source->flush().exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("a second SIGINT, and stop --now, end at once with 130") {
  const Workspace workspace;
  write_many(workspace.source(), 100, 100);
  const std::string file = PipelineFile(workspace).over_tcp(free_port()).write(workspace / "pipeline.yaml");
  TwoProcesses both(workspace, file);
  REQUIRE(both.source->answers());
  REQUIRE(both.source->flush().exit_code == 0);
  // A live change cannot become durable while the sink stands still, so that a stop has to wait for it.
  both.sink->process().send(SIGSTOP);
  REQUIRE(wait_until([&] { return stands_still(both.sink->process().pid()); }, scaled(seconds(10))));
  write_file(workspace.source("folder0/live"), "x");
  REQUIRE(both.source->tell("flush", {"--timeout", "300ms"}).exit_code == 6); // the source has seen it, too
  if (GENERATE(true, false)) {
    both.source->process().send(SIGINT);
    REQUIRE(both.source->process().wait_signal_taken(SIGINT));
    both.source->process().send(SIGINT);
  } else {
    (void)both.source->tell("stop", {"--now"});
  }
  const auto code = both.source->process().wait_exit(seconds(5));
  INFO(both.log());
  CHECK(code == 130);
}

TEST_CASE("option --progress goes to standard error, results alone to standard output") {
  const Workspace workspace;
  write_many(workspace.source(), 200, 1000);
  const auto running = Running::mirror(workspace, {"--progress"});
  CHECK(wait_until([&] { return running->process().err().find("lag") != std::string::npos; },
                   scaled(seconds(10))));
  const std::string err = running->process().err();
  INFO(err);
  for (const char* word : {"files", "backlog"}) CHECK(err.find(word) != std::string::npos);
  CHECK(running->process().out().find("backlog") == std::string::npos);
}

TEST_CASE("pause holds changes back, flush says so, resume goes on", "[pause]") {
  const Workspace workspace;
  write_many(workspace.source(), 100, 100);
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);
  REQUIRE(running->tell("pause").exit_code == 0);
  write_file(workspace.source("folder0/file1"), "changed while paused");
  const Finished held = running->tell("flush", {"--timeout", "500ms"});
  INFO(describe(held));
  CHECK(held.exit_code == 6);
  CHECK(mentions(held, "paused"));
  CHECK(read_file(workspace.replica("folder0/file1")) != "changed while paused");
  REQUIRE(running->tell("resume").exit_code == 0);
  CHECK(running->flush().exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("verify: nothing to say when equal, 1 and the path when not, and --repair puts it right",
          "[.verify]") {
  const Workspace workspace;
  write_many(workspace.source(), 100, 1000);
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);
  const Finished equal = running->tell("verify");
  INFO(describe(equal));
  CHECK(equal.exit_code == 0);
  CHECK(equal.out.empty());

  write_file(workspace.replica("folder0/file1"), "tampered with");
  const auto before = fingerprints(workspace.replica());
  const Finished different = running->tell("verify");
  INFO(describe(different));
  CHECK(different.exit_code == 1);
  CHECK(different.out.find("folder0/file1") != std::string::npos);
  CHECK(fingerprints(workspace.replica()) == before); // writes only with --repair
  CHECK(running->tell("verify", {"--repair"}).exit_code == 1);
  CHECK(running->flush().exit_code == 0);
  CHECK(running->tell("verify").exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}
