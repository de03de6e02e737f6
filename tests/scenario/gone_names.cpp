// A file with two names is written through one of them, and that name goes away, before or after: the other
// name shows what was written. Events carry only the name that is gone, or that belongs to another file by
// now.
#include "support/compare_trees.h"
#include "support/descriptor.h"
#include "support/osync_command.h"

#include <catch2/catch.hpp>

#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/xattr.h>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

void require_flushed_equal(const Workspace& workspace, Running& running) {
  const Finished flushed = running.flush();
  INFO(describe(flushed));
  REQUIRE(flushed.exit_code == 0);
  REQUIRE(differences(workspace.source(), workspace.replica()) == "");
}

Descriptor open_to_write(const std::string& path) {
  return Descriptor(must(open(path.c_str(), O_WRONLY | O_CLOEXEC), "open " + path));
}

void write_through(const Descriptor& file) { must(pwrite(file.get(), "CHANGED", 7, 0), "write"); }

void replace(const std::string& path) {
  write_file(path + ".new", "another file");
  must(rename((path + ".new").c_str(), path.c_str()), "rename over " + path);
}

} // namespace

TEST_CASE("gone names: written through an open file whose name is gone, while another name stays") {
  const Workspace workspace;
  const std::string opened = workspace.source("first/opened");
  write_file(opened, std::string(100, 'x'));
  fs::create_directory(workspace.source("second"));
  const auto running = Running::mirror(workspace);
  const Descriptor file = open_to_write(opened);
  fs::create_hard_link(opened, workspace.source("second/other name"));
  require_flushed_equal(workspace, *running);

  SECTION("unlinked") { fs::remove(opened); }
  SECTION("replaced") { replace(opened); }
  SECTION("unlinked and made again") {
    fs::remove(opened);
    write_file(opened, "another file");
  }
  SECTION("its directory is removed too") { fs::remove_all(workspace.source("first")); }
  SECTION("its directory is moved, then removed") {
    fs::rename(workspace.source("first"), workspace.source("second/moved"));
    fs::remove_all(workspace.source("second/moved"));
  }
  require_flushed_equal(workspace, *running);

  write_through(file);
  require_flushed_equal(workspace, *running);
}

TEST_CASE("gone names: changed through a name that is replaced at once") {
  const Workspace workspace;
  constexpr int files = 200; // whether one look answers for both events is a matter of time
  const auto name = [&](const char* folder, int index) {
    return workspace.source(folder) + "/file" + std::to_string(index);
  };
  fs::create_directory(workspace.source("second"));
  for (int index = 0; index < files; ++index) {
    write_file(name("first", index), std::string(100, 'x'));
    fs::create_hard_link(name("first", index), name("second", index));
  }
  const auto running = Running::mirror(workspace);
  require_flushed_equal(workspace, *running);

  SECTION("content") {
    for (int index = 0; index < files; ++index) {
      write_through(open_to_write(name("first", index)));
      replace(name("first", index));
    }
  }
  SECTION("attributes") {
    for (int index = 0; index < files; ++index) {
      must(setxattr(name("first", index).c_str(), "user.key", "value", 5, 0), "setxattr");
      replace(name("first", index));
    }
  }
  require_flushed_equal(workspace, *running);
}
