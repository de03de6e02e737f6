// transport-zmq: the life of peers, with a clock that only the test moves. Both sides live on inproc
// endpoints, where everything that one side says is there for the other at once.
#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <vector>

#include "support/load_plugin.h"
#include "transport-zmq/connector.h"
#include "transport-zmq/listener.h"

using namespace osync;
using namespace osync::transport_zmq;
using namespace std::chrono_literals;

namespace {

using EventKind = TransportEvent::Kind;

std::string fresh_endpoint() {
  static int next = 1;
  return "inproc://peers-" + std::to_string(next++);
}

struct Rig {
  Rig() {
    std::string bound;
    REQUIRE(source.open(bound).ok());
    REQUIRE(sink.open(now).ok());
  }
  std::vector<TransportEvent> advance_source() { return advance(source); }
  std::vector<TransportEvent> advance_sink() { return advance(sink); }
  void meet() {
    (void)advance_sink();
    const auto up = advance_source();
    REQUIRE(up.size() == 1);
    REQUIRE(up.front().kind == EventKind::connected);
    peer = up.front().peer;
    const auto down = advance_sink();
    REQUIRE(down.size() == 1);
    REQUIRE(down.front().kind == EventKind::connected);
  }
  std::vector<TransportEvent> advance(Side& side) {
    std::vector<TransportEvent> events;
    side.advance(now, 64, events);
    return events;
  }

  Options options;
  test::RecordingLogger log;
  Voice voice{log, ""};
  TimePoint now = Clock::now();
  Endpoint endpoint = parse_endpoint(fresh_endpoint()).value();
  Listener source{endpoint, {}, options, voice};
  Connector sink{endpoint, {}, options, voice};
  PeerId peer = 0;
};

bool only_disconnected(const std::vector<TransportEvent>& events) {
  return events.size() == 1 && events.front().kind == EventKind::disconnected;
}

Message text(const std::string& header) {
  Message message;
  message.header = header;
  return message;
}

} // namespace

TEST_CASE("zmq peers that say nothing else stay alive by keep-alives", "[zmq]") {
  Rig rig;
  rig.meet();
  const TimePoint began = rig.now;
  while (rig.now < began + 10min) {
    const TimePoint due = std::min(rig.source.next_due(), rig.sink.next_due());
    REQUIRE(due > rig.now); // else the loop would spin
    REQUIRE(due <= rig.now + rig.options.heartbeat);
    rig.now = due;
    REQUIRE(rig.advance_source().empty());
    REQUIRE(rig.advance_sink().empty());
  }
}

TEST_CASE("zmq gives up a peer that is silent for the timeout, which then comes back as another one",
          "[zmq]") {
  Rig rig;
  rig.meet();
  rig.now += rig.options.peer_timeout - 1ms;
  REQUIRE(rig.advance_source().empty());
  rig.now += 1ms;
  REQUIRE(only_disconnected(rig.advance_source()));
  Message late = text("late");
  REQUIRE(rig.source.send(rig.peer, late, rig.now).code() == Code::not_found);

  // What the sink sent meanwhile is not let through; it learns why it was given up.
  Message unheard = text("unheard");
  REQUIRE(rig.sink.send(1, unheard, rig.now).ok());
  REQUIRE(rig.advance_source().empty());
  REQUIRE(only_disconnected(rig.advance_sink()));
  REQUIRE(rig.log.count("nothing was heard of you", LogLevel::warning) == 1);
  REQUIRE(rig.sink.send(1, late, rig.now).code() == Code::not_found);

  const PeerId first = rig.peer;
  rig.now = rig.sink.next_due();
  rig.meet();
  REQUIRE(rig.peer != first);
}

TEST_CASE("zmq gives up a silent listening side", "[zmq]") {
  Rig rig;
  rig.meet();
  rig.now += rig.options.peer_timeout - 1ms;
  REQUIRE(rig.advance_sink().empty());
  rig.now += 1ms;
  REQUIRE(only_disconnected(rig.advance_sink()));
}

TEST_CASE("zmq reads what is there before it judges a silence", "[zmq]") {
  Rig rig;
  rig.meet();
  Message message = text("still here");
  REQUIRE(rig.sink.send(1, message, rig.now).ok());
  REQUIRE(rig.source.send(rig.peer, message, rig.now).ok());
  rig.now += 10 * rig.options.peer_timeout; // neither side looked for so long
  const auto up = rig.advance_source();
  REQUIRE(up.size() == 1);
  REQUIRE(up.front().message.header == "still here");
  const auto down = rig.advance_sink();
  REQUIRE(down.size() == 1);
  REQUIRE(down.front().kind == EventKind::message);
}

