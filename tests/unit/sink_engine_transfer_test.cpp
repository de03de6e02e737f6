#include <catch2/catch.hpp>

#include "engine/sink_credit.h"
#include "support/sink_engine_driver.h"

namespace osync::test {
namespace {

using namespace osync::engine;
using namespace std::chrono_literals;

OperationGroup sized(std::string directory, std::size_t bytes) {
  OperationGroup group = group_of(std::move(directory), {put("f")});
  group.payload = Buffer::copy_of(std::string(bytes, 'x'));
  return group;
}

ListingPiece piece_of(std::string directory, std::vector<std::string> names) {
  ListingPiece piece;
  piece.directory = std::move(directory);
  piece.listing = 1;
  for (std::string& name : names) {
    ListedEntry entry;
    entry.name = std::move(name);
    entry.attributes = attributes_of(FileType::regular);
    piece.entries.push_back(std::move(entry));
  }
  return piece;
}

/// Failures are told sooner than successes: tests about time want none.
void make_directories(FakeReplica& replica, const std::vector<std::string>& names) {
  for (const std::string& name : names)
    (void)replica.apply(group_of(
        "", {operation_of(OperationKind::make_directory, name, attributes_of(FileType::directory, 0755))}));
}

} // namespace

TEST_CASE("a single change is acknowledged at once", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("", {put("a")}));
  CHECK(driver.all<Acknowledge>().empty());
  driver.finish();
  REQUIRE(driver.all<Acknowledge>().size() == 1);
  const Acknowledge message = driver.last<Acknowledge>();
  CHECK(message.session == SinkDriver::session);
  CHECK(message.received == 1);
  CHECK(message.applied == 1);
  CHECK(message.durable == 0);
}

TEST_CASE("bulk is acknowledged every few milliseconds, not group by group", "[sink_engine]") {
  SinkDriver driver;
  make_directories(driver.replica, {"slow", "fast"});
  for (int i = 0; i < 100; ++i) make_directories(driver.replica, {"d" + std::to_string(i)});
  driver.begin();
  driver.send(group_of("slow", {put("a")})); // stays in progress, so that the engine is never idle
  for (int i = 0; i < 100; ++i) {
    driver.send(group_of("d" + std::to_string(i), {put("a")}));
    driver.finish(1);
    driver.now += 100us;
  }
  CHECK(driver.all<Acknowledge>().empty()); // `applied` waits for the slow one
  driver.finish(0);
  CHECK(driver.all<Acknowledge>().size() == 1);
  CHECK(driver.last<Acknowledge>().applied == 101);

  driver.messages.clear();
  driver.send(group_of("fast", {put("a")}));
  driver.send(group_of("slow", {put("a")}));
  for (int i = 0; i < 100; ++i) { // now the slow one is always the last
    driver.finish(0);
    driver.now += 100us;
    driver.send(group_of("d" + std::to_string(i), {put("a")}));
  }
  CHECK(driver.all<Acknowledge>().size() >= 4);
  CHECK(driver.all<Acknowledge>().size() <= 6); // 10 ms by 2 ms
}

TEST_CASE("what is not told yet is told at the next wake-up", "[sink_engine]") {
  SinkDriver driver;
  make_directories(driver.replica, {"slow", "fast"});
  driver.begin();
  driver.send(group_of("fast", {put("a")}));
  driver.send(group_of("slow", {put("a")}));
  driver.finish(0);
  CHECK(driver.all<Acknowledge>().empty());
  const auto wakeup = driver.engine.next_wakeup();
  REQUIRE(wakeup);
  CHECK(*wakeup == driver.now + 2ms);
  driver.pass(2ms);
  CHECK(driver.last<Acknowledge>().applied == 1);
  CHECK(driver.engine.next_wakeup() > driver.now);
}

TEST_CASE("half a window that became free is told at once", "[sink_engine]") {
  SinkSettings settings = SinkDriver::settings();
  settings.window = 10'000;
  SinkDriver driver(settings);
  make_directories(driver.replica, {"a", "b", "slow"});
  driver.begin();
  driver.send(sized("a", 3000));
  driver.send(sized("b", 3000));
  driver.send(sized("slow", 10)); // stays in progress, so that the engine is never idle
  driver.finish(0);
  CHECK(driver.all<Acknowledge>().empty());
  driver.finish(0);
  CHECK(driver.all<Acknowledge>().size() == 1);
  CHECK(driver.last<Acknowledge>().applied == 2);
  CHECK(driver.jobs.size() == 1);
}

