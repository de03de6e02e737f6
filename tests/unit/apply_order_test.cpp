#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <set>

#include "engine/apply_order.h"
#include "support/sink_engine_fake.h"

namespace osync::test {
namespace {

using engine::ApplyOrder;
using engine::PathTree;

std::shared_ptr<const OperationGroup> numbered(std::uint64_t sequence, OperationGroup group) {
  group.sequence = sequence;
  return std::make_shared<const OperationGroup>(std::move(group));
}

ApplyOrder::Limits single_groups(std::uint32_t appliers = 8) {
  ApplyOrder::Limits limits;
  limits.appliers = appliers;
  limits.chain_operations = 1; // a chain of one group each, so that what is not handed out has to wait
  return limits;
}

/// A group, or a listing of `listed`.
struct Item {
  std::optional<OperationGroup> group;
  std::string listed;
};
Item listing(std::string directory) { return {std::nullopt, std::move(directory)}; }
Item item(OperationGroup group) { return {std::move(group), {}}; }
Item item_with_directory(std::string directory, std::uint32_t mode) {
  OperationGroup group = group_of(std::move(directory));
  group.directory_attributes = attributes_of(FileType::directory, mode);
  return {std::move(group), {}};
}
Item chmod_of(std::string directory, std::string name, std::uint32_t links,
              FileType type = FileType::regular) {
  Operation operation = operation_of(OperationKind::set_attributes, std::move(name), attributes_of(type));
  operation.attributes.links = links;
  return item(group_of(std::move(directory), {operation}));
}
Item many_names(std::string directory, const std::string& with) {
  OperationGroup group = group_of(std::move(directory));
  for (int i = 0; i < 300; ++i) group.operations.push_back(put("file" + std::to_string(i)));
  group.operations.push_back(put(with));
  return item(std::move(group));
}

void add(ApplyOrder& order, std::uint64_t sequence, const Item& what) {
  if (what.group)
    order.add(numbered(sequence, *what.group));
  else
    order.add_listing(sequence, what.listed);
}

/// Whether the second of two items waits for the first.
bool waits(const Item& first, const Item& second) {
  ApplyOrder order(single_groups());
  add(order, 1, first);
  add(order, 2, second);
  const auto work = order.next();
  REQUIRE(work);
  const bool waiting = !order.next();
  REQUIRE(order.done(work->id));
  if (waiting) REQUIRE(order.next()); // and not for ever
  return waiting;
}

} // namespace

TEST_CASE("items wait for each other exactly where it makes a difference", "[apply_order]") {
  struct Row {
    const char* what;
    Item first, second;
    bool expected;
  };
  const auto stage = [](OperationKind kind, std::uint64_t number, std::string directory,
                        std::string name = {}) {
    return item(group_of(std::move(directory), {stage_of(kind, number, std::move(name))}));
  };
  const std::vector<Row> rows = {
      {"the same directory", item(group_of("a/b", {put("x")})), item(group_of("a/b", {put("y")})), true},
      {"directories side by side", item(group_of("a/b", {put("x")})), item(group_of("a/c", {put("x")})),
       false},
      {"a name that is only the beginning of another", item(group_of("a", {put("b")})),
       item(group_of("a/bc", {put("x")})), false},
      {"the directory is named above", item(group_of("a", {put("b")})), item(group_of("a/b", {put("x")})),
       true},
      {"an ancestor is named far above", item(group_of("", {operation_of(OperationKind::remove, "a")})),
       item(group_of("a/b/c/d", {put("x")})), true},
      {"another entry is named above", item(group_of("a", {put("c")})), item(group_of("a/b", {put("x")})),
       false},
      {"named among many", many_names("a", "b"), item(group_of("a/b", {put("x")})), true},
      {"not named among many", many_names("a", "c"), item(group_of("a/b/c", {put("x")})), false},
      {"attributes of the directory above", item_with_directory("a", 0755), item(group_of("a/b", {put("x")})),
       false},
      {"a directory above is closed", item_with_directory("a", 0600), item(group_of("a/b/c", {put("x")})),
       true},
      {"a directory beside is closed", item_with_directory("a/c", 0600), item(group_of("a/b", {put("x")})),
       false},
      {"a link to a name", item(group_of("p", {link_to("l", "q/f")})), item(group_of("q", {put("f")})), true},
      {"a link beside a name", item(group_of("p", {link_to("l", "q/f")})), item(group_of("q", {put("g")})),
       false},
      {"a link through a name", item(group_of("p", {link_to("l", "q/r/f")})),
       item(group_of("", {operation_of(OperationKind::remove, "q")})), true},
      {"two links to one name", item(group_of("p", {link_to("l", "q/f")})),
       item(group_of("r", {link_to("l", "q/f")})), false},
      {"a link and what it would be the directory of", item(group_of("p", {link_to("l", "q/f")})),
       item(group_of("q/f", {put("x")})), false},
      {"one stage", stage(OperationKind::stage_data, 1, "a"), stage(OperationKind::publish, 1, "b", "f"),
       true},
      {"one stage, given up", stage(OperationKind::stage_data, 1, "a"),
       stage(OperationKind::discard_stage, 1, ""), true},
      {"two stages", stage(OperationKind::stage_data, 1, "a"), stage(OperationKind::stage_data, 2, "b"),
       false},
      {"attributes of linked files", chmod_of("a", "x", 2), chmod_of("b", "x", 2), true},
      {"attributes of a linked file and of one that may have been", chmod_of("a", "x", 2),
       chmod_of("b", "x", 1), true},
      {"attributes of files with one name", chmod_of("a", "x", 1), chmod_of("b", "x", 1), false},
      {"attributes of directories, which have many links", chmod_of("a", "x", 5, FileType::directory),
       chmod_of("b", "x", 7, FileType::directory), false},
      {"attributes of a linked file and a listing", chmod_of("a", "x", 2), listing("b"), true},
      {"attributes of a file with one name and a listing", chmod_of("a", "x", 1), listing("b"), false},
      {"a listing and its directory", listing("a"), item(group_of("a", {put("x")})), true},
      {"a listing and a group above that names it", listing("a/b"), item(group_of("a", {put("b")})), true},
      {"a listing and a group above that does not", listing("a/b"), item(group_of("a", {put("c")})), false},
      {"a listing and what is below its entries", listing("a"), item(group_of("a/b", {put("x")})), false},
      {"a listing and the attributes of an entry", listing("a"), item_with_directory("a/b", 0755), true},
      {"a listing and attributes further below", listing("a"), item_with_directory("a/b/c", 0755), false},
      {"two listings", listing("a"), listing("a/b"), false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(waits(row.first, row.second) == row.expected);
    CHECK(waits(row.second, row.first) == row.expected);
  }
}

TEST_CASE("a group waits for all that is below what it names", "[apply_order]") {
  ApplyOrder order(single_groups());
  order.add(numbered(1, group_of("a/b", {put("x")})));
  order.add(numbered(2, group_of("a/c/d", {put("x")})));
  order.add(numbered(3, group_of("z", {link_to("l", "a/f")})));
  order.add(numbered(4, group_of("", {operation_of(OperationKind::remove, "a")})));
  std::vector<std::uint64_t> works;
  for (int i = 0; i < 3; ++i) works.push_back(order.next().value().id);
  for (const std::uint64_t work : works) {
    CHECK_FALSE(order.next());
    REQUIRE(order.done(work));
  }
  const auto last = order.next();
  REQUIRE(last);
  CHECK(last->groups.front()->sequence == 4);
}

TEST_CASE("a chain holds what waits only for the chain itself", "[apply_order]") {
  ApplyOrder::Limits limits;
  limits.appliers = 1;
  ApplyOrder order(limits);
  order.add(numbered(1, group_of("", {operation_of(OperationKind::make_directory, "a")})));
  order.add(numbered(2, group_of("a", {put("x")})));
  order.add(numbered(3, group_of("a", {put("y")})));
  const auto work = order.next();
  REQUIRE(work);
  REQUIRE(work->groups.size() == 3);
  for (std::uint64_t i = 0; i < 3; ++i) CHECK(work->groups[i]->sequence == i + 1);
  CHECK(order.waiting() == 0);
  REQUIRE(order.done(work->id));
  CHECK(order.idle());
}

TEST_CASE("a chain never holds what waits for another chain", "[apply_order]") {
  ApplyOrder order(single_groups(2));
  order.add(numbered(1, group_of("a", {put("x")})));
  order.add(numbered(2, group_of("b", {put("x")})));
  const auto first = order.next();
  const auto second = order.next();
  REQUIRE((first && second));
  order.add(numbered(3, group_of("", {put("a"), put("b")})));
  order.add(numbered(4, group_of("a", {put("y")})));
  REQUIRE(order.done(first->id));
  CHECK_FALSE(order.next()); // 3 waits for b, 4 for 3
  REQUIRE(order.done(second->id));
  CHECK(order.next().value().groups.front()->sequence == 3);
}

TEST_CASE("appliers get even shares, and no more works than there are appliers", "[apply_order]") {
  ApplyOrder::Limits limits;
  limits.appliers = 2;
  ApplyOrder order(limits);
  for (std::uint64_t i = 1; i <= 300; ++i)
    order.add(numbered(i, group_of("d" + std::to_string(i), {put("x")})));
  const auto first = order.next();
  const auto second = order.next();
  REQUIRE((first && second));
  CHECK_FALSE(order.next());
  CHECK(first->groups.size() > 100);
  CHECK(first->groups.size() < 200);
  CHECK(second->groups.size() > 50);
  REQUIRE(order.done(first->id));
  CHECK(order.next());
}

TEST_CASE("a chain ends at its bounds", "[apply_order]") {
  ApplyOrder::Limits limits;
  limits.appliers = 1;
  ApplyOrder order(limits);
  SECTION("operations") {
    OperationGroup big = group_of("a");
    for (int i = 0; i < 200; ++i) big.operations.push_back(put("f" + std::to_string(i)));
    for (std::uint64_t i = 1; i <= 4; ++i) order.add(numbered(i, big));
    CHECK(order.next().value().groups.size() == 2);
  }
  SECTION("bytes") {
    OperationGroup big = group_of("a", {put("x")});
    big.payload = Buffer::copy_of(std::string(600u << 10, 'x'));
    for (std::uint64_t i = 1; i <= 4; ++i) order.add(numbered(i, big));
    CHECK(order.next().value().groups.size() == 2);
  }
  SECTION("a listing is alone") {
    order.add(numbered(1, group_of("a", {put("x")})));
    order.add_listing(2, "b");
    order.add(numbered(3, group_of("c", {put("x")})));
    const auto work = order.next();
    REQUIRE(work);
    CHECK(work->groups.size() == 1);
    REQUIRE(order.done(work->id));
    CHECK(order.next().value().listing == 2);
  }
}

TEST_CASE("the look-ahead is bounded and nothing beyond it is lost", "[apply_order]") {
  ApplyOrder::Limits limits = single_groups(1000);
  limits.look_ahead = 3;
  ApplyOrder order(limits);
  for (std::uint64_t i = 1; i <= 10; ++i)
    order.add(numbered(i, group_of("d" + std::to_string(i), {put("x")})));
  CHECK(order.waiting() == 10);
  std::set<std::uint64_t> seen;
  std::vector<std::uint64_t> works;
  while (!order.idle()) {
    while (auto work = order.next()) {
      seen.insert(work->groups.front()->sequence);
      works.push_back(work->id);
    }
    REQUIRE(works.size() <= 3);
    REQUIRE(order.done(works.back()));
    works.pop_back();
  }
  CHECK(seen.size() == 10);
}

TEST_CASE("a path with more components than the look-ahead may hold is applied alone", "[apply_order]") {
  ApplyOrder::Limits limits = single_groups();
  limits.path_nodes = 100;
  ApplyOrder order(limits);
  std::string deep = "d";
  for (int i = 0; i < 30'000; ++i) deep += "/d";
  order.add(numbered(1, group_of(deep, {put("x")})));
  order.add(numbered(2, group_of("e", {put("x")})));
  const auto work = order.next();
  REQUIRE(work);
  CHECK_FALSE(order.next());
  REQUIRE(order.done(work->id));
  CHECK(order.next());
}

TEST_CASE("what waits can be dropped while something runs", "[apply_order]") {
  ApplyOrder order(single_groups());
  order.add(numbered(1, group_of("a", {put("x"), stage_of(OperationKind::stage_data, 7)})));
  const auto running = order.next();
  REQUIRE(running);
  order.add(numbered(2, group_of("a", {put("y"), stage_of(OperationKind::publish, 7, "s")})));
  order.add(numbered(3, group_of("b", {link_to("l", "a/x")})));
  order.add_listing(4, "a");
  order.drop_waiting();
  CHECK(order.waiting() == 0);
  CHECK(order.running() == 1);
  CHECK_FALSE(order.next());
  order.add(numbered(1, group_of("a", {put("z")}))); // the next session's
  CHECK_FALSE(order.next());
  REQUIRE(order.done(running->id));
  CHECK_FALSE(order.done(running->id));
  const auto next = order.next();
  REQUIRE(next);
  CHECK(next->groups.front()->operations.front().name == "z");
  REQUIRE(order.done(next->id));
  CHECK(order.idle());
}

TEST_CASE("the path tree forgets what is not held", "[apply_order]") {
  PathTree tree;
  const PathTree::Index kept = tree.locate("kept/below");
  tree.hold(kept);
  CHECK(tree.live_nodes() == 3);
  for (int i = 0; i < 20'000; ++i) {
    const PathTree::Index node = tree.locate("d" + std::to_string(i) + "/e");
    tree.hold(node);
    tree.release(node);
  }
  CHECK(tree.nodes() < PathTree::idle_bound + 16);
  CHECK(tree.live_nodes() == 3);
  CHECK(tree.locate("kept/below") == kept);
  CHECK(tree.live_child(PathTree::root, "kept") != PathTree::none);
  CHECK(tree.live_child(PathTree::root, "d1") == PathTree::none);
  tree.release(kept);
  CHECK(tree.live_nodes() == 0);
}

// Not run by default: build/.../unit_tests "[measurement]"
TEST_CASE("what ordering costs", "[.][measurement]") {
  struct Shape {
    const char* what;
    int names;
    int directories;
    bool parents; ///< each directory's parent group is in progress too
  };
  for (const Shape& shape : {Shape{"1 file a group, 10,000 directories", 1, 10'000, false},
                             Shape{"1 file a group, one directory", 1, 1, false},
                             Shape{"256 files a group, 10,000 directories", 256, 10'000, false},
                             Shape{"256 files a group, each with its parent's group", 256, 10'000, true}}) {
    std::vector<std::shared_ptr<const OperationGroup>> groups;
    const int count = shape.names == 1 ? 200'000 : 4'000;
    for (int i = 0; i < count; ++i) {
      const int number = i % shape.directories;
      std::string directory = "home/user" + std::to_string(number / 100) + "/project";
      if (!shape.parents || i % 2 == 1) directory += "/dir" + std::to_string(number);
      OperationGroup group = group_of(directory);
      for (int name = 0; name < shape.names; ++name)
        group.operations.push_back(put("file" + std::to_string(name)));
      groups.push_back(numbered(static_cast<std::uint64_t>(i) + 1, std::move(group)));
    }
    ApplyOrder order(ApplyOrder::Limits{});
    std::deque<std::uint64_t> works;
    const auto begin = std::chrono::steady_clock::now();
    std::size_t added = 0;
    std::uint64_t handed_out = 0;
    while (added < groups.size() || !order.idle()) {
      for (int i = 0; i < 64 && added < groups.size() && order.waiting() < 1000; ++i)
        order.add(groups[added++]);
      while (auto work = order.next()) {
        works.push_back(work->id);
        ++handed_out;
      }
      REQUIRE(order.done(works.front()));
      works.pop_front();
    }
    const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - begin;
    WARN(shape.what << ": " << taken.count() / count << " us a group, "
                    << count / static_cast<double>(handed_out) << " groups a chain");
  }
}

} // namespace osync::test
