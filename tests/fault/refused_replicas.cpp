// Replicas that osync does not touch unasked: someone else's files, another source's replica, a lost state
// directory.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/tcp_proxy.h"

#include <catch2/catch.hpp>
#include <filesystem>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

Finished mirror(const Workspace& workspace, const std::string& source, const Arguments& options = {}) {
  return workspace.osync(Arguments{"mirror", "--once", "--state-dir", workspace.state()} + options +
                         Arguments{source, workspace.replica()});
}

void check_refused(const Workspace& workspace, const std::string& source, const std::string& way_out) {
  const auto before = fingerprints(workspace.replica());
  const Finished finished = mirror(workspace, source);
  INFO(describe(finished));
  CHECK(finished.exit_code == 3);
  CHECK(mentions(finished, way_out));
  CHECK(fingerprints(workspace.replica()) == before);
}

void check_done(const Finished& finished) {
  INFO(describe(finished));
  REQUIRE(finished.exit_code == 0);
}

} // namespace

TEST_CASE("refused: a directory with files that is no replica, --adopt takes it and deletes nothing it had") {
  const Workspace workspace;
  write_many(workspace.source(), 50, 500);
  write_file(workspace.replica("holiday/photo"), "precious");
  write_file(workspace.replica("folder0/mine"), "precious too");
  write_file(workspace.replica("folder0/file7"), "an old copy");
  check_refused(workspace, workspace.source(), "--adopt");
  CHECK_FALSE(fs::exists(workspace.replica(".osync")));

  check_done(mirror(workspace, workspace.source(), {"--adopt"}));
  CHECK(read_file(workspace.replica("holiday/photo")) == "precious");
  CHECK(read_file(workspace.replica("folder0/mine")) == "precious too");
  CHECK(read_file(workspace.replica("folder0/file7")) == read_file(workspace.source("folder0/file7")));
  const CompareOptions but_theirs{.times = false, .left_out = {"holiday", "folder0/mine"}};
  CHECK(differences(workspace.source(), workspace.replica(), but_theirs) == "");

  // From now on it is a replica, but what it had before stays, run after run, until deleting is asked for.
  fs::remove(workspace.source("folder0/file8"));
  check_done(mirror(workspace, workspace.source()));
  CHECK(read_file(workspace.replica("holiday/photo")) == "precious");
  CHECK(read_file(workspace.replica("folder0/mine")) == "precious too");

  check_done(mirror(workspace, workspace.source(), {"--delete-extra"}));
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("refused: an adopted replica with a name in the way of a directory keeps what it had aside or "
          "fails, never deletes") {
  const Workspace workspace;
  write_file(workspace.source("name/below"), "x");
  write_file(workspace.replica("name"), "precious");
  const Finished finished = mirror(workspace, workspace.source(), {"--adopt"});
  INFO(describe(finished));
  CHECK((finished.exit_code == 0 || finished.exit_code == 1));
  bool kept = false;
  for (const auto& entry : fs::recursive_directory_iterator(workspace.replica()))
    kept = kept || (entry.is_regular_file() && read_file(entry.path()) == "precious");
  CHECK(kept);
}

TEST_CASE("refused: the replica of another source, --take-over takes it and makes it equal") {
  const Workspace workspace;
  write_many(workspace.source(), 50, 500, 1);
  write_many(workspace / "another", 60, 500, 2);
  write_file(workspace / "another/only here", "x");
  check_done(mirror(workspace, workspace / "another"));
  check_refused(workspace, workspace.source(), "--take-over");
  check_done(mirror(workspace, workspace.source(), {"--take-over"}));
  CHECK(differences(workspace.source(), workspace.replica()) == "");
  check_refused(workspace, workspace / "another", "--take-over"); // it changed hands
  check_done(mirror(workspace, workspace.source()));
}

TEST_CASE("refused: a lost state directory, --take-over costs a comparison and rewrites nothing") {
  const Workspace workspace;
  write_many(workspace.source(), 200, 500);
  check_done(mirror(workspace, workspace.source()));
  fs::remove_all(workspace.state());
  fs::create_directory(workspace.state());
  check_refused(workspace, workspace.source(), "--take-over");
  const auto before = fingerprints(workspace.replica());
  check_done(mirror(workspace, workspace.source(), {"--take-over"}));
  CHECK(fingerprints(workspace.replica()) == before);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
  check_done(mirror(workspace, workspace.source()));
}

TEST_CASE("refused: the replica is in use by another osync") {
  const Workspace workspace;
  write_many(workspace.source(), 50, 500);
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);
  const Finished second = mirror(workspace, workspace.source());
  INFO(describe(second));
  CHECK(second.exit_code != 0);
  CHECK_FALSE(second.timed_out);
  CHECK(mentions(second, "in use|lock|running|another"));
  CHECK(running->process().running());
  write_file(workspace.source("folder0/new"), "new");
  CHECK(running->flush().exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("refused: over two processes too, sink --adopt takes the directory, and its consent is asked for once") {
  const Workspace workspace;
  write_many(workspace.source(), 50, 500);
  write_file(workspace.replica("holiday/photo"), "precious");
  const std::string file = PipelineFile(workspace).over_tcp(free_port()).write(workspace / "pipeline.yaml");
  const auto sync = [&](const Arguments& consent) {
    Process source(workspace.command({"source", "--once", "--state-dir", workspace.state(), file}));
    const Finished sink = workspace.osync(Arguments{"sink"} + consent + Arguments{file});
    const int exit_code = source.wait_exit().value_or(-1);
    INFO(describe(sink) << describe(source.finished()));
    CHECK_FALSE(sink.timed_out);
    return std::pair(exit_code, sink);
  };
  const auto [refused_source, refused_sink] = sync({});
  CHECK(refused_source == 4); // it was refused; why is the sink's to know
  CHECK(refused_sink.exit_code == 3);
  CHECK(mentions(refused_sink, "--adopt"));
  CHECK_FALSE(fs::exists(workspace.replica(".osync")));
  for (const Arguments& consent : {Arguments{"--adopt"}, Arguments{}}) {
    const auto [source, sink] = sync(consent);
    CHECK(source == 0);
    CHECK(sink.exit_code == 0);
    CHECK(read_file(workspace.replica("holiday/photo")) == "precious");
  }
  const CompareOptions but_theirs{.left_out = {"holiday"}};
  CHECK(differences(workspace.source(), workspace.replica(), but_theirs) == "");
}

TEST_CASE("refused: run and sink of another source's replica, --take-over takes it") {
  const Workspace workspace;
  write_many(workspace.source(), 50, 500, 1);
  write_many(workspace / "another", 60, 500, 2);
  check_done(mirror(workspace, workspace / "another"));
  PipelineFile pipeline(workspace);
  const std::string file = pipeline.write(workspace / "pipeline.yaml");
  const auto run_once = [&](const Arguments& options) {
    return workspace.osync(Arguments{"run", "--once", "--state-dir", workspace.state()} + options + Arguments{file});
  };
  const Finished refused = run_once({});
  INFO(describe(refused));
  CHECK(refused.exit_code == 3);
  CHECK(mentions(refused, "--take-over"));
  check_done(run_once({"--take-over"}));
  CHECK(differences(workspace.source(), workspace.replica()) == "");
  check_done(run_once({}));

  fs::remove_all(workspace.state() + "/" + pipeline.name); // now as two processes
  Process source(workspace.command({"source", "--once", "--state-dir", workspace.state(), file}));
  check_done(workspace.osync({"sink", "--take-over", file}));
  CHECK(source.wait_exit() == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}