TEST_CASE("a source that sends beyond its credit is cut off", "[sink_engine]") {
  SinkSettings settings = SinkDriver::settings();
  settings.window = 10'000;
  SinkDriver driver(settings);
  driver.begin();
  driver.send(sized("a", 9'000));
  driver.send(sized("b", 9'000)); // begun while there was credit
  CHECK(driver.engine.streaming());
  CHECK(driver.engine.counters().window_used == 2 * credit_cost(sized("a", 9'000)));
  SECTION("sent too much") {
    driver.send(sized("c", 1));
    CHECK(driver.last<Unregister>().status.code() == Code::corrupt);
    CHECK_FALSE(driver.engine.streaming());
    driver.finish_all();
    CHECK(driver.engine.finished());
  }
  SECTION("waited for credit") {
    driver.finish(0);
    driver.send(sized("c", 1));
    CHECK(driver.engine.streaming());
  }
}

TEST_CASE("each failure is reported once, and not after its number", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("missing", {put("a")}));
  driver.send(
      group_of("", {put("a"), link_to("l", "nowhere"), operation_of(OperationKind::set_attributes, "none")}));
  driver.finish(1);
  CHECK(driver.all<Acknowledge>().empty());
  driver.finish(0);
  REQUIRE(driver.all<Acknowledge>().size() == 1);
  const Acknowledge message = driver.last<Acknowledge>();
  CHECK(message.applied == 2);
  REQUIRE(message.failures.size() == 3);
  CHECK(message.failures[0].sequence == 2);
  CHECK(message.failures[0].index == 1);
  CHECK(message.failures[0].status.code() == Code::stale);
  CHECK(message.failures[1].index == 2);
  CHECK(message.failures[2].sequence == 1);
  CHECK(message.failures[2].index == group_failure);
  const SinkCounters counters = driver.engine.counters();
  CHECK(counters.operations_failed == 3);
  CHECK(counters.failures_by_code[static_cast<std::size_t>(Code::not_found)] == 2);
  CHECK(counters.failures_by_code[static_cast<std::size_t>(Code::stale)] == 1);
  driver.pass(10ms);
  CHECK(driver.all<Acknowledge>().size() == 1);
}

TEST_CASE("many failures take several messages, of which the last one frees the numbers", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  OperationGroup group = group_of("");
  for (int i = 0; i < 1200; ++i) group.operations.push_back(link_to("l" + std::to_string(i), "nowhere"));
  driver.send(std::move(group));
  driver.finish();
  const auto messages = driver.all<Acknowledge>();
  REQUIRE(messages.size() == 3);
  std::size_t failures = 0;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    CHECK(messages[i].failures.size() <= SinkEngine::failures_in_message);
    CHECK(messages[i].applied == (i == 2 ? 1 : 0));
    failures += messages[i].failures.size();
  }
  CHECK(failures == 1200);
}

TEST_CASE("a sink that gives too few results is not believed", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("", {put("a")}));
  const SinkJobId id = std::get<ApplyJob>(driver.jobs.at(0).job()).id;
  driver.jobs.clear();
  driver.engine.job_done(ApplyDone{id, {}}, driver.now);
  driver.collect();
  REQUIRE(driver.last<Acknowledge>().failures.size() == 1);
  CHECK(driver.last<Acknowledge>().failures[0].status.code() == Code::internal);
}

TEST_CASE("durable is what was applied when the sync began", "[sink_engine]") {
  SinkDriver driver;
  driver.begin(SinkDriver::session, 5000);
  driver.send(group_of("a", {put("x")}));
  driver.send(group_of("b", {put("x")}));
  driver.finish(1); // 2 is applied before 1
  driver.finish(0);
  CHECK(driver.syncs() == 0);
  CHECK(*driver.engine.next_wakeup() <= driver.now + 5s);
  driver.send(group_of("c", {put("x")}));
  driver.pass(5s);
  REQUIRE(driver.syncs() == 1);
  driver.finish(0); // 3 is applied while the sync runs
  driver.pass(10s);
  CHECK(driver.syncs() == 1); // one at a time
  driver.finish_sync();
  CHECK(driver.last<Acknowledge>().durable == 2);
  CHECK(driver.last<Acknowledge>().applied == 3);
  REQUIRE(driver.syncs() == 1); // 3 has waited for longer than the interval
  driver.finish_sync();
  CHECK(driver.last<Acknowledge>().durable == 3);
  driver.pass(100s);
  CHECK(driver.syncs() == 0); // nothing to do
  CHECK(driver.engine.counters().syncs == 2);
}

TEST_CASE("items that were applied out of order are not durable before those in front of them",
          "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("a", {put("x")}));
  driver.send(group_of("b", {put("x")}));
  driver.finish(1);
  driver.pass(5s);
  REQUIRE(driver.syncs() == 1);
  driver.finish(0);
  driver.finish_sync();
  CHECK(driver.last<Acknowledge>().applied == 2);
  CHECK(driver.last<Acknowledge>().durable == 0);
}

TEST_CASE("a sync on request waits for the number it names", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.engine.received(SyncRequest{SinkDriver::session, 2}, driver.now);
  driver.send(group_of("a", {put("x")}));
  driver.finish();
  CHECK(driver.syncs() == 0);
  driver.send(group_of("a", {put("y")}));
  driver.finish();
  REQUIRE(driver.syncs() == 1);
  driver.finish_sync();
  CHECK(driver.last<Acknowledge>().durable == 2);

  driver.messages.clear(); // durable already: answered at once
  driver.engine.received(SyncRequest{SinkDriver::session, 2}, driver.now);
  driver.collect();
  CHECK(driver.syncs() == 0);
  CHECK(driver.last<Acknowledge>().durable == 2);
}

TEST_CASE("suspicion ends with a sync after everything was compared", "[sink_engine]") {
  ReplicaState state;
  state.content = ReplicaState::Content::own_identity;
  state.identity = {SinkDriver::source, SinkDriver::new_replica, 1};
  state.suspect_since = Timestamp{1, 0};
  SinkDriver driver(SinkDriver::settings(), state);
  driver.begin();
  const auto clears = [&] {
    return std::any_of(driver.jobs.begin(), driver.jobs.end(), [](const FakeJob& job) {
      const auto* sync = std::get_if<SyncJob>(&job.job());
      return sync != nullptr && sync->clear_suspicion;
    });
  };
  driver.engine.received(SyncRequest{SinkDriver::session, 1, true}, driver.now);
  driver.send(group_of("a", {put("x")}));
  CHECK(driver.syncs() == 0); // the number that it names is not applied yet
  driver.finish();
  REQUIRE(clears());
  driver.finish_sync();

  driver.engine.received(SyncRequest{SinkDriver::session, 1, true}, driver.now); // nothing is suspect any more
  driver.collect();
  CHECK(driver.syncs() == 0);
}

TEST_CASE("suspicion ends also when nothing had to be written", "[sink_engine]") {
  ReplicaState state;
  state.content = ReplicaState::Content::own_identity;
  state.identity = {SinkDriver::source, SinkDriver::new_replica, 1};
  state.suspect_since = Timestamp{1, 0};
  SinkDriver driver(SinkDriver::settings(), state);
  driver.begin();
  driver.engine.received(SyncRequest{SinkDriver::session, 0, true}, driver.now);
  driver.collect();
  CHECK(driver.syncs() == 1);
}

TEST_CASE("a request during a sync gets a sync of its own", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("a", {put("x")}));
  driver.finish();
  driver.engine.received(SyncRequest{SinkDriver::session, 1}, driver.now);
  driver.collect();
  REQUIRE(driver.syncs() == 1);
  driver.send(group_of("a", {put("y")}));
  driver.finish(1);
  driver.engine.received(SyncRequest{SinkDriver::session, 2}, driver.now);
  driver.collect();
  CHECK(driver.syncs() == 1);
  driver.finish_sync();
  CHECK(driver.last<Acknowledge>().durable == 1);
  REQUIRE(driver.syncs() == 1);
  driver.finish_sync();
  CHECK(driver.last<Acknowledge>().durable == 2);
}

TEST_CASE("a failed sync ends the session, and contents are compared from then on", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("a", {put("x")}));
  driver.send(group_of("b", {put("x")}));
  driver.finish(0);
  driver.pass(5s);
  driver.messages.clear();
  driver.finish_sync(Status(Code::io, "syncfs: Input/output error"));
  const Unregister message = driver.last<Unregister>();
  CHECK(message.status.code() == Code::io);
  CHECK(std::string(message.status.message()).find("syncfs") != std::string::npos);
  CHECK(driver.last<Acknowledge>().durable == 0);
  CHECK_FALSE(driver.engine.finished()); // the other group is in progress
  driver.finish_all();
  REQUIRE(driver.engine.finished());
  CHECK_FALSE(driver.engine.finished()->end_process);
  CHECK(driver.engine.counters().syncs_failed == 1);
  driver.engine.disconnected(driver.now);
  driver.begin(10);
  CHECK(driver.last<Ready>().compare_contents);
}

TEST_CASE("a sync that fails at the end makes the end a failure", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("a", {put("x")}));
  driver.finish();
  SECTION("stop") { driver.stop(); }
  SECTION("farewell") { driver.farewell(true); }
  SECTION("stop without a session") {
    driver.engine.disconnected(driver.now);
    driver.stop();
  }
  driver.finish_sync(Status(Code::no_space, "syncfs: No space left on device"));
  REQUIRE(driver.engine.finished());
  CHECK(driver.engine.finished()->end_process);
  CHECK(driver.engine.finished()->reason == SinkEnd::Reason::failed);
  CHECK(driver.engine.finished()->status.code() == Code::io);
}

TEST_CASE("what is not durable is synced also while nobody is connected", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("a", {put("x")}));
  driver.engine.disconnected(driver.now);
  driver.finish();
  driver.pass(5s);
  REQUIRE(driver.syncs() == 1);
  driver.finish_sync(Status(Code::io, "no"));
  CHECK(driver.syncs() == 0);
  driver.pass(5s);
  REQUIRE(driver.syncs() == 1);
  driver.engine.connected(driver.now);
  driver.welcome(10);
  CHECK_FALSE(driver.engine.claim_request()); // nothing runs beside a claim
  driver.finish_sync();
  CHECK(driver.engine.claim_request());
}

