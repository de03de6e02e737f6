// Directories that move on the source move on the replica, and nothing of them is sent again.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

nlohmann::json figures(const Running& osync) {
  return nlohmann::json::parse(osync.tell("status", {"--json"}).out).at("replicas").at(0);
}

} // namespace

TEST_CASE("moves: a directory of 20,000 files is renamed by one operation") {
  const Workspace workspace;
  write_many(workspace.source("old"), 20'000, 100);
  const auto osync = Running::mirror(workspace);
  REQUIRE(osync->flush().exit_code == 0);
  const nlohmann::json before = figures(*osync);
  fs::rename(workspace.source("old"), workspace.source("new"));
  REQUIRE(osync->flush().exit_code == 0);
  const nlohmann::json after = figures(*osync);
  INFO(before.dump(1) << after.dump(1));
  CHECK(after.at("progress").at("moves_sent").get<int>() - before.at("progress").at("moves_sent").get<int>() == 1);
  CHECK(after.at("progress").at("bytes_sent").get<std::uint64_t>() - before.at("progress").at("bytes_sent").get<std::uint64_t>() < 20'000);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("moves: a directory renamed while it is half sent ends complete") {
  const Workspace workspace;
  write_many(workspace.source("tree/old"), 5'000, 2'000);
  const auto osync = Running::mirror(workspace);
  REQUIRE(wait_until([&] { return fs::exists(workspace.replica("tree/old")); }, scaled(seconds(20))));
  fs::rename(workspace.source("tree/old"), workspace.source("tree/new"));
  fs::rename(workspace.source("tree"), workspace.source("wood"));
  REQUIRE(osync->flush().exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("moves: names that a pattern of a whole path excluded are sent where they come to be") {
  const Workspace workspace;
  write_file(workspace.source("a/x.o"), "an object");
  write_file(workspace.source("a/x.c"), "a source");
  const auto osync = Running::mirror(workspace, {"--exclude", "/a/*.o"});
  REQUIRE(osync->flush().exit_code == 0);
  CHECK_FALSE(fs::exists(workspace.replica("a/x.o")));
  fs::rename(workspace.source("a"), workspace.source("b"));
  REQUIRE(osync->flush().exit_code == 0);
  CHECK(fs::exists(workspace.replica("b/x.o")));
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}
