// `attributes:` of a replica: what is left out is neither kept nor sent again for ever.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/skip.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

struct stat look(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) status.st_mode = 0; // absent
  return status;
}

void set_xattr(const std::string& path, const char* name, const std::string& value) {
  REQUIRE(setxattr(path.c_str(), name, value.data(), value.size(), 0) == 0);
}

bool has_xattr(const std::string& path, const char* name) { return getxattr(path.c_str(), name, nullptr, 0) >= 0; }

/// An owner of its own, a set-uid program, a set-gid directory, a device, two kinds of extended attributes, and enough
/// ordinary files that holding deletions back is no question.
void make_source(const Workspace& workspace) {
  write_many(workspace.source(), 50, 500);
  write_file(workspace.source("owned"), "of user 1234");
  REQUIRE(chown(workspace.source("owned").c_str(), 1234, 1234) == 0);
  write_file(workspace.source("program"), "#!/bin/true");
  REQUIRE(chmod(workspace.source("program").c_str(), 06755) == 0);
  fs::create_directory(workspace.source("shared"));
  REQUIRE(chmod(workspace.source("shared").c_str(), 02775) == 0);
  REQUIRE(mknod(workspace.source("null").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0);
  write_file(workspace.source("marked"), "with attributes");
  set_xattr(workspace.source("marked"), "user.colour", "red");
  set_xattr(workspace.source("marked"), "trusted.secret", "yes");
}

/// The report that the source printed at its end.
nlohmann::json report_of(const Finished& finished) {
  std::istringstream lines(finished.err);
  for (std::string line; std::getline(lines, line);) {
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    if (parsed.is_object() && parsed.value("message", "") == "final report" && parsed.value("side", "") == "source")
      return parsed;
  }
  return {};
}

/// Runs the file once, and again: the second time nothing may be sent. Then once more as a source that remembers nothing,
/// so that everything is compared by content.
void require_settled(const Workspace& workspace, const std::string& attributes) {
  PipelineFile pipeline(workspace);
  pipeline.in_replica = "    attributes: " + attributes + "\n";
  const std::string file = pipeline.write(workspace / "pipeline.yaml");
  const Arguments command = {"run", "--once", "--log-format", "json", "--state-dir", workspace.state(), file};
  const Finished first = workspace.osync(command);
  INFO(describe(first));
  REQUIRE(first.exit_code == 0);
  for (const bool forgotten : {false, true}) {
    if (forgotten) fs::remove_all(workspace.state() + "/" + pipeline.name);
    const Finished again = workspace.osync(forgotten ? command + Arguments{"--take-over"} : command);
    INFO((forgotten ? "by content\n" : "by attributes\n") << describe(again));
    REQUIRE(again.exit_code == 0);
    const auto report = report_of(again);
    REQUIRE(report.is_object());
    CHECK(report["entries"] == 0);
    CHECK(report["removals"] == 0);
  }
}

} // namespace

TEST_CASE("attributes: owners none, so that everything belongs to the sink's user and no rights are lent") {
  OSYNC_NEEDS_ROOT();
  const Workspace workspace;
  make_source(workspace);
  require_settled(workspace, "{owners: none}");
  CHECK(look(workspace.replica("owned")).st_uid == 0);
  CHECK(look(workspace.replica("owned")).st_gid == 0);
  CHECK((look(workspace.replica("program")).st_mode & 07777) == 0755); // else it would give root's rights
  CHECK((look(workspace.replica("shared")).st_mode & 07777) == 02775);
  CHECK(S_ISCHR(look(workspace.replica("null")).st_mode));
  CHECK(has_xattr(workspace.replica("marked"), "trusted.secret"));
  // rsync without --owner and --group, the program's bits aside, has nothing to do either.
  const Finished rsync = run({{"rsync", "-naHAX", "--no-owner", "--no-group", "--delete", "-i", "--exclude=/.osync",
                               "--exclude=/program", workspace.source() + "/", workspace.replica() + "/"}});
  INFO(describe(rsync));
  CHECK(rsync.out == "");
}