TEST_CASE("a sync of an older session makes nothing durable in the next one", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  for (int i = 0; i < 3; ++i) driver.send(group_of("", {put("x")}));
  driver.finish_all();
  driver.pass(5s);
  REQUIRE(driver.syncs() == 1);
  driver.engine.disconnected(driver.now);
  driver.finish_sync();
  driver.begin(10);
  driver.messages.clear();
  OperationGroup group = group_of("", {put("x")});
  group.sequence = 1;
  driver.send_frame({group}, 10);
  driver.finish();
  CHECK(driver.last<Acknowledge>().applied == 1);
  CHECK(driver.last<Acknowledge>().durable == 0);
  CHECK(driver.engine.counters().durable == 0);
}

TEST_CASE("reports come once an interval, when something changed", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.pass(3s);
  CHECK(driver.all<TransferReport>().empty());
  driver.send(sized("", 100));
  driver.finish();
  REQUIRE(driver.all<TransferReport>().size() == 1);
  const TransferReport report = driver.last<TransferReport>();
  CHECK(report.session == SinkDriver::session);
  CHECK(report.entries_applied == 1);
  CHECK(report.bytes_applied == 100);
  CHECK(report.applied == 1);
  CHECK_FALSE(report.final);
  driver.send(sized("missing", 100));
  driver.finish();
  CHECK(driver.all<TransferReport>().size() == 1);
  driver.pass(1s);
  CHECK(driver.all<TransferReport>().size() == 2);
  CHECK(driver.last<TransferReport>().operations_failed == 1);
  CHECK(driver.last<TransferReport>().bytes_applied == 100);
  driver.pass(1s);
  CHECK(driver.all<TransferReport>().size() == 2);
}

