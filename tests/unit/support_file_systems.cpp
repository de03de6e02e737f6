// File systems for tests: mounted, of the right type and size, and gone afterwards.
#include "support/file_systems.h"
#include "support/process.h"
#include "support/skip.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

using namespace osync::test;

namespace {

bool mounted(const std::string& path) {
  std::ifstream list("/proc/self/mounts");
  std::ostringstream text;
  text << list.rdbuf();
  return text.str().find(" " + path + " ") != std::string::npos;
}

} // namespace

TEST_CASE("FileSystem: made, mounted, and gone also when something still stands in it") {
  OSYNC_NEEDS_ROOT();
  const std::string type = GENERATE(as<std::string>{}, "tmpfs", "ext4", "xfs", "btrfs");
  const auto missing = file_system_missing(type);
  if (missing) {
    WARN("skipped: " << *missing);
    return;
  }
  std::string path;
  std::ifstream kept;
  {
    const FileSystem system(type);
    path = system.path();
    REQUIRE(mounted(path));
    const Finished named = run({{"stat", "-f", "-c", "%T", path}});
    CHECK(named.out == (type == "ext4" ? "ext2/ext3\n" : type + "\n"));
    write_file(system / "file", "content");
    kept.open(system / "file");
  }
  CHECK_FALSE(mounted(path));
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("Mount: a tmpfs that is full, and has room after it was made larger, a bind mount") {
  const auto missing = file_system_missing("tmpfs");
  OSYNC_SKIP_IF(missing.has_value(), *missing);
  const TemporaryDirectory directory;
  std::filesystem::create_directories(directory / "small");
  std::filesystem::create_directories(directory / "other");
  const Mount small = Mount::tmpfs(directory / "small", 1 << 20);
  CHECK_THROWS(write_file(directory / "small/file", std::string(2 << 20, 'x')));
  small.resize(4 << 20);
  CHECK_NOTHROW(write_file(directory / "small/file", std::string(2 << 20, 'x')));

  Mount bound = Mount::bind(directory / "small", directory / "other");
  CHECK(std::filesystem::exists(directory / "other/file"));
  REQUIRE(bound.unmount());
  CHECK_FALSE(std::filesystem::exists(directory / "other/file"));
}