TEST_CASE("zmq counts no silence while this side did not look", "[zmq]") {
  Rig rig;
  rig.meet();
  rig.now += 10 * rig.options.peer_timeout;
  rig.source.excuse(10 * rig.options.peer_timeout);
  rig.sink.excuse(10 * rig.options.peer_timeout);
  REQUIRE(rig.advance_source().empty());
  REQUIRE(rig.advance_sink().empty());
}

TEST_CASE(
    "zmq tries again at growing intervals while connections fail, and at short ones after one that lived",
    "[zmq]") {
  Rig rig;
  milliseconds expected = Connector::first_pause;
  for (int i = 0; i < 8; ++i) {
    rig.meet();
    rig.source.disconnect(rig.peer, rig.now);
    REQUIRE(only_disconnected(rig.advance_source()));
    REQUIRE(only_disconnected(rig.advance_sink()));
    CHECK(rig.sink.next_due() - rig.now == expected);
    expected = std::min(2 * expected, Connector::longest_pause);
    rig.now = rig.sink.next_due();
  }
  rig.meet();
  rig.now += Connector::longest_pause;
  rig.source.disconnect(rig.peer, rig.now);
  REQUIRE(only_disconnected(rig.advance_sink()));
  CHECK(rig.sink.next_due() - rig.now == Connector::first_pause);
}

TEST_CASE("zmq turns peers away beyond the bound and takes them when there is room", "[zmq]") {
  Rig rig;
  rig.meet();
  std::vector<std::unique_ptr<Connector>> others;
  std::vector<TransportEvent> events;
  for (std::size_t i = 1; i < Listener::max_peers; ++i) {
    others.push_back(std::make_unique<Connector>(rig.endpoint, TransportLimits{}, rig.options, rig.voice));
    REQUIRE(others.back()->open(rig.now).ok());
    others.back()->advance(rig.now, 64, events);
    REQUIRE(rig.advance_source().size() == 1);
  }
  Connector late(rig.endpoint, {}, rig.options, rig.voice);
  REQUIRE(late.open(rig.now).ok());
  REQUIRE(rig.advance(late).empty());
  REQUIRE(rig.advance_source().empty());
  REQUIRE(rig.log.count("turned away", LogLevel::warning) == 1);
  REQUIRE(rig.advance(late).empty());
  REQUIRE(rig.log.count("peers already", LogLevel::warning) == 2); // the turned away one says so too
  rig.sink.disconnect(1, rig.now);
  REQUIRE(only_disconnected(rig.advance_source()));
  rig.now = late.next_due();
  REQUIRE(rig.advance(late).empty());
  const auto up = rig.advance_source();
  REQUIRE(up.size() == 1);
  REQUIRE(up.front().kind == EventKind::connected);
  REQUIRE(rig.advance(late).size() == 1);
}

TEST_CASE("zmq hands out no more events at a time than there is room for", "[zmq]") {
  Rig rig;
  rig.meet();
  for (int i = 0; i < 500; ++i) {
    Message message = text(std::to_string(i));
    REQUIRE(rig.sink.send(1, message, rig.now).ok());
  }
  int next = 0;
  while (next < 500) {
    const auto events = rig.advance_source();
    REQUIRE(!events.empty());
    REQUIRE(events.size() <= 64);
    REQUIRE((rig.source.readable() || next + static_cast<int>(events.size()) == 500));
    for (const TransportEvent& event : events) REQUIRE(event.message.header == std::to_string(next++));
  }
}

TEST_CASE("zmq shares large payloads instead of copying them, and releases them", "[zmq]") {
  Rig rig;
  rig.meet();
  auto storage = std::make_shared<std::vector<std::byte>>(1u << 20, std::byte{7});
  const std::weak_ptr<std::vector<std::byte>> watch = storage;
  const std::byte* address = storage->data();
  Message message = text("shared");
  message.payloads.emplace_back(storage, address, storage->size());
  storage.reset();
  REQUIRE(rig.source.send(rig.peer, message, rig.now).ok());
  REQUIRE(message.payloads.empty());
  {
    auto events = rig.advance_sink();
    REQUIRE(events.size() == 1);
    REQUIRE(events.front().message.payloads.size() == 1);
    Buffer kept = events.front().message.payloads.front();
    events.clear();
    CHECK(kept.data() == address); // over inproc not one copy is made
    CHECK(kept.size() == 1u << 20);
    CHECK(!watch.expired());
  }
  CHECK(watch.expired());
}
