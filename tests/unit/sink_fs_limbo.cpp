// sink-fs: how much may wait in the limbo.
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include "sink-fs/limbo.h"
#include "support/load_plugin.h"
#include "support/temporary.h"

using namespace osync;
using namespace osync::sink_fs;
using osync::test::RecordingLogger;
using osync::test::TemporaryDirectory;
using osync::test::write_file;

namespace {

using std::chrono::milliseconds;

struct LimboOfItsOwn {
  explicit LimboOfItsOwn(std::uint64_t limit) : limbo(tree, area, logger, limit) {
    const Fd root(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(tree.adopt_root(Fd(::dup(root.get())), false).ok());
    REQUIRE(area.make(tree).ok());
    limbo.set_privileges(Privileges::read());
  }
  /// A directory `name` with `files` files.
  void make(const std::string& name, int files) const {
    for (int i = 0; i < files; ++i) write_file(directory / name + "/file" + std::to_string(i), "x");
  }
  [[nodiscard]] std::size_t in_limbo() const {
    const std::filesystem::directory_iterator first(directory / ".osync/limbo");
    return static_cast<std::size_t>(std::distance(first, std::filesystem::directory_iterator()));
  }

  const TemporaryDirectory directory;
  RecordingLogger logger;
  Tree tree;
  PrivateArea area;
  Limbo limbo;
};

} // namespace

TEST_CASE("sink-fs limbo: whoever brings more than may wait purges first") {
  LimboOfItsOwn own(10);
  for (int i = 0; i < 100; ++i) {
    const std::string name = "d" + std::to_string(i);
    own.make(name, 3);
    REQUIRE(own.limbo.take(own.tree.root(), name.c_str()) == 0);
    REQUIRE(own.limbo.waiting() <= 11);
    REQUIRE(own.in_limbo() <= 11);
  }
}

TEST_CASE(
    "sink-fs limbo: a large directory weighs more, and what is put aside nothing until it is released") {
  LimboOfItsOwn own(1'000'000);
  own.make("large", 2000);
  REQUIRE(own.limbo.put_aside(own.tree.root(), "large", 7) == 0);
  CHECK(own.limbo.waiting() == 0);
  CHECK(own.limbo.purge(milliseconds(1000)));
  CHECK(own.in_limbo() == 1);
  own.limbo.release(7);
  CHECK(own.limbo.waiting() > 500);
  CHECK(own.limbo.waiting() < 4000);
  CHECK(own.limbo.purge(milliseconds(10'000)));
  CHECK(own.limbo.waiting() == 0);
  CHECK(own.in_limbo() == 0);
}

TEST_CASE("sink-fs limbo: a purge that was interrupted goes on where it was") {
  LimboOfItsOwn own(1'000'000);
  own.make("a", 50);
  own.make("a/b", 50);
  REQUIRE(own.limbo.take(own.tree.root(), "a") == 0);
  int calls = 0; // each deletes one entry at least
  while (!own.limbo.purge(milliseconds(0)) && calls < 1000) ++calls;
  CHECK(own.in_limbo() == 1); // a budget of nothing begins nothing
  while (!own.limbo.purge(milliseconds(1)) && calls < 2000) ++calls;
  CHECK(own.in_limbo() == 0);
  CHECK(own.limbo.waiting() == 0);
}

TEST_CASE("sink-fs limbo: space is made only where something waits") {
  LimboOfItsOwn own(1'000'000);
  CHECK_FALSE(own.limbo.make_space());
  own.make("a", 3);
  REQUIRE(own.limbo.take(own.tree.root(), "a") == 0);
  CHECK(own.limbo.make_space());
  CHECK(own.in_limbo() == 0);
  CHECK_FALSE(own.limbo.make_space());
}
