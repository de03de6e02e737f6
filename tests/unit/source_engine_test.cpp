// The source engine by hand, without a model of a file system: what it asks for and says in single situations.
#include "unit/source_driver.h"

using namespace osync;
using namespace osync::engine;
using namespace osync::test;

TEST_CASE("source engine: another protocol version or pipeline is refused by name", "[source_engine]") {
  Source source;
  source.register_sink(protocol_version + 1);
  CHECK_THAT(source.last<Refuse>().reason, Catch::Contains("protocol version 2 (osync 0.2.0)") && Catch::Contains("1 (osync 0.1.0)"));
  source.register_sink(protocol_version, "films");
  CHECK_THAT(source.last<Refuse>().reason, Catch::Contains("\"films\""));
  CHECK(source.all<Welcome>().empty());
  CHECK(source.engine.exit() == Exit::running);
}

TEST_CASE("source engine: nothing is sent before READY, and then at once", "[source_engine]") {
  Source source;
  source.register_sink();
  CHECK_FALSE(source.asks_for<ScanJob>());
  source.ready();
  source.scanned({Source::file("a")});
  CHECK(source.sent() == std::vector<std::string>{"0 /a"});
}

TEST_CASE("source engine: credit is respected, and live changes go before the backlog", "[source_engine]") {
  Source source;
  source.ready(true, 64);
  source.scanned({Source::file("a")}); // uses up the window
  REQUIRE(source.sent().size() == 1);
  source.pass();
  source.changed(Source::root, "b");
  source.looked({Source::file("b")});
  CHECK(source.sent().size() == 1);
  source.applied(1);
  CHECK(source.sent() == std::vector<std::string>{"0 /a", "0 /b"});
}

TEST_CASE("source engine: a flush is reached when all before it is durable", "[source_engine]") {
  Source source;
  source.ready();
  source.scanned({});
  source.all_barriers_pass();
  source.changed(Source::root, "a");
  source.engine.flush(5, source.now);
  source.pass();
  source.all_barriers_pass();
  source.looked({Source::file("a")});
  const std::uint64_t sequence = source.engine.status(source.now).sequence;
  source.applied(sequence);
  CHECK(source.flushed.empty());
  CHECK(source.last<SyncRequest>().sequence == sequence);
  source.applied(sequence, sequence);
  CHECK(source.flushed == std::vector<std::uint64_t>{5});
}

TEST_CASE("source engine: a flush waits for what is sent again because what it built on was missing", "[source_engine]") {
  Source source;
  source.ready();
  source.scanned({});
  source.changed(Source::root, "a");
  source.engine.flush(5, source.now);
  source.pass();
  source.all_barriers_pass();
  source.looked({Source::file("a")});
  const std::uint64_t sequence = source.engine.status(source.now).sequence;
  source.applied(sequence, sequence, {{sequence, 0, Status(Code::stale, "nothing to link to")}});
  CHECK(source.flushed.empty());
  source.looked({Source::file("a")});
  source.applied(sequence + 1, sequence + 1);
  CHECK(source.flushed == std::vector<std::uint64_t>{5});
}

TEST_CASE("source engine: a failure is listed, tried again after a delay, and cleared", "[source_engine]") {
  Source source;
  source.ready();
  source.scanned({Source::file("a")});
  source.applied(1, 0, {{1, 0, Status(Code::denied, "no")}});
  REQUIRE(source.engine.failures().size() == 1);
  CHECK(source.engine.failures()[0].path == "a");
  CHECK_FALSE(source.asks_for<ReadJob>());
  source.pass(std::chrono::seconds(3));
  source.looked({Source::file("a")});
  source.applied(source.engine.status(source.now).sequence);
  CHECK(source.engine.failures().empty());
}

TEST_CASE("source engine: failures of a directory that is gone do no harm", "[source_engine]") {
  Source source;
  source.ready();
  source.scanned({Source::directory("d", 9)});
  source.scanned({Source::file("x")});
  const std::uint64_t sequence = source.engine.status(source.now).sequence;
  source.changed(Source::root, "d", WatchEvent::existence | WatchEvent::is_directory);
  source.looked({Source::absent("d")}); // detached, until a barrier shows that it is gone
  source.applied(sequence, 0, {{sequence, 0, Status(Code::io, "bad disk")}, {sequence, group_failure, Status(Code::io, "bad disk")}});
  CHECK(source.engine.failures().empty());
  CHECK(source.engine.exit() == Exit::running);
}

TEST_CASE("source engine: what is pending in a vanished directory does not hold up a flush", "[source_engine]") {
  Source source;
  source.ready();
  source.scanned({Source::directory("d", 9)});
  source.engine.flush(5, source.now);
  source.pass();
  source.all_barriers_pass(); // all are asked for while the directory is still believed to be there
  source.changed(Source::root, "d", WatchEvent::existence | WatchEvent::is_directory);
  source.looked({Source::absent("d")});
  source.pass();
  source.all_barriers_pass();
  const std::uint64_t sequence = source.engine.status(source.now).sequence;
  source.applied(sequence, sequence);
  CHECK(source.flushed == std::vector<std::uint64_t>{5});
}

TEST_CASE("source engine: a source root that is empty and was not is refused", "[source_engine]") {
  SourceSettings settings = Source::settings();
  settings.had_entries = true;
  Source source(settings);
  source.ready();
  source.scanned({});
  CHECK(source.engine.exit() == Exit::refused);
  CHECK(source.sent().empty());
}

TEST_CASE("source engine: a driver that waits for the next wake-up does not spin", "[source_engine]") {
  Source source;
  SECTION("without a sink") {
    source.pass(std::chrono::hours(1));
    CHECK(source.engine.next_wakeup() > source.now);
  }
  SECTION("after the replica was full") {
    source.ready();
    source.scanned({Source::file("a")});
    source.applied(1, 0, {{1, 0, Status(Code::no_space, "full")}});
    CHECK(source.engine.next_wakeup() > source.now);
    for (int i = 0; i < 10; ++i) source.pass(std::chrono::seconds(1));
    source.pass();
    CHECK(source.engine.next_wakeup() > source.now);
  }
}

TEST_CASE("source engine: stop ships what was seen although everything is paused, and leaves the backlog", "[source_engine]") {
  Source source;
  source.ready();
  source.scanned({Source::directory("d", 9)});
  source.engine.pause(false, source.now);
  source.changed(Source::root, "a");
  source.engine.stop(false, source.now);
  source.pass();
  source.looked({Source::file("a")});
  const std::uint64_t sequence = source.engine.status(source.now).sequence;
  source.applied(sequence, sequence);
  REQUIRE(source.all<Farewell>().size() == 1);
  CHECK_FALSE(source.last<Farewell>().end);
  source.receive(Unregister{source.session, {}});
  CHECK(source.engine.exit() == Exit::done);
}