TEST_CASE("a listing is compared when what came before is applied", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("", {put("same"), put("beyond")}));
  driver.send(piece_of("", {"same", "absent"}));
  REQUIRE(driver.jobs.size() == 1);
  driver.finish();
  REQUIRE(driver.jobs.size() == 1);
  driver.finish();
  const ListingAnswer answer = driver.last<ListingAnswer>();
  CHECK(answer.session == SinkDriver::session);
  CHECK(answer.sequence == 2);
  CHECK(answer.last);
  REQUIRE(answer.wants.size() == 1);
  CHECK(answer.wants[0].name == "absent");
  CHECK(answer.wants[0].absent);
  REQUIRE(answer.extras.size() == 1);
  CHECK(answer.extras[0].name == "beyond");
  CHECK(driver.last<Acknowledge>().applied == 2);
  driver.send(piece_of("nowhere", {"a"}));
  driver.finish();
  CHECK(driver.last<ListingAnswer>().status.code() == Code::not_found);
  CHECK(driver.last<Acknowledge>().applied == 3);
  CHECK(driver.engine.counters().wants == 1);
}

TEST_CASE("extras are told as the user and an adoption allow", "[sink_engine]") {
  struct Row {
    DeleteExtra setting;
    bool adopted;
    bool told;
  };
  for (const Row& row :
       {Row{DeleteExtra::unless_adopted, false, true}, Row{DeleteExtra::unless_adopted, true, false},
        Row{DeleteExtra::always, true, true}, Row{DeleteExtra::never, false, false}}) {
    SinkSettings settings = SinkDriver::settings();
    settings.delete_extra = row.setting;
    ReplicaState state;
    state.content = ReplicaState::Content::own_identity;
    state.identity = {SinkDriver::source, Uuid{3}, 1};
    state.adopted = row.adopted;
    SinkDriver driver(settings, state);
    driver.begin();
    driver.send(group_of("", {put("beyond")}));
    driver.finish();
    driver.send(piece_of("", {}));
    driver.finish();
    CHECK(driver.last<ListingAnswer>().extras.size() == (row.told ? 1 : 0));
  }
}

