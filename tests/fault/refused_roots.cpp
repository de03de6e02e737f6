// Roots that osync refuses: equal or nested ones, remote ones, and a source that was never there.
#include "support/compare_trees.h"
#include "support/file_systems.h"
#include "support/osync_command.h"
#include "support/skip.h"

#include <catch2/catch.hpp>
#include <filesystem>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

Finished mirror(const Workspace& workspace, const std::string& source, const std::string& replica) {
  return workspace.osync({"mirror", "--once", "--state-dir", workspace.state(), source, replica});
}

/// Refused with 3, saying that one is the other or lies in it; nothing below `workspace` was touched.
void check_refused(const Workspace& workspace, const std::string& source, const std::string& replica) {
  const auto before = fingerprints(workspace.source());
  const Finished finished = mirror(workspace, source, replica);
  INFO("from " << source << " to " << replica << "\n" << describe(finished));
  CHECK(finished.exit_code == 3);
  CHECK(mentions(finished, "equal|same|nested|inside|within|below|contains"));
  CHECK(fingerprints(workspace.source()) == before);
  CHECK_FALSE(fs::exists(source + "/.osync"));
  CHECK_FALSE(fs::exists(replica + "/.osync"));
}

/// source/file, source/sub/file
void fill(const Workspace& workspace) {
  write_file(workspace.source("file"), "content");
  write_file(workspace.source("sub/file"), "content");
}

} // namespace

TEST_CASE("refused: equal and nested roots, either way") {
  const Workspace workspace;
  fill(workspace);
  check_refused(workspace, workspace.source(), workspace.source());
  check_refused(workspace, workspace.source(), workspace.source("sub"));
  check_refused(workspace, workspace.source("sub"), workspace.source());
  check_refused(workspace, workspace.source(), workspace.source("sub/../sub/."));
  check_refused(workspace, workspace.source(),
                workspace.source("not there yet")); // would be made inside the source
  check_refused(workspace, workspace.source(), workspace.source("sub/nor/this"));
}

TEST_CASE("refused: equal and nested roots behind symlinks") {
  const Workspace workspace;
  fill(workspace);
  fs::create_directory_symlink(workspace.source(), workspace / "to the source");
  fs::create_directory_symlink(workspace.source("sub"), workspace / "to the inside");
  check_refused(workspace, workspace.source(), workspace / "to the source");
  check_refused(workspace, workspace.source(), workspace / "to the inside");
  check_refused(workspace, workspace / "to the inside", workspace.source());
  check_refused(workspace, workspace.source(), workspace / "to the inside/not there yet");
}

TEST_CASE("refused: equal and nested roots behind bind mounts") {
  const auto missing = file_system_missing("bind");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const Workspace workspace;
  fill(workspace);
  fs::create_directory(workspace / "bound");
  const Mount bound = Mount::bind(workspace.source(), workspace / "bound");
  check_refused(workspace, workspace.source(), workspace / "bound");
  check_refused(workspace, workspace.source("sub"), workspace / "bound");
  check_refused(workspace, workspace / "bound", workspace.source("sub"));
}

TEST_CASE("refused: nested roots in a pipeline file too") {
  const Workspace workspace;
  fill(workspace);
  PipelineFile pipeline(workspace);
  pipeline.replica_root = workspace.source("sub");
  const Finished finished = workspace.osync(
      {"run", "--once", "--state-dir", workspace.state(), pipeline.write(workspace / "pipeline.yaml")});
  INFO(describe(finished));
  CHECK(finished.exit_code == 3);
  CHECK_FALSE(fs::exists(workspace.source("sub/.osync")));
}

TEST_CASE("roots with a common beginning of their names are not nested") {
  const Workspace workspace;
  write_file(workspace / "tree/file", "content");
  const Finished finished = mirror(workspace, workspace / "tree", workspace / "tree2");
  INFO(describe(finished));
  CHECK(finished.exit_code == 0);
  CHECK(differences(workspace / "tree", workspace / "tree2") == "");
}

TEST_CASE("refused: host:/path is reserved") {
  const Workspace workspace;
  fill(workspace);
  for (const char* remote : {"host:/srv/photos", "user@host:/srv"}) {
    const Finished to = mirror(workspace, workspace.source(), remote);
    INFO(remote << "\n" << describe(to));
    CHECK(to.exit_code == 2);
    CHECK(mentions(to, "host:|remote|ssh"));
    CHECK(mirror(workspace, remote, workspace.replica()).exit_code == 2);
  }
  CHECK(fs::is_empty(workspace.replica()));
}

TEST_CASE("refused: a source that was never valid is wrong use") {
  const Workspace workspace;
  write_file(workspace / "a file", "x");
  for (const std::string& source : {workspace / "nowhere", workspace / "a file"}) {
    const Finished finished = mirror(workspace, source, workspace.replica());
    INFO(source << "\n" << describe(finished));
    CHECK(finished.exit_code == 2);
    CHECK(mentions(finished, source.substr(source.rfind('/') + 1)));
  }
  CHECK(fs::is_empty(workspace.replica()));
}

TEST_CASE("refused: a replica root that is a file") {
  const Workspace workspace;
  fill(workspace);
  write_file(workspace / "a file", "stays");
  const Finished finished = mirror(workspace, workspace.source(), workspace / "a file");
  INFO(describe(finished));
  CHECK(finished.exit_code == 2);
  CHECK(read_file(workspace / "a file") == "stays");
}
