// Directories that move, through the interface that every sink has, and what sink-fs does with those put aside.
#include <catch2/catch.hpp>

#include "sink_fs_fixture.h"
#include "sink_suite.h"

using namespace osync;
using namespace osync::test;

namespace {

using Names = std::vector<std::string>;

constexpr std::chrono::milliseconds a_second(1000);

Operation move_of(std::string name, std::string target, std::uint64_t number = 0, std::uint32_t mode = 0755) {
  Operation operation;
  operation.kind = OperationKind::move_directory;
  operation.name = std::move(name);
  operation.target = std::move(target);
  operation.stage = number;
  operation.attributes = directory_attributes(mode);
  return operation;
}

Operation put_aside(std::string name, std::uint64_t number) {
  Operation operation;
  operation.kind = OperationKind::remove;
  operation.name = std::move(name);
  operation.stage = number;
  return operation;
}

Code code_of(const GroupResult& result) { return result.failures.empty() ? Code::ok : result.failures[0].status.code(); }

GroupResult apply(ClaimedSink& sink, std::string directory, std::vector<Operation> operations) {
  OperationGroup group;
  group.directory = std::move(directory);
  group.operations = std::move(operations);
  GroupResult result;
  sink->apply(group, result);
  return result;
}

void populate(ClaimedSink& sink) {
  REQUIRE(sink.failures(GroupBuilder().make_directory("a").make_directory("other").put("file", "f")) == "");
  REQUIRE(sink.failures(GroupBuilder("a").make_directory("sub").put("x", "content of x")) == "");
  REQUIRE(sink.failures(GroupBuilder("a/sub").put("y", "content of y")) == "");
}

} // namespace

TEST_CASE("sink-fs: a directory is moved with all that is in it") {
  ClaimedSink sink(sink_fs_kit);
  populate(sink);
  const auto inode = stat_of(sink.root() + "/a/sub/y").st_ino;
  CHECK(code_of(apply(sink, "other", {move_of("b", "a", 0, 0750)})) == Code::ok);
  CHECK(sink.names() == Names{"file", "other"});
  CHECK(sink.holds("other/b", "x", "content of x"));
  CHECK(stat_of(sink.root() + "/other/b/sub/y").st_ino == inode);
  CHECK(mode_of(sink.root() + "/other/b") == 0750);
}

TEST_CASE("sink-fs: a move puts the times of both directories back") {
  ClaimedSink sink(sink_fs_kit);
  populate(sink);
  REQUIRE(sink.failures(GroupBuilder("a").directory(directory_attributes())) == "");
  REQUIRE(sink.failures(GroupBuilder("other").directory(directory_attributes())) == "");
  CHECK(code_of(apply(sink, "other", {move_of("sub", "a/sub")})) == Code::ok);
  const Timestamp wanted = directory_attributes().mtime;
  for (const char* name : {"a", "other"}) {
    const InspectedEntry entry = sink.inspect("", name);
    INFO(name);
    CHECK(entry.attributes.mtime == wanted);
  }
}

TEST_CASE("sink-fs: a move takes the place of what has the name") {
  ClaimedSink sink(sink_fs_kit);
  populate(sink);
  REQUIRE(sink.failures(GroupBuilder("other").put("in the way", "1")) == "");
  CHECK(code_of(apply(sink, "", {move_of("other", "a")})) == Code::ok);
  CHECK(sink.holds("other", "x", "content of x"));
  CHECK(sink.names("other") == Names{"sub", "x"});
  CHECK(code_of(apply(sink, "", {move_of("file", "other")})) == Code::ok);
  CHECK(sink.holds("file", "x", "content of x"));
}

TEST_CASE("sink-fs: what is put aside can be taken back, whole or in part") {
  ClaimedSink sink(sink_fs_kit);
  populate(sink);
  CHECK(code_of(apply(sink, "", {put_aside("a", 5)})) == Code::ok);
  CHECK(sink.names() == Names{"file", "other"});
  CHECK(sink->housekeep(a_second)); // nothing else is left to do
  CHECK(code_of(apply(sink, "", {move_of("sub", "sub", 5)})) == Code::ok);
  CHECK(sink.holds("sub", "y", "content of y"));
  CHECK(code_of(apply(sink, "other", {move_of("back", "", 5)})) == Code::ok);
  CHECK(sink.names("other/back") == Names{"x"});
  CHECK(code_of(apply(sink, "", {move_of("again", "", 5)})) == Code::not_found);
}

TEST_CASE("sink-fs: two directories are exchanged in one group") {
  ClaimedSink sink(sink_fs_kit);
  populate(sink);
  CHECK(code_of(apply(sink, "", {put_aside("a", 1), move_of("a", "other"), move_of("other", "", 1)})) == Code::ok);
  CHECK(sink.holds("other", "x", "content of x"));
  CHECK(sink.names("a").empty());
}

TEST_CASE("sink-fs: what is put aside is deleted once it is released") {
  ClaimedSink sink(sink_fs_kit);
  populate(sink);
  CHECK(code_of(apply(sink, "", {put_aside("a", 5)})) == Code::ok);
  CHECK(sink.failures(GroupBuilder().discard(5)) == "");
  CHECK(code_of(apply(sink, "", {move_of("a", "", 5)})) == Code::not_found);
  CHECK(sink->housekeep(a_second));
  CHECK(entries_in(sink.root() + "/.osync/limbo") == 0);
}

TEST_CASE("sink-fs: a session ends with nothing put aside") {
  ClaimedSink sink(sink_fs_kit);
  populate(sink);
  CHECK(code_of(apply(sink, "", {put_aside("a", 5)})) == Code::ok);
  REQUIRE(sink->claim(test_identity(2), false).ok());
  CHECK(code_of(apply(sink, "", {move_of("a", "", 5)})) == Code::not_found);
  CHECK(entries_in(sink.root() + "/.osync/limbo") == 0);
}

TEST_CASE("sink-fs: moves that cannot be made change nothing") {
  ClaimedSink sink(sink_fs_kit);
  populate(sink);
  CHECK(code_of(apply(sink, "other", {move_of("b", "absent")})) == Code::not_found);
  CHECK(code_of(apply(sink, "other", {move_of("b", "file")})) == Code::not_found);
  CHECK(code_of(apply(sink, "other", {move_of("b", ".osync")})) == Code::invalid);
  CHECK(code_of(apply(sink, "other", {move_of("b", "", 77)})) == Code::not_found);
  CHECK(code_of(apply(sink, "a/sub", {move_of("b", "a")})) != Code::ok); // below itself
  CHECK(sink.names() == Names{"a", "file", "other"});
  CHECK(sink.names("other").empty());
}
