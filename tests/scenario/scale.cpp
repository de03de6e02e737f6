// What holds at size; hidden, since each takes minutes: run with `scenario_tests "[.long]"`.
#include "support/compare_trees.h"
#include "support/descriptor.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/tcp_proxy.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

/// `count` files of 200 bytes below `root`, 1,000 a folder, by bare system calls.
void write_tree(const std::string& root, std::size_t count) {
  const std::string content(200, 'x');
  Descriptor folder;
  for (std::size_t index = 0; index < count; ++index) {
    if (index % 1000 == 0) {
      const std::string path = root + "/d" + std::to_string(index / 1000);
      must(mkdir(path.c_str(), 0755), "mkdir " + path);
      folder = Descriptor(must(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open " + path));
    }
    const std::string name = "f" + std::to_string(index);
    const Descriptor file(
        must(openat(folder.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), name));
    must(write(file.get(), content.data(), content.size()), name);
  }
}

} // namespace

TEST_CASE("scale: 1,000,000 files, both sides below 128 MiB of resident memory", "[.long]") {
  const Workspace workspace;
  write_tree(workspace.source(), 1000000);
  TwoProcesses both(workspace,
                    PipelineFile(workspace).over_tcp(free_port()).write(workspace / "pipeline.yaml"));
  REQUIRE(both.source->answers());
  const Finished flushed = both.source->tell("flush", {"--timeout", "10min"}, seconds(610));
  INFO(describe(flushed));
  REQUIRE(flushed.exit_code == 0);
  const std::size_t source_memory = both.source->process().peak_memory();
  const std::size_t sink_memory = both.sink->process().peak_memory();
  WARN("peak resident memory: source " << (source_memory >> 20) << " MiB, sink " << (sink_memory >> 20)
                                       << " MiB");
  CHECK(source_memory < std::size_t{128} << 20);
  CHECK(sink_memory < std::size_t{128} << 20);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("scale: live changes anywhere within a second, while 500,000 files of backlog are under way",
          "[.long]") {
  const Workspace workspace;
  write_tree(workspace.source(), 500000);
  TwoProcesses both(workspace,
                    PipelineFile(workspace).over_tcp(free_port()).write(workspace / "pipeline.yaml"));
  REQUIRE(wait_until([&] { return count_entries(workspace.replica()) > 1000; }, scaled(seconds(30))));
  // Which directory the scan reaches last is not said, so the ends of any order and the middle are tried.
  for (const char* folder : {"d0", "d499", "d99", "d250"}) {
    const std::string name = std::string(folder) + "/live";
    write_file(workspace.source(name), "live");
    const bool arrived = wait_until([&] { return fs::exists(workspace.replica(name)); }, scaled(seconds(1)));
    INFO(both.log());
    CHECK(arrived);
  }
  REQUIRE(count_entries(workspace.replica()) < 500000); // the backlog was indeed under way
  const Finished flushed = both.source->tell("flush", {"--timeout", "10min"}, seconds(610));
  REQUIRE(flushed.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("scale: /usr, some 100,000 real entries, by mirror --once and rsync's judgement", "[.long]") {
  const Workspace workspace;
  const Finished finished = workspace.osync(
      {"mirror", "--once", "--state-dir", workspace.state(), "/usr", workspace.replica()}, seconds(600));
  INFO(describe(finished));
  REQUIRE(finished.exit_code == 0);
  CHECK(rsync_differences("/usr", workspace.replica()) == "");
}
