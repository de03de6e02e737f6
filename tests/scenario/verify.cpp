// osync verify: what it finds on a replica in use, and that it writes only with --repair.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

std::set<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::set<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.insert(line);
  return lines;
}

/// Other bytes, and everything that stat(2) tells as before but for ctime.
void damage(const std::string& path) {
  struct stat before {};
  REQUIRE(lstat(path.c_str(), &before) == 0);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.put('#');
  }
  const timespec times[2] = {before.st_atim, before.st_mtim};
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

} // namespace

TEST_CASE("verify: differences made by hand on the replica are found, and gone after --repair") {
  const Workspace workspace;
  write_file(workspace.source("d/content"), "some content");
  write_file(workspace.source("d/gone"), "gone on the replica");
  write_file(workspace.source("d/mode"), "another mode there");
  write_file(workspace.source("same"), "the same");
  fs::create_hard_link(workspace.source("same"), workspace.source("linked"));
  const auto osync = Running::mirror(workspace);
  REQUIRE(osync->flush().exit_code == 0);
  CHECK(osync->tell("verify").exit_code == 0);
  CHECK(osync->tell("verify", {"--checksum"}).out.empty());

  damage(workspace.replica("d/content"));
  fs::remove(workspace.replica("d/gone"));
  REQUIRE(chmod(workspace.replica("d/mode").c_str(), 0600) == 0);
  write_file(workspace.replica("extra"), "only there");
  fs::remove(workspace.replica("linked"));
  fs::copy_file(workspace.replica("same"), workspace.replica("linked"));
  const Finished found = osync->tell("verify", {"--checksum"});
  INFO(found.out << found.err);
  CHECK(found.exit_code == 1);
  const std::set<std::string> lines = lines_of(found.out);
  CHECK(lines.contains("differs: d/content: content differs"));
  CHECK(lines.contains("differs: d/gone: not on the replica"));
  CHECK(lines.contains("differs: d/mode: mode differs"));
  CHECK(lines.contains("differs: extra: only on the replica"));
  CHECK(lines.contains("differs: d: mtime differs"));
  CHECK(std::any_of(lines.begin(), lines.end(), [](const std::string& line) { return line.find("linked: ") != std::string::npos; }));
  CHECK(fs::exists(workspace.replica("extra"))); // nothing was written
  CHECK_FALSE(fs::exists(workspace.replica("d/gone")));

  CHECK(osync->tell("verify", {"--checksum", "--repair"}).exit_code == 1);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
  const Finished after = osync->tell("verify", {"--checksum"});
  INFO(after.out);
  CHECK(after.exit_code == 0);
}

TEST_CASE("verify: what changes while it compares is no difference") {
  const Workspace workspace;
  write_many(workspace.source("tree"), 600, 100);
  const auto osync = Running::mirror(workspace);
  REQUIRE(osync->flush().exit_code == 0);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string name = workspace.source("tree/churn" + std::to_string(i % 50));
      std::ofstream(name) << i;
      if (i % 7 == 0) fs::remove(name);
    }
  });
  std::string out;
  int worst = 0;
  for (int i = 0; i < 3; ++i) {
    const Finished found = osync->tell("verify");
    worst = std::max(worst, found.exit_code);
    out += found.out;
  }
  stop = true;
  writer.join();
  INFO(out);
  CHECK(worst == 0);
}

TEST_CASE("verify: nobody there is exit 5") {
  const Workspace workspace;
  write_file(workspace.source("f"), "f");
  PipelineFile pipeline(workspace);
  const std::string file = pipeline.write(workspace / "pipeline.yaml");
  CHECK(workspace.osync({"verify", file}).exit_code == 5);
}
