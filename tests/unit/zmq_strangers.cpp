// transport-zmq against peers that speak ZeroMQ, but not as osync does: nothing of theirs is let through.
#include <catch2/catch.hpp>

#include <random>
#include <string>
#include <vector>
#include <zmq.h>

#include "support/load_plugin.h"
#include "transport-zmq/connector.h"
#include "transport-zmq/listener.h"

using namespace osync;
using namespace osync::transport_zmq;

namespace {

using EventKind = TransportEvent::Kind;
using Texts = std::vector<std::string>;

std::string fresh_endpoint() {
  static int next = 1;
  return "inproc://strangers-" + std::to_string(next++);
}

void send_texts(const Socket& socket, const Texts& texts) {
  Parts parts;
  for (const std::string& text : texts) parts.emplace_back(std::string_view(text));
  REQUIRE(send_parts(socket.get(), parts) == 0);
}

/// The next message without waiting; empty when there is none.
Texts receive_texts(const Socket& socket) {
  Parts parts;
  std::size_t count = 0;
  Texts texts;
  if (receive_parts(socket.get(), 10000, parts, count))
    for (const Part& part : parts) texts.emplace_back(part.text());
  return texts;
}

std::string control(Kind kind, const Nonce& nonce = {}) { return encode({kind, nonce, {}}); }

std::optional<Control> decode_text(const std::string& bytes) {
  std::string wrong;
  return decode(std::as_bytes(std::span(bytes)), wrong);
}

/// What nobody may say after a hello.
std::vector<Texts> wrong_messages(const TransportLimits& limits) {
  std::string other_version = control(Kind::data);
  other_version[2] = 2;
  std::vector<Texts> all = {{""},
                            {"oz"},
                            {"something else", "entirely"},
                            {other_version, "header"},
                            {control(Kind::hello).substr(0, 10)},
                            {control(Kind::data)},
                            {control(Kind::data) + "x", "header"},
                            {control(Kind::data), std::string(limits.header_bytes + 1, 'h')},
                            {control(Kind::data), "header", std::string(limits.payload_bytes + 1, 'p')},
                            {std::string(100000, 'c'), "header"}};
  Texts many = {control(Kind::data), "header"};
  many.resize(many.size() + limits.payloads + 1, "p");
  all.push_back(many);
  many.resize(5000, "p");
  all.push_back(many);
  return all;
}

struct SourceRig {
  SourceRig() {
    std::string bound;
    REQUIRE(source.open(bound).ok());
  }
  std::vector<TransportEvent> advance() {
    std::vector<TransportEvent> events;
    source.advance(now, 64, events);
    return events;
  }
  Socket stranger() const {
    Socket socket(ZMQ_DEALER);
    REQUIRE(zmq_connect(socket.get(), zmq_address(endpoint).c_str()) == 0);
    return socket;
  }
  TransportLimits limits{.header_bytes = 8192, .payload_bytes = 8192, .payloads = 4};
  Options options;
  test::RecordingLogger log;
  Voice voice{log, ""};
  TimePoint now = Clock::now();
  Endpoint endpoint = parse_endpoint(fresh_endpoint()).value();
  Listener source{endpoint, limits, options, voice};
};

/// A ROUTER that plays the listening side for a Connector.
struct SinkRig {
  SinkRig() : router(ZMQ_ROUTER) {
    REQUIRE(zmq_bind(router.get(), zmq_address(endpoint).c_str()) == 0);
    REQUIRE(sink.open(now).ok());
  }
  std::vector<TransportEvent> advance() {
    std::vector<TransportEvent> events;
    sink.advance(now, 64, events);
    return events;
  }
  /// Reads the hello of the next connection.
  Control take_hello() {
    REQUIRE(advance().empty());
    const Texts hello = receive_texts(router);
    REQUIRE(hello.size() == 2);
    route = hello[0];
    const auto decoded = decode_text(hello[1]);
    REQUIRE(decoded.has_value());
    REQUIRE(decoded->kind == Kind::hello);
    return *decoded;
  }
  void say(Texts texts) {
    texts.insert(texts.begin(), route);
    send_texts(router, texts);
  }
  TransportLimits limits{.header_bytes = 8192, .payload_bytes = 8192, .payloads = 4};
  Options options;
  test::RecordingLogger log;
  Voice voice{log, ""};
  TimePoint now = Clock::now();
  Endpoint endpoint = parse_endpoint(fresh_endpoint()).value();
  Socket router;
  Connector sink{endpoint, limits, options, voice};
  std::string route;
};

} // namespace

