// A privileged process loads only what root alone can have written.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <filesystem>
#include <string>

#include "loader/plugin_loader.h"
#include "loader/trust.h"
#include "support/paths.h"
#include "support/temporary.h"

using namespace osync;
using namespace osync::loader;
namespace fs = std::filesystem;

namespace {

constexpr uid_t somebody = 12345;

/// A tree as an installed plugin has it: DIRECTORY/a/b/x.so.
struct Tree {
  osync::test::TemporaryDirectory directory; ///< in /dev/shm, which is sticky and writable to all
  std::string file = directory / "a/b/x.so";
  std::string resolved;

  Tree() {
    osync::test::write_file(file, "x");
    for (const char* part : {"a", "a/b"}) fs::permissions(directory.path() / part, fs::perms(0755));
    fs::permissions(file, fs::perms(0644));
  }
  Status check() { return check_root_only(file, resolved); }
};

bool is_root() {
  if (geteuid() == 0) return true;
  WARN("skipped: only root can make files of root and of others");
  return false;
}

} // namespace

TEST_CASE("loader trust: a file that root alone can write is accepted") {
  if (!is_root()) return;
  Tree tree;
  const Status status = tree.check();
  INFO(status.to_string());
  CHECK(status.ok());
  CHECK(tree.resolved == tree.file);
  // A sticky directory that all may write to keeps root's entries root's.
  fs::permissions(tree.directory.path() / "a", fs::perms(01777));
  CHECK(tree.check().ok());
}

TEST_CASE("loader trust: others' files, and files and directories others can write, are refused by name") {
  if (!is_root()) return;
  const auto denied_at = [](Tree& tree, const std::string& path) {
    const Status status = tree.check();
    INFO(status.to_string());
    CHECK(status.code() == Code::denied);
    CHECK(status.path() == path);
    CHECK_THAT(std::string(status.message()), Catch::Contains("root alone can write"));
  };
  for (const auto mode : {fs::perms(0664), fs::perms(0646)}) {
    Tree tree;
    fs::permissions(tree.file, mode);
    denied_at(tree, tree.file);
  }
  {
    Tree tree;
    REQUIRE(chown(tree.file.c_str(), somebody, 0) == 0);
    denied_at(tree, tree.file);
  }
  {
    Tree tree; // in a sticky directory, where its owner may replace it
    fs::permissions(tree.directory.path() / "a/b", fs::perms(01777));
    REQUIRE(chown(tree.file.c_str(), somebody, 0) == 0);
    denied_at(tree, tree.file);
  }
  for (const char* part : {"a", "a/b"}) {
    Tree writable;
    fs::permissions(writable.directory.path() / part, fs::perms(0775));
    denied_at(writable, writable.directory / part);
    Tree owned;
    REQUIRE(chown((owned.directory / part).c_str(), somebody, 0) == 0);
    denied_at(owned, owned.directory / part);
  }
}

TEST_CASE("loader trust: symlinks are followed and looked at") {
  if (!is_root()) return;
  Tree tree;
  fs::create_directory_symlink("a/../a/b", tree.directory.path() / "relative");
  fs::create_directory_symlink(tree.directory.path() / "relative", tree.directory.path() / "absolute");
  std::string resolved;
  CHECK(check_root_only(tree.directory / "absolute/./x.so", resolved).ok());
  CHECK(resolved == tree.file);

  REQUIRE(lchown((tree.directory / "relative").c_str(), somebody, 0) == 0);
  const Status others = check_root_only(tree.directory / "absolute/x.so", resolved);
  CHECK(others.code() == Code::denied);
  CHECK(others.path() == tree.directory / "relative");

  // The way there counts as much as the place it leads to.
  REQUIRE(lchown((tree.directory / "relative").c_str(), 0, 0) == 0);
  fs::create_directory(tree.directory.path() / "open");
  fs::permissions(tree.directory.path() / "open", fs::perms(0777));
  fs::create_symlink(tree.file, tree.directory.path() / "open/x.so");
  const Status open = check_root_only(tree.directory / "open/x.so", resolved);
  CHECK(open.code() == Code::denied);
  CHECK(open.path() == tree.directory / "open");

  fs::create_symlink("loop.so", tree.directory.path() / "loop.so");
  CHECK(check_root_only(tree.directory / "loop.so", resolved).sys_errno() == ELOOP);
  CHECK(check_root_only(tree.directory / "missing.so", resolved).code() == Code::not_found);
  CHECK(check_root_only(tree.directory / "a", resolved).code() == Code::invalid);
}

TEST_CASE("loader trust: the loader asks before it loads") {
  if (!is_root()) return;
  CHECK(process_is_privileged());
  Tree tree;
  fs::copy_file(test::binary_directory() + "/tests/bad_plugins/good-policy.so",
                tree.directory.path() / "a/good-policy.so");
  fs::permissions(tree.directory.path() / "a/good-policy.so", fs::perms(0755));
  const PluginLoader loader({tree.directory / "a"}, true);
  CHECK(loader.find("good-policy").ok());
  fs::permissions(tree.directory.path() / "a/good-policy.so", fs::perms(0777));
  CHECK(loader.find("good-policy").status().code() == Code::denied);
  CHECK(PluginLoader({tree.directory / "a"}, false).find("good-policy").ok());
}
