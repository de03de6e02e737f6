#include <catch2/catch.hpp>

#include "support/sink_engine_driver.h"

namespace osync::test {
namespace {

using namespace osync::engine;
using namespace std::chrono_literals;

using Content = ReplicaState::Content;
using Reason = SinkEnd::Reason;

ReplicaState state_of(Content content, const Uuid& source = SinkDriver::source, bool adopted = false) {
  ReplicaState state;
  state.content = content;
  if (content == Content::own_identity) state.identity = {source, Uuid{3}, 7};
  state.adopted = adopted;
  return state;
}

SinkSettings settings_with(bool adopt, bool take_over) {
  SinkSettings settings = SinkDriver::settings();
  settings.adopt = adopt;
  settings.take_over = take_over;
  return settings;
}

bool mentions(const Status& status, const std::string& text) {
  return std::string(status.message()).find(text) != std::string::npos;
}

} // namespace

TEST_CASE("a sink registers, claims and says READY", "[sink_engine]") {
  SinkDriver driver;
  CHECK_FALSE(driver.engine.next_wakeup());
  driver.engine.connected(driver.now);
  driver.collect();
  const Register message = driver.last<Register>();
  CHECK(message.version == protocol_version);
  CHECK(message.pipeline == "photos");
  CHECK(message.replica_name == "mirror1");
  CHECK(message.identity.replica == Uuid{});
  driver.welcome();
  const auto request = driver.engine.claim_request();
  REQUIRE(request);
  CHECK_FALSE(driver.engine.claim_request());
  CHECK(request->identity.source == SinkDriver::source);
  CHECK(request->identity.replica == SinkDriver::new_replica);
  CHECK(request->identity.epoch == 1);
  CHECK_FALSE(request->adopt);
  CHECK(driver.all<Ready>().empty());
  driver.engine.claimed({}, driver.now);
  driver.collect();
  const Ready ready = driver.last<Ready>();
  CHECK(ready.session == SinkDriver::session);
  CHECK(ready.window == 16u << 20);
  CHECK(ready.empty);
  CHECK_FALSE(ready.adopted);
  CHECK_FALSE(ready.compare_contents);
  CHECK(driver.engine.streaming());
}

TEST_CASE("who may write into a replica", "[sink_engine]") {
  struct Row {
    const char* what;
    ReplicaState state;
    bool adopt, take_over;
    const char* refusal; ///< a word of it; empty: admitted
    Uuid replica;
    std::uint64_t epoch;
    bool adopted, compare_contents;
  };
  const Uuid fresh = SinkDriver::new_replica;
  const Uuid old{3};
  const Uuid other{8};
  const std::vector<Row> rows = {
      {"empty", state_of(Content::empty), false, false, "", fresh, 1, false, false},
      {"empty, adopt is no harm", state_of(Content::empty), true, true, "", fresh, 1, false, false},
      {"own", state_of(Content::own_identity), false, false, "", old, 8, false, false},
      {"own, adopted before", state_of(Content::own_identity, SinkDriver::source, true), false, false, "",
       old, 8, true, false},
      {"of another source",
       state_of(Content::own_identity, other),
       false,
       false,
       "--take-over",
       {},
       0,
       false,
       false},
      {"of another source, adopt does not help",
       state_of(Content::own_identity, other),
       true,
       false,
       "--take-over",
       {},
       0,
       false,
       false},
      {"taken over", state_of(Content::own_identity, other), false, true, "", fresh, 8, false, true},
      {"taken over, adopted before", state_of(Content::own_identity, other, true), false, true, "", fresh, 8,
       true, true},
      {"foreign", state_of(Content::foreign_content), false, false, "--adopt", {}, 0, false, false},
      {"foreign, taking over does not help",
       state_of(Content::foreign_content),
       false,
       true,
       "--adopt",
       {},
       0,
       false,
       false},
      {"adopted", state_of(Content::foreign_content), true, false, "", fresh, 1, true, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    SinkDriver driver(settings_with(row.adopt, row.take_over), row.state);
    driver.engine.connected(driver.now);
    driver.welcome();
    const auto request = driver.engine.claim_request();
    const std::string refusal = row.refusal;
    REQUIRE(request.has_value() == refusal.empty());
    if (!request) {
      const Unregister message = driver.last<Unregister>();
      CHECK(message.session == SinkDriver::session);
      CHECK(message.status.code() == Code::conflict);
      CHECK(mentions(message.status, refusal));
      const auto end = driver.engine.finished();
      REQUIRE(end);
      CHECK(end->reason == Reason::refused);
      CHECK(end->end_process);
      CHECK(driver.jobs.empty());
      continue;
    }
    CHECK(request->identity.source == SinkDriver::source);
    CHECK(request->identity.replica == row.replica);
    CHECK(request->identity.epoch == row.epoch);
    CHECK(request->adopt == row.adopted);
    driver.engine.claimed({}, driver.now);
    driver.collect();
    const Ready ready = driver.last<Ready>();
    CHECK(ready.identity.epoch == row.epoch);
    CHECK(ready.adopted == row.adopted);
    CHECK(ready.compare_contents == row.compare_contents);
    CHECK(ready.empty == (row.state.content == Content::empty));
  }
}

TEST_CASE("a refusal names both sources", "[sink_engine]") {
  SinkDriver driver(SinkDriver::settings(), state_of(Content::own_identity, Uuid{0xab}));
  driver.engine.connected(driver.now);
  driver.collect();
  CHECK(driver.last<Register>().identity.source == Uuid{0xab});
  driver.welcome();
  const Status status = driver.last<Unregister>().status;
  CHECK(mentions(status, "ab000000-0000-0000-0000-000000000000"));
  CHECK(mentions(status, "01000000-0000-0000-0000-000000000000"));
}

TEST_CASE("the source may refuse", "[sink_engine]") {
  SinkDriver driver;
  driver.engine.connected(driver.now);
  SECTION("for good") {
    driver.engine.received(Refuse{Code::conflict, "unknown pipeline"}, driver.now);
    (void)driver.engine.take_messages();
    REQUIRE(driver.engine.finished());
    CHECK(driver.engine.finished()->end_process);
    CHECK(mentions(driver.engine.finished()->status, "unknown pipeline"));
  }
  SECTION("for now") {
    driver.engine.received(Refuse{Code::would_block, "another session is ending"}, driver.now);
    (void)driver.engine.take_messages();
    REQUIRE(driver.engine.finished());
    CHECK_FALSE(driver.engine.finished()->end_process);
    driver.engine.disconnected(driver.now);
    driver.begin();
    CHECK(driver.engine.streaming());
  }
  CHECK(driver.all<Unregister>().empty());
}

TEST_CASE("another protocol version is refused with both named", "[sink_engine]") {
  SinkDriver driver;
  driver.engine.connected(driver.now);
  driver.engine.received(Welcome{9, protocol_version + 1, "9.9", SinkDriver::source, 5000}, driver.now);
  driver.collect();
  const Status status = driver.last<Unregister>().status;
  CHECK(status.code() == Code::unsupported);
  CHECK(mentions(status, "version " + std::to_string(protocol_version + 1)));
  CHECK(mentions(status, "version " + std::to_string(protocol_version) + " "));
  CHECK(driver.engine.finished()->end_process);
}

TEST_CASE("a claim that fails ends everything", "[sink_engine]") {
  SinkDriver driver;
  driver.engine.connected(driver.now);
  driver.welcome();
  REQUIRE(driver.engine.claim_request());
  driver.engine.claimed(Status(Code::no_space, "disk full"), driver.now);
  driver.collect();
  CHECK(driver.all<Ready>().empty());
  CHECK(driver.last<Unregister>().status.code() == Code::no_space);
  REQUIRE(driver.engine.finished());
  CHECK(driver.engine.finished()->reason == Reason::failed);
}

TEST_CASE("READY waits for jobs and stages of the session before", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("", {put("a"), stage_of(OperationKind::stage_data, 5)}));
  driver.send(group_of("", {put("b")}));  // waits for the first
  driver.send(group_of("x", {put("c")})); // the other applier's
  REQUIRE(driver.jobs.size() == 2);
  driver.engine.disconnected(driver.now);
  driver.messages.clear();
  driver.begin(10);
  CHECK(driver.all<Register>().size() == 1);
  CHECK(driver.all<Ready>().empty());

  driver.finish(1);
  CHECK_FALSE(driver.engine.claim_request());
  driver.finish(0);
  // `b` was dropped, the stage that is left over is discarded next.
  REQUIRE(driver.jobs.size() == 1);
  REQUIRE(driver.replica.stages() == 1);
  CHECK_FALSE(driver.engine.claim_request());
  driver.finish();
  CHECK(driver.replica.stages() == 0);
  const auto request = driver.engine.claim_request();
  REQUIRE(request);
  CHECK(request->identity.epoch == 2);
  CHECK(request->identity.replica == SinkDriver::new_replica);
  CHECK(driver.all<Acknowledge>().empty()); // nothing of the old session is told to the new one
  driver.engine.claimed({}, driver.now);
  driver.collect();
  CHECK(driver.last<Ready>().session == 10);
  CHECK_FALSE(driver.last<Ready>().empty);
  CHECK(driver.replica.dump().find("/b ") == std::string::npos);

  driver.engine.received(Frame{10, {[] {
                                 auto g = group_of("", {put("d")});
                                 g.sequence = 1;
                                 return g;
                               }()}},
                         driver.now);
  driver.collect();
  driver.finish_all();
  CHECK(driver.last<Acknowledge>().session == 10);
  CHECK(driver.last<Acknowledge>().applied == 1);
}

TEST_CASE("frames of another session are ignored", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  OperationGroup group = group_of("", {put("zombie")});
  group.sequence = 1;
  driver.send_frame({group}, 8);
  CHECK(driver.jobs.empty());
  CHECK(driver.engine.streaming());
  CHECK(driver.engine.counters().ignored_messages == 1);
  driver.engine.received(SyncRequest{8, 0}, driver.now);
  driver.engine.received(Farewell{8, true, ""}, driver.now);
  CHECK(driver.engine.counters().ignored_messages == 3);
  CHECK(driver.engine.streaming());
}

TEST_CASE("a claim that is under way when the connection is lost is answered before registering anew",
          "[sink_engine]") {
  SinkDriver driver;
  driver.engine.connected(driver.now);
  driver.welcome();
  REQUIRE(driver.engine.claim_request());
  driver.engine.disconnected(driver.now);
  driver.messages.clear();
  driver.engine.connected(driver.now);
  driver.collect();
  CHECK(driver.messages.empty());
  driver.engine.claimed({}, driver.now);
  driver.collect();
  CHECK(driver.last<Register>().identity.replica == SinkDriver::new_replica);
  driver.welcome(10);
  CHECK(driver.engine.claim_request()->identity.epoch == 2);
}

TEST_CASE("a stream that contradicts the protocol ends the session", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  OperationGroup group = group_of("", {put("a")});
  SECTION("gap") { group.sequence = 2; }
  SECTION("zero") { group.sequence = 0; }
  SECTION("again") {
    driver.send(group_of("", {put("x")}));
    driver.finish_all();
    group.sequence = 1;
  }
  driver.send_frame({group});
  driver.finish_all();
  CHECK(driver.last<Unregister>().status.code() == Code::corrupt);
  CHECK(driver.last<TransferReport>().final);
  REQUIRE(driver.engine.finished());
  CHECK(driver.engine.finished()->reason == Reason::failed);
  CHECK_FALSE(driver.engine.finished()->end_process); // a new session may go better
  CHECK(driver.replica.dump().find("/a ") == std::string::npos);
  driver.engine.disconnected(driver.now);
  driver.sequence = 0;
  driver.begin(10);
  CHECK(driver.engine.streaming());
}

TEST_CASE("sessions that fail one after the other end the process", "[sink_engine]") {
  SinkDriver driver;
  for (int i = 1; i <= 3; ++i) {
    driver.begin();
    OperationGroup group = group_of("", {put("a")});
    group.sequence = 77;
    driver.send_frame({group});
    REQUIRE(driver.engine.finished());
    CHECK(driver.engine.finished()->end_process == (i == 3));
    driver.engine.disconnected(driver.now);
  }
  driver.messages.clear();
  driver.engine.connected(driver.now);
  driver.collect();
  CHECK(driver.messages.empty());
  CHECK(driver.engine.finished()->end_process);
}

TEST_CASE("a frame before READY and a second Welcome are errors", "[sink_engine]") {
  SinkDriver driver;
  SECTION("frame") {
    driver.engine.connected(driver.now);
    driver.welcome();
    OperationGroup group = group_of("", {put("a")});
    group.sequence = 1;
    driver.send_frame({group});
  }
  SECTION("welcome") {
    driver.begin();
    driver.welcome(11);
  }
  SECTION("a Welcome without a source") {
    driver.engine.connected(driver.now);
    driver.welcome(9, Uuid{});
  }
  SECTION("a Welcome without a session") {
    driver.engine.connected(driver.now);
    driver.welcome(0);
  }
  CHECK(driver.last<Unregister>().status.code() == Code::corrupt);
  CHECK_FALSE(driver.engine.claim_request());
  CHECK(driver.jobs.empty());
}

TEST_CASE("a sync begins once much was applied, however short the time, and one at a time", "[sink_engine]") {
  SinkSettings settings = SinkDriver::settings();
  settings.sync_bytes = 10'000;
  SinkDriver driver(settings);
  driver.begin();
  const auto apply = [&](const std::string& name, std::size_t bytes) {
    OperationGroup group = group_of("", {put(name, static_cast<std::uint32_t>(bytes))});
    group.payload = Buffer::copy_of(std::string(bytes, 'x'));
    driver.send(std::move(group));
    // The applier's job comes last; a sync may be in progress before it.
    driver.finish(driver.jobs.size() - 1);
  };
  apply("a", 6'000);
  CHECK(driver.syncs() == 0);
  apply("b", 6'000);
  REQUIRE(driver.syncs() == 1);
  apply("c", 20'000); // while it is in progress
  CHECK(driver.syncs() == 1);
  driver.finish_sync();
  CHECK(driver.last<Acknowledge>().durable == 2);
  REQUIRE(driver.syncs() == 1); // what came since the first began is enough for the next
  driver.finish_sync();
  CHECK(driver.last<Acknowledge>().durable == 3);
  apply("d", 9'000); // counted anew
  CHECK(driver.syncs() == 0);
}

TEST_CASE("farewell: everything that was received is applied and durable first", "[sink_engine]") {
  const bool end = GENERATE(true, false);
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("", {put("a")}));
  driver.send(group_of("", {put("b")}));
  driver.farewell(end);
  driver.send(group_of("", {put("late")})); // after its end nothing counts
  CHECK_FALSE(driver.engine.finished());
  CHECK(driver.all<Unregister>().empty());
  driver.finish();
  driver.finish();
  REQUIRE(driver.syncs() == 1);
  CHECK_FALSE(driver.engine.finished());
  driver.finish_sync();
  CHECK(driver.last<Acknowledge>().durable == 2);
  CHECK(driver.last<TransferReport>().final);
  CHECK(driver.last<TransferReport>().entries_applied == 2);
  CHECK(driver.last<TransferReport>().durable == 2);
  CHECK(driver.last<Unregister>().status.ok());
  REQUIRE(std::holds_alternative<Unregister>(driver.messages.back()));
  const auto finished = driver.engine.finished();
  REQUIRE(finished);
  CHECK(finished->reason == Reason::farewell);
  CHECK(finished->end_process == end);
  CHECK(finished->status.ok());
  CHECK(driver.replica.dump().find("/b ") != std::string::npos);
  CHECK(driver.replica.dump().find("/late ") == std::string::npos);
  if (end) return;
  driver.engine.disconnected(driver.now);
  driver.begin(10);
  CHECK(driver.engine.streaming());
}

TEST_CASE("farewell before READY", "[sink_engine]") {
  SinkDriver driver;
  driver.engine.connected(driver.now);
  driver.welcome();
  driver.farewell(true);
  CHECK_FALSE(driver.engine.claim_request());
  CHECK(driver.last<Unregister>().status.ok());
  CHECK(driver.engine.finished()->reason == Reason::farewell);
}

TEST_CASE("a source that goes away during its farewell is not told, and the end says so", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("", {put("a")}));
  driver.send(group_of("", {put("b")}));
  driver.farewell(true);
  driver.engine.disconnected(driver.now);
  driver.messages.clear();
  driver.finish(); // in progress
  REQUIRE(driver.syncs() == 1);
  driver.finish_sync();
  CHECK(driver.messages.empty());
  const auto end = driver.engine.finished();
  REQUIRE(end);
  CHECK(end->reason == Reason::farewell);
  CHECK(end->end_process);
  CHECK(end->status.code() == Code::closed);
}

TEST_CASE("stop applies what was received, or only what is in progress", "[sink_engine]") {
  const bool immediate = GENERATE(false, true);
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("", {put("a")}));
  driver.send(group_of("", {put("b")}));
  driver.stop(immediate);
  driver.finish();
  if (!immediate) driver.finish();
  REQUIRE(driver.jobs.size() == 1);
  REQUIRE(driver.syncs() == 1);
  driver.finish_sync();
  CHECK(driver.last<Acknowledge>().durable == (immediate ? 1 : 2));
  CHECK(driver.last<Unregister>().status.ok());
  CHECK(driver.engine.finished()->reason == Reason::stopped);
  CHECK(driver.engine.finished()->status.ok());
  CHECK((driver.replica.dump().find("/b ") != std::string::npos) == !immediate);
}

TEST_CASE("a stop may become immediate", "[sink_engine]") {
  SinkDriver driver;
  driver.begin();
  driver.send(group_of("", {put("a")}));
  driver.send(group_of("", {put("b")}));
  driver.stop(false);
  driver.stop(true);
  driver.finish();
  driver.finish_sync();
  CHECK(driver.last<Acknowledge>().applied == 1);
  CHECK(driver.engine.finished()->end_process);
}

TEST_CASE("stop in every other phase", "[sink_engine]") {
  SinkDriver driver;
  SECTION("offline") { driver.stop(); }
  SECTION("registering") {
    driver.engine.connected(driver.now);
    driver.stop();
    CHECK(driver.last<Unregister>().status.ok());
    CHECK(driver.all<Unregister>().size() == 1);
  }
  SECTION("claiming") {
    driver.engine.connected(driver.now);
    driver.welcome();
    REQUIRE(driver.engine.claim_request());
    driver.stop();
    CHECK_FALSE(driver.engine.finished());
    driver.engine.claimed({}, driver.now);
    driver.collect();
    CHECK(driver.all<Ready>().empty());
  }
  SECTION("offline with something that is not durable") {
    driver.begin();
    driver.send(group_of("", {put("a")}));
    driver.finish();
    driver.engine.disconnected(driver.now);
    driver.stop();
    CHECK_FALSE(driver.engine.finished());
    driver.finish_sync();
  }
  SECTION("after a failed session") {
    driver.begin();
    driver.send(group_of("", {put("a")}));
    driver.finish();
    driver.welcome(11);
    REQUIRE(driver.engine.finished());
    driver.stop();
    CHECK_FALSE(driver.engine.finished());
    driver.finish_sync();
    CHECK(driver.all<Unregister>().size() == 1);
  }
  REQUIRE(driver.engine.finished());
  CHECK(driver.engine.finished()->end_process);
  driver.messages.clear();
  driver.engine.connected(driver.now);
  driver.collect();
  CHECK(driver.messages.empty());
}

TEST_CASE("notes are bounded and say why", "[sink_engine]") {
  SinkDriver driver;
  for (int i = 0; i < 1000; ++i) driver.engine.job_done(SyncDone{99, {}}, driver.now);
  CHECK(driver.engine.take_notes().size() == SinkEngine::note_bound);
  CHECK(driver.engine.take_notes().empty());
  driver.engine.job_done(ApplyDone{99, {}}, driver.now);
  driver.engine.job_done(InspectDone{}, driver.now);
  REQUIRE(driver.engine.take_notes().size() == 2);
}

} // namespace osync::test
