// A large file is a cursor: live changes pass it, it resumes nowhere half-written, and a reader never sees a
// part of it.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/tcp_proxy.h"
#include "support/wait.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t mebibyte = 1 << 20;

} // namespace

TEST_CASE("large file: small live changes pass a file of 300 MiB on a slow line within two seconds") {
  const Workspace workspace;
  write_large(workspace.source("large"), 300 * mebibyte);
  const std::uint16_t port = free_port();
  TcpProxy proxy(port);
  proxy.limit(40 * mebibyte);
  PipelineFile pipeline(workspace);
  pipeline.listen = loopback_endpoint(port);
  pipeline.connect = loopback_endpoint(proxy.port());
  TwoProcesses both(workspace, pipeline.write(workspace / "pipeline.yaml"));
  REQUIRE(wait_until([&] { return proxy.forwarded() > 20 * mebibyte; }, scaled(seconds(20))));

  milliseconds longest{0};
  for (int round = 0; round < 5; ++round) {
    const std::string name = "small" + std::to_string(round);
    const auto begun = std::chrono::steady_clock::now();
    write_file(workspace.source(name), "small");
    const bool arrived = wait_until([&] { return fs::exists(workspace.replica(name)); }, scaled(seconds(2)));
    INFO(both.log());
    REQUIRE(arrived);
    longest =
        std::max(longest, std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun));
  }
  UNSCOPED_INFO("longest: " << longest.count() << " ms");
  CHECK_FALSE(fs::exists(workspace.replica("large"))); // never a part of it under its name
  CHECK(proxy.forwarded() < 300 * mebibyte);           // and it was under way all the time

  proxy.limit(0);
  const Finished flushed = both.source->flush();
  INFO(describe(flushed));
  INFO(both.log());
  REQUIRE(flushed.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("large file: a reader of the replica sees the old file or the new one") {
  const Workspace workspace;
  write_large(workspace.source("large"), 64 * mebibyte, 1);
  const auto running = Running::mirror(workspace);
  REQUIRE(running->flush().exit_code == 0);
  const std::string old_content = read_file(workspace.replica("large"));
  write_large(workspace.source("next"), 64 * mebibyte, 2);
  const std::string new_content = read_file(workspace.source("next"));
  fs::rename(workspace.source("next"), workspace.source("large"));
  bool always_whole = true;
  const bool arrived = wait_until(
      [&] {
        const std::string content = read_file(workspace.replica("large"));
        always_whole = always_whole && (content == old_content || content == new_content);
        return content == new_content;
      },
      scaled(seconds(20)));
  INFO(running->log());
  CHECK(arrived);
  CHECK(always_whole);
}

TEST_CASE(
    "large file: sparse, 1 GiB with 16 pieces of data, arrives sparse, changed while it is on the way") {
  const Workspace workspace;
  const auto piece = [&](int index, char letter) {
    std::fstream file(workspace.source("sparse"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(index) * 64 * static_cast<std::streamoff>(mebibyte) + 8192);
    file << std::string(65536, letter);
  };
  write_file(workspace.source("sparse"), "");
  fs::resize_file(workspace.source("sparse"), 1024 * mebibyte);
  for (int index = 0; index < 16; ++index) piece(index, 'a');
  write_large(workspace.source("growing"), 30 * mebibyte);
  const std::string file = PipelineFile(workspace).over_tcp(free_port()).write(workspace / "pipeline.yaml");
  TwoProcesses both(workspace, file);
  for (int index = 0; index < 16; index += 3) piece(index, 'b');
  for (int index = 0; index < 20; ++index)
    std::ofstream(workspace.source("growing"), std::ios::app) << index << " more\n";
  REQUIRE(both.source->answers());
  const Finished flushed = both.source->flush();
  INFO(describe(flushed));
  INFO(both.log());
  REQUIRE(flushed.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica(), {.sparse_slack = 4 * mebibyte}) == "");
}

TEST_CASE("large file: removed, truncated and replaced while it is on a slow line") {
  const Workspace workspace;
  for (const char* name : {"removed", "truncated", "replaced", "stays"})
    write_large(workspace.source(name), 16 * mebibyte);
  const std::uint16_t port = free_port();
  TcpProxy proxy(port);
  proxy.limit(16 * mebibyte);
  PipelineFile pipeline(workspace);
  pipeline.listen = loopback_endpoint(port);
  pipeline.connect = loopback_endpoint(proxy.port());
  TwoProcesses both(workspace, pipeline.write(workspace / "pipeline.yaml"));
  REQUIRE(wait_until([&] { return proxy.forwarded() > 6 * mebibyte; }, scaled(seconds(20))));
  fs::remove(workspace.source("removed"));
  fs::resize_file(workspace.source("truncated"), 1000);
  write_file(workspace.source("replaced~"), "short now");
  fs::rename(workspace.source("replaced~"), workspace.source("replaced"));
  proxy.limit(0);
  REQUIRE(both.source->answers());
  const Finished flushed = both.source->flush();
  INFO(describe(flushed));
  INFO(both.log());
  REQUIRE(flushed.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}
