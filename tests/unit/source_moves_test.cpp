// Directories that move: what enters the stream for them.
#include "unit/source_driver.h"

using namespace osync;
using namespace osync::engine;
using namespace osync::test;

namespace {

using Lines = std::vector<std::string>;

constexpr ObjectId directory_a{7, 10};
constexpr std::uint8_t moved = WatchEvent::existence | WatchEvent::is_directory;

/// The root with directory `a`, in it directory `sub` and file `f`; all of it is on the replica.
void begin(Source& source) {
  source.ready();
  source.scanned({Source::directory("a", 10)});
  source.scanned({Source::directory("sub", 11), Source::file("f")});
  source.scanned({Source::file("g")});
  source.applied(source.engine.status(source.now).sequence);
  source.messages.clear();
}

} // namespace

TEST_CASE("source engine: a directory that moves is one operation, whatever is in it", "[source_moves]") {
  Source source;
  begin(source);
  source.changed(Source::root, "a", moved);
  source.changed(Source::root, "b", moved);
  source.looked({Source::absent("a")});
  source.looked({Source::directory("b", 10)});
  CHECK(source.sent() == Lines{"8 /a", "10 /b <- "}); // put aside, and taken back under its new name
  CHECK_FALSE(source.asks_for<ScanJob>());
  CHECK(source.engine.status(source.now).moves_sent == 1);
  source.messages.clear();
  source.changed(directory_a, "f"); // and goes on at its new path
  CHECK(source.take<ReadJob>().directory.path == "b");
}

TEST_CASE("source engine: a directory that is found at its new name first is moved from the old one", "[source_moves]") {
  Source source;
  begin(source);
  source.changed(Source::root, "b", moved);
  source.looked({Source::directory("b", 10)});
  CHECK(source.sent() == Lines{"10 /b <- a"});
  source.looked({Source::absent("a")}); // what is left at the old name is found out
  CHECK(source.sent() == Lines{"10 /b <- a", "8 /a"});
  CHECK_FALSE(source.asks_for<ScanJob>());
}

TEST_CASE("source engine: two directories that exchange their names are both moved", "[source_moves]") {
  Source source;
  source.ready();
  source.scanned({Source::directory("a", 10), Source::directory("b", 20)});
  source.scanned({});
  source.scanned({});
  source.messages.clear();
  source.changed(Source::root, "a", moved);
  source.changed(Source::root, "b", moved);
  source.looked({Source::directory("a", 20)});
  source.looked({Source::directory("b", 10)});
  CHECK(source.sent() == Lines{"8 /a", "10 /a <- b", "10 /b <- "});
  CHECK_FALSE(source.asks_for<ScanJob>());
}

TEST_CASE("source engine: a move out of a directory that is gone comes out of what was put aside", "[source_moves]") {
  Source source;
  begin(source);
  source.changed(Source::root, "a", moved);
  source.looked({Source::absent("a")});
  source.changed(Source::root, "sub", moved);
  source.looked({Source::directory("sub", 11)});
  CHECK(source.sent() == Lines{"8 /a", "10 /sub <- sub"});
  source.messages.clear();
  source.all_barriers_pass(); // nothing tells of `a` any more
  source.pass(std::chrono::seconds(1));
  const Frame frame = source.last<Frame>();
  REQUIRE(frame.items.size() == 1);
  CHECK(std::get<OperationGroup>(frame.items[0]).operations.at(0).kind == OperationKind::discard_stage);
}

TEST_CASE("source engine: a move that the replica cannot make is sent whole", "[source_moves]") {
  Source source;
  begin(source);
  source.changed(Source::root, "b", moved);
  source.looked({Source::directory("b", 10)});
  const std::uint64_t sequence = source.engine.status(source.now).sequence;
  source.messages.clear();
  source.applied(sequence, 0, {{sequence, 0, Status(Code::not_found, "crosses file systems")}});
  source.looked({Source::absent("a")});
  source.looked({Source::directory("b", 10)});
  CHECK(source.sent() == Lines{"8 /a", "1 /b"});
  CHECK(source.take<ScanJob>().mode == ScanMode::compare); // it may be half there
}

TEST_CASE("source engine: with --keep-extra nothing is taken away from an old name", "[source_moves]") {
  SourceSettings settings = Source::settings();
  settings.delete_extra = false;
  Source source(settings);
  begin(source);
  source.changed(Source::root, "a", moved);
  source.changed(Source::root, "b", moved);
  source.looked({Source::absent("a")});
  source.looked({Source::directory("b", 10)});
  CHECK(source.sent() == Lines{"8 /b", "1 /b"});
}
