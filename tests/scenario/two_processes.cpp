// `osync source` and `osync sink` as two processes, over tcp and ipc, with the tree in use and with either
// side dying.
#include "support/churn.h"
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/tcp_proxy.h"
#include "support/varied_tree.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t mebibyte = 1 << 20;

void require_flushed_equal(const Workspace& workspace, TwoProcesses& both) {
  INFO(both.log());
  REQUIRE(both.source->answers());
  const Finished flushed = both.source->flush();
  INFO(describe(flushed));
  REQUIRE(flushed.exit_code == 0);
  REQUIRE(differences(workspace.source(), workspace.replica()) == "");
  REQUIRE(both.source->process().running());
  REQUIRE(both.sink->process().running());
}

/// A pipeline whose sink connects through a proxy.
struct Proxied {
  explicit Proxied(const Workspace& workspace) : port(free_port()), proxy(port) {
    PipelineFile pipeline(workspace);
    pipeline.listen = loopback_endpoint(port);
    pipeline.connect = loopback_endpoint(proxy.port());
    file = pipeline.write(workspace / "pipeline.yaml");
  }
  const std::uint16_t port;
  TcpProxy proxy;
  std::string file;
};

bool replica_has(const Workspace& workspace, std::size_t entries) {
  return wait_until([&] { return count_entries(workspace.replica()) >= entries; }, scaled(seconds(20)));
}

void must_run(const Arguments& argv) {
  const Finished finished = run({argv}, seconds(120));
  INFO(describe(finished));
  REQUIRE(finished.exit_code == 0);
}

} // namespace

TEST_CASE("source and sink: the varied tree over tcp and over ipc, then what changes") {
  const Workspace workspace;
  const std::string kind = GENERATE(as<std::string>{}, "tcp", "ipc");
  PipelineFile pipeline(workspace);
  if (kind == "tcp") pipeline.over_tcp(free_port());
  INFO(pipeline.text());
  make_varied_tree(workspace.source(), {.seed = 51, .small_files = 200, .wide_files = 500});
  TwoProcesses both(workspace, pipeline.write(workspace / "pipeline.yaml"));
  require_flushed_equal(workspace, both);
  CHECK(rsync_differences(workspace.source(), workspace.replica(), {"/deep"}) == "");

  fs::rename(workspace.source("small"), workspace.source("empty/small"));
  write_many(workspace.source("empty/small/new"), 200, 2000);
  fs::remove_all(workspace.source("names"));
  require_flushed_equal(workspace, both);
  CHECK(both.source->stop() == 0);
  CHECK(both.sink->stop() == 0);
}

TEST_CASE("source: prints where it listens once it is bound") {
  const Workspace workspace;
  const std::uint16_t port = free_port();
  const std::string file = PipelineFile(workspace).over_tcp(port).write(workspace / "pipeline.yaml");
  Process source(workspace.command({"source", "--state-dir", workspace.state(), file}));
  CHECK(source.read_line(Process::Stream::out) == "listening on tcp://127.0.0.1:" + std::to_string(port));
}