TEST_CASE("zmq listener lets nothing through without a hello", "[zmq]") {
  SourceRig rig;
  std::vector<Texts> messages = wrong_messages(rig.limits);
  messages.push_back({control(Kind::data), "header"});
  messages.push_back({control(Kind::welcome)});
  messages.push_back({control(Kind::keep_alive)});
  for (const Texts& message : messages) {
    const Socket stranger = rig.stranger();
    send_texts(stranger, message);
    send_texts(stranger, {control(Kind::data), "header"});
    REQUIRE(rig.advance().empty());
    const Texts answer = receive_texts(stranger);
    REQUIRE(answer.size() == 1);
    REQUIRE(decode_text(answer[0])->kind == Kind::goodbye);
    REQUIRE(receive_texts(stranger).empty()); // one goodbye is enough
  }
  const Socket stranger = rig.stranger();
  send_texts(stranger, {control(Kind::goodbye)});
  REQUIRE(rig.advance().empty());
  REQUIRE(receive_texts(stranger).empty()); // nor is a goodbye answered for ever
}

TEST_CASE("zmq listener ends a peer that breaks the rules, and only that one", "[zmq]") {
  SourceRig rig;
  const Socket honest = rig.stranger();
  send_texts(honest, {control(Kind::hello)});
  REQUIRE(rig.advance().size() == 1);
  std::vector<Texts> messages = wrong_messages(rig.limits);
  messages.push_back({control(Kind::hello)});
  messages.push_back({control(Kind::welcome)});
  for (const Texts& message : messages) {
    const Socket stranger = rig.stranger();
    send_texts(stranger, {control(Kind::hello)});
    send_texts(stranger, {control(Kind::data), "before"});
    send_texts(stranger, message);
    send_texts(stranger, {control(Kind::data), "after"});
    send_texts(stranger, {control(Kind::hello)});
    const auto events = rig.advance();
    REQUIRE(events.size() == 3);
    REQUIRE(events[0].kind == EventKind::connected);
    REQUIRE(events[1].message.header == "before");
    REQUIRE(events[2].kind == EventKind::disconnected);
    REQUIRE(decode_text(receive_texts(stranger).at(0))->kind == Kind::welcome);
    const auto goodbye = decode_text(receive_texts(stranger).at(0));
    REQUIRE(goodbye->kind == Kind::goodbye);
    REQUIRE(!goodbye->reason.empty());
  }
  send_texts(honest, {control(Kind::data), "fine", "payload"});
  const auto events = rig.advance();
  REQUIRE(events.size() == 1);
  REQUIRE(events[0].message.header == "fine");
  REQUIRE(events[0].message.payloads.size() == 1);
}

TEST_CASE("zmq warnings about strangers are bounded", "[zmq]") {
  SourceRig rig;
  for (int i = 0; i < 100; ++i) {
    const Socket stranger = rig.stranger();
    send_texts(stranger, {"nonsense"});
    REQUIRE(rig.advance().empty());
  }
  REQUIRE(rig.log.count("", LogLevel::warning) == Voice::burst);
  rig.now += Voice::interval;
  send_texts(rig.stranger(), {"nonsense"});
  REQUIRE(rig.advance().empty());
  REQUIRE(rig.log.count("90 warnings before were not shown", LogLevel::warning) == 1);
}

TEST_CASE("zmq connector takes only the welcome that answers its hello", "[zmq]") {
  SinkRig rig;
  std::vector<Texts> messages = wrong_messages(rig.limits);
  messages.push_back({control(Kind::welcome, Nonce{1, 2, 3})});
  messages.push_back({control(Kind::data), "header"});
  messages.push_back({control(Kind::hello)});
  for (const Texts& message : messages) {
    if (message == Texts{control(Kind::data)}) continue;
    (void)rig.take_hello();
    rig.say(message);
    REQUIRE(rig.advance().empty());
    rig.now = std::max(rig.now + milliseconds(1), rig.sink.next_due());
    while (!receive_texts(rig.router).empty()) {
    } // its goodbye
  }
  const Control hello = rig.take_hello();
  rig.say({control(Kind::welcome, hello.nonce)});
  const auto events = rig.advance();
  REQUIRE(events.size() == 1);
  REQUIRE(events[0].kind == EventKind::connected);
}

TEST_CASE("zmq connector ends a connection that breaks the rules and makes a new one", "[zmq]") {
  SinkRig rig;
  std::vector<Texts> messages = wrong_messages(rig.limits);
  messages.push_back({control(Kind::hello)});
  Nonce last{};
  for (const Texts& message : messages) {
    const Control hello = rig.take_hello();
    REQUIRE(hello.nonce != last);
    last = hello.nonce;
    rig.say({control(Kind::welcome, hello.nonce)});
    rig.say({control(Kind::data), "before"});
    rig.say(message);
    rig.say({control(Kind::data), "after"});
    const auto events = rig.advance();
    REQUIRE(events.size() == 3);
    REQUIRE(events[0].kind == EventKind::connected);
    REQUIRE(events[1].message.header == "before");
    REQUIRE(events[2].kind == EventKind::disconnected);
    const Texts goodbye = receive_texts(rig.router);
    REQUIRE(goodbye.size() == 2);
    REQUIRE(decode_text(goodbye[1])->kind == Kind::goodbye);
    REQUIRE(!decode_text(goodbye[1])->reason.empty());
    rig.now = rig.sink.next_due();
  }
}