TEST_CASE("a listing that contradicts itself ends the session", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  ListingPiece piece = piece_of("", {"a"});
  piece.last = false;
  driver.send(piece);
  driver.send(piece); // begins again
  CHECK(driver.last<Unregister>().status.code() == Code::corrupt);
}

TEST_CASE("a late answer to a piece of an older session is not sent to the new one", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(piece_of("", {"a"}));
  driver.engine.disconnected(driver.now);
  driver.begin(10);
  driver.finish();
  REQUIRE(driver.engine.claim_request());
  driver.engine.claimed({}, driver.now);
  driver.collect();
  CHECK(driver.engine.streaming());
  CHECK(driver.all<ListingAnswer>().empty());
  CHECK(driver.engine.counters().applied == 0);
}

TEST_CASE("stages are known until they are published or discarded", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("", {stage_of(OperationKind::stage_data, 1), stage_of(OperationKind::stage_data, 2),
                            stage_of(OperationKind::stage_data, 3)}));
  driver.finish();
  CHECK(driver.engine.counters().stages_open == 3);
  driver.send(
      group_of("", {stage_of(OperationKind::publish, 1, "f"), stage_of(OperationKind::discard_stage, 2)}));
  driver.finish();
  CHECK(driver.engine.counters().stages_open == 1);
  driver.send(group_of("missing", {stage_of(OperationKind::publish, 3, "f")}));
  driver.finish();
  CHECK(driver.engine.counters().stages_open == 1); // it failed, so the stage is still there
  driver.engine.disconnected(driver.now);
  driver.collect();
  driver.finish();
  CHECK(driver.replica.stages() == 0);
  CHECK(driver.engine.counters().stages_open == 0);
}

TEST_CASE("counters tell what was done and what waits", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(sized("", 50));
  driver.send(group_of("", {put("a"), put("b")}));
  SinkCounters counters = driver.engine.counters();
  CHECK(counters.sessions == 1);
  CHECK(counters.received == 2);
  CHECK(counters.items_waiting == 1);
  CHECK(counters.jobs_running == 1);
  driver.finish_all();
  counters = driver.engine.counters();
  CHECK(counters.groups == 2);
  CHECK(counters.operations == 3);
  CHECK(counters.entries == 3);
  CHECK(counters.bytes == 50);
  CHECK(counters.window_used == 0);
  CHECK(counters.applied == 2);
  CHECK(counters.acknowledgements == driver.all<Acknowledge>().size());
}

} // namespace osync::test