TEST_CASE("attributes: an owner that the replica's entries have is left alone, live too") {
  OSYNC_NEEDS_ROOT();
  const Workspace workspace;
  make_source(workspace);
  require_settled(workspace, "{owners: none}");
  REQUIRE(chown(workspace.replica("owned").c_str(), 4321, 4321) == 0);
  require_settled(workspace, "{owners: none}");
  CHECK(look(workspace.replica("owned")).st_uid == 4321);
}

TEST_CASE("attributes: setuid false keeps owners and drops the bits of programs") {
  OSYNC_NEEDS_ROOT();
  const Workspace workspace;
  make_source(workspace);
  require_settled(workspace, "{setuid: false}");
  CHECK((look(workspace.replica("program")).st_mode & 07777) == 0755);
  CHECK((look(workspace.replica("shared")).st_mode & 07777) == 02775);
  CHECK(look(workspace.replica("owned")).st_uid == 1234);
}

TEST_CASE("attributes: devices false, and one that the replica had before goes") {
  OSYNC_NEEDS_ROOT();
  const Workspace workspace;
  make_source(workspace);
  require_settled(workspace, "{devices: true}");
  REQUIRE(S_ISCHR(look(workspace.replica("null")).st_mode));
  require_settled(workspace, "{devices: false}");
  CHECK(look(workspace.replica("null")).st_mode == 0);
  CHECK(differences(workspace.source(), workspace.replica(), {.left_out = {"null"}}) == "");
}

TEST_CASE("attributes: xattrs user, and none") {
  OSYNC_NEEDS_ROOT();
  const Workspace workspace;
  make_source(workspace);
  SECTION("user") {
    require_settled(workspace, "{xattrs: user}");
    CHECK(has_xattr(workspace.replica("marked"), "user.colour"));
    CHECK_FALSE(has_xattr(workspace.replica("marked"), "trusted.secret"));
  }
  SECTION("none") {
    require_settled(workspace, "{xattrs: none}");
    CHECK_FALSE(has_xattr(workspace.replica("marked"), "user.colour"));
    CHECK_FALSE(has_xattr(workspace.replica("marked"), "trusted.secret"));
  }
  CHECK(differences(workspace.source(), workspace.replica(), {.xattrs = false}) == "");
}

TEST_CASE("attributes: live changes and large files are reduced like the first pass") {
  OSYNC_NEEDS_ROOT();
  const Workspace workspace;
  make_source(workspace);
  PipelineFile pipeline(workspace);
  pipeline.in_replica = "    attributes: {owners: none, devices: false, setuid: false, xattrs: none}\n";
  const std::string file = pipeline.write(workspace / "pipeline.yaml");
  Running running(workspace, {"run", "--state-dir", workspace.state(), file}, {file});
  REQUIRE(running.answers());
  REQUIRE(running.flush().exit_code == 0);
  CHECK(look(workspace.replica("null")).st_mode == 0);
  write_large(workspace.source("large"), 3 << 20);
  REQUIRE(chown(workspace.source("large").c_str(), 1234, 1234) == 0);
  REQUIRE(chmod(workspace.source("large").c_str(), 04755) == 0);
  set_xattr(workspace.source("large"), "user.colour", "blue");
  REQUIRE(mknod(workspace.source("zero").c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0);
  fs::remove(workspace.source("folder0/file1")); // a device in the place of a file: the file goes
  REQUIRE(mknod(workspace.source("folder0/file1").c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0);
  REQUIRE(running.flush().exit_code == 0);
  const struct stat large = look(workspace.replica("large"));
  CHECK(large.st_size == 3 << 20);
  CHECK(large.st_uid == 0);
  CHECK((large.st_mode & 07777) == 0755);
  CHECK_FALSE(has_xattr(workspace.replica("large"), "user.colour"));
  CHECK(look(workspace.replica("zero")).st_mode == 0);
  CHECK(look(workspace.replica("folder0/file1")).st_mode == 0);
}
