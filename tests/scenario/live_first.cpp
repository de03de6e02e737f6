// A live change does not wait for the backlog, wherever in the tree it is.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/tcp_proxy.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <filesystem>

using namespace osync::test;
namespace fs = std::filesystem;

TEST_CASE(
    "live first: changes at both ends of the tree arrive within a second while a backlog is on a slow line",
    "[live-first]") {
  const Workspace workspace;
  for (const char* name : {"aaa", "mmm", "zzz"}) write_many(workspace.source(name), 2000, 6000);
  const std::uint16_t port = free_port();
  TcpProxy proxy(port);
  proxy.limit(2 << 20); // 18 MB of backlog: 9 s
  PipelineFile pipeline(workspace);
  pipeline.listen = loopback_endpoint(port);
  pipeline.connect = loopback_endpoint(proxy.port());
  TwoProcesses both(workspace, pipeline.write(workspace / "pipeline.yaml"));
  REQUIRE(both.source->answers());
  REQUIRE(wait_until([&] { return count_entries(workspace.replica()) > 50; }, scaled(seconds(20))));
  for (const char* name :
       {"aaa/folder0/live", "zzz/folder19/live", "mmm/live", "zzz/new folder/deeper/live"}) {
    write_file(workspace.source(name), "live");
    const bool arrived = wait_until([&] { return fs::exists(workspace.replica(name)); }, scaled(seconds(1)));
    INFO(name << "\n" << both.log());
    CHECK(arrived);
  }
  CHECK(count_entries(workspace.replica()) <
        count_entries(workspace.source())); // the backlog was still on its way
  proxy.limit(0);
  REQUIRE(both.source->flush().exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}