TEST_CASE("source --once: exits 0 when all is durable, and the sink ends with it") {
  const Workspace workspace;
  write_many(workspace.source(), 1500, 3000);
  const std::string file = PipelineFile(workspace).over_tcp(free_port()).write(workspace / "pipeline.yaml");
  TwoProcesses both(workspace, file, {"--once"});
  const auto source_code = both.source->process().wait_exit(seconds(60));
  const auto sink_code = both.sink->process().wait_exit(seconds(20));
  INFO(both.log());
  CHECK(source_code == 0);
  CHECK(sink_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("run: both sides of a file in one process") {
  const Workspace workspace;
  write_many(workspace.source(), 500, 3000);
  const std::string file = PipelineFile(workspace).write(workspace / "pipeline.yaml");
  const Finished finished = workspace.osync({"run", "--once", "--state-dir", workspace.state(), file});
  INFO(describe(finished));
  REQUIRE(finished.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("two processes: a tree in use, while the first sync runs and after it") {
  const Workspace workspace;
  const std::string archive = workspace / "headers.tar";
  must_run({"tar", "-C", "/usr/include", "-cf", archive, "linux", "c++"});
  fs::create_directory(workspace.source("headers"));
  must_run({"tar", "-C", workspace.source("headers"), "-xf", archive});
  for (const char* name : {"busy", "busier", "late"}) fs::create_directory(workspace.source(name));
  const std::string file = PipelineFile(workspace).over_tcp(free_port()).write(workspace / "pipeline.yaml");
  TwoProcesses both(workspace, file);

  Churn churn(workspace.source("busy"), {.seed = 61});
  Churn other(workspace.source("busier"), {.seed = 62, .most_files = 300});
  must_run({"tar", "-C", workspace.source("late"), "-xf", archive});
  fs::rename(workspace.source("headers/linux"), workspace.source("late/linux2"));
  const std::string repository = workspace.source("late");
  must_run({"git", "-c", "init.defaultBranch=main", "-C", repository, "init", "-q"});
  must_run({"git", "-C", repository, "add", "."});
  must_run({"git", "-C", repository, "-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-q",
            "-m", "all"});
  must_run({"git", "-C", repository, "gc", "-q"});
  must_run({"cp", "-a", workspace.source("headers"), workspace.source("copied")});
  fs::remove_all(workspace.source("headers"));
  REQUIRE(wait_until([&] { return churn.done() >= 5000; }, scaled(seconds(30))));
  INFO(churn.finish() + other.finish() << " operations of churn");
  require_flushed_equal(workspace, both);
  CHECK(rsync_differences(workspace.source(), workspace.replica()) == "");
  CHECK(both.source->stop() == 0);
}

TEST_CASE("two processes: the sink is killed in the middle of the first sync and started again") {
  const Workspace workspace;
  write_many(workspace.source(), 4000, 6000);
  write_large(workspace.source("large"), 20 * mebibyte);
  Proxied line(workspace);
  line.proxy.limit(8 * mebibyte);
  TwoProcesses both(workspace, line.file);
  REQUIRE(replica_has(workspace, 300));
  both.sink->process().send(SIGKILL);
  REQUIRE(both.sink->process().wait_exit() == 128 + SIGKILL);
  REQUIRE(count_entries(workspace.replica()) <
          count_entries(workspace.source())); // it was in the middle indeed

  write_file(workspace.source("folder3/file301"), "changed while the sink was away");
  fs::rename(workspace.source("folder4"), workspace.source("folder5/moved while the sink was away"));
  fs::remove_all(workspace.source("folder0"));
  line.proxy.limit(0);
  both.start_sink();
  require_flushed_equal(workspace, both);
}

TEST_CASE("two processes: the sink is killed again and again under churn") {
  const Workspace workspace;
  const std::uint64_t seed = 71;
  INFO("seed " << seed);
  write_many(workspace.source("backlog"), 2000, 3000);
  fs::create_directory(workspace.source("busy"));
  const std::string file = PipelineFile(workspace).over_tcp(free_port()).write(workspace / "pipeline.yaml");
  TwoProcesses both(workspace, file);
  Churn churn(workspace.source("busy"), {.seed = seed});
  for (std::size_t round = 1; round <= 4; ++round) {
    REQUIRE(wait_until([&] { return churn.done() >= round * 800; }, scaled(seconds(20))));
    both.sink->process().send(SIGKILL);
    REQUIRE(both.sink->process().wait_exit() == 128 + SIGKILL);
    both.start_sink();
  }
  INFO(churn.finish() << " operations");
  require_flushed_equal(workspace, both);
}

TEST_CASE("two processes: the source is killed in the middle and started again") {
  const Workspace workspace;
  write_many(workspace.source(), 4000, 6000);
  Proxied line(workspace);
  line.proxy.limit(6 * mebibyte);
  TwoProcesses both(workspace, line.file);
  REQUIRE(replica_has(workspace, 300));
  both.source->process().send(SIGKILL);
  REQUIRE(both.source->process().wait_exit() == 128 + SIGKILL);
  write_file(workspace.source("folder1/file101"), "changed while the source was away");
  fs::remove_all(workspace.source("folder0"));
  fs::rename(workspace.source("folder2"), workspace.source("folder3/moved"));
  line.proxy.limit(0);
  both.start_source();
  require_flushed_equal(workspace, both);

  both.source->process().send(SIGKILL); // now with nothing under way
  REQUIRE(both.source->process().wait_exit() == 128 + SIGKILL);
  write_file(workspace.source("folder7/file701"), "changed again");
  both.start_source();
  require_flushed_equal(workspace, both);
}

TEST_CASE("two processes: the connection is cut in the first sync and under churn") {
  const Workspace workspace;
  const std::uint64_t seed = 81;
  INFO("seed " << seed);
  write_many(workspace.source("backlog"), 3000, 5000);
  fs::create_directory(workspace.source("busy"));
  Proxied line(workspace);
  line.proxy.limit(8 * mebibyte);
  TwoProcesses both(workspace, line.file);
  REQUIRE(replica_has(workspace, 200));
  Churn churn(workspace.source("busy"), {.seed = seed});
  for (std::size_t round = 1; round <= 3; ++round) {
    INFO("round " << round);
    const auto connections = line.proxy.connections();
    const auto done = churn.done();
    line.proxy.cut();
    REQUIRE(wait_until([&] { return churn.done() >= done + 1000; }, scaled(seconds(20))));
    line.proxy.allow();
    REQUIRE(wait_until([&] { return line.proxy.connections() > connections; }, scaled(seconds(30))));
  }
  line.proxy.limit(0);
  INFO(churn.finish() << " operations");
  require_flushed_equal(workspace, both);
  CHECK(both.source->process().running());
}

TEST_CASE("two processes: the sink stands still for a while, and nothing is lost") {
  const Workspace workspace;
  write_many(workspace.source(), 2000, 4000);
  const std::string file = PipelineFile(workspace).over_tcp(free_port()).write(workspace / "pipeline.yaml");
  TwoProcesses both(workspace, file);
  REQUIRE(replica_has(workspace, 100));
  both.sink->process().send(SIGSTOP);
  write_many(workspace.source("while it stood"), 1000, 4000, 2);
  both.sink->process().send(SIGCONT);
  require_flushed_equal(workspace, both);
}
