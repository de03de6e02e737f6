#include "conformance/transport_suite.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

#include "support/process.h"

namespace osync::test {
namespace {

using std::chrono::steady_clock;

/// A listening and a connecting end that have met.
struct Pair {
  explicit Pair(const TransportSetup& setup, const OptionValues& options,
                const TransportLimits& listen_limits = {}, const TransportLimits& connect_limits = {})
      : source(setup.plugin, options), sink(setup.plugin, options) {
    endpoint = source.listen(setup.endpoint(), listen_limits);
    sink.connect(endpoint, connect_limits);
    REQUIRE(meet());
  }
  bool meet() {
    return pump_until({&source, &sink}, [this] { return source.is_connected() && sink.is_connected(); });
  }
  [[nodiscard]] PeerId peer() const { return source.connected.back(); }
  void require_order() const {
    REQUIRE(source.violation.empty());
    REQUIRE(sink.violation.empty());
  }

  TransportEnd source;
  TransportEnd sink;
  std::string endpoint;
};

/// Sends messages `next`, `next` + 1 ... of a stream until `end` or until it would block.
void send_some(TransportEnd& from, PeerId to, std::uint64_t seed, std::uint64_t& next, std::uint64_t end) {
  while (next < end) {
    Message message = random_message(seed, next);
    const Status status = from->send(to, message);
    if (status.code() == Code::would_block) return;
    INFO(status.to_string());
    REQUIRE(status.ok());
    ++next;
  }
}

/// Compares what has come with the stream from `next` on, and throws it away.
bool check_some(TransportEnd& end, std::uint64_t seed, std::uint64_t& next) {
  for (const TransportEvent& event : end.messages)
    if (!same(event.message, random_message(seed, next++))) return false;
  end.messages.clear();
  return true;
}

void order_and_completeness(const TransportSetup& setup) {
  constexpr std::uint64_t count = 10000;
  const std::uint64_t seed = 20240611;
  CAPTURE(seed);
  Pair pair(setup, setup.options);
  std::uint64_t sent_down = 0, sent_up = 0, got_down = 0, got_up = 0;
  bool right = true;
  const bool done = pump_until(
      {&pair.source, &pair.sink},
      [&] {
        send_some(pair.source, pair.peer(), seed, sent_down, count);
        send_some(pair.sink, 1, seed + 1, sent_up, count);
        right = right && check_some(pair.sink, seed, got_down) && check_some(pair.source, seed + 1, got_up);
        return !right || (got_down == count && got_up == count);
      },
      std::chrono::seconds(60));
  CAPTURE(got_down, got_up);
  REQUIRE(right);
  REQUIRE(done);
  pair.require_order();
  REQUIRE(pair.source.disconnected.empty());
}

void would_block_and_go_on(const TransportSetup& setup) {
  Pair pair(setup, setup.small_queue);
  const std::string filling(64u << 10, 'x');
  std::uint64_t sent = 0;
  Status status;
  const auto send_next = [&] {
    Message message = text_message(std::to_string(sent));
    message.payloads.push_back(Buffer::copy_of(filling));
    status = pair.source->send(pair.peer(), message);
    if (status.ok())
      ++sent;
    else
      REQUIRE(message.payloads.size() == 1); // consumed only on success
    return status.ok();
  };
  while (sent < 20000 && send_next()) {
  }
  INFO(status.to_string());
  REQUIRE(status.code() == Code::would_block);
  // As long as nobody reads, waiting takes its time (a kernel may still take a little from the queue at
  // first).
  bool full = false;
  for (int attempt = 0; attempt < 50 && !full; ++attempt) {
    const auto began = steady_clock::now();
    pair.source.pump(std::chrono::milliseconds(300));
    full = steady_clock::now() - began >= std::chrono::milliseconds(300);
    if (!full)
      while (send_next()) {
      }
  }
  REQUIRE(full);

  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) pair.sink.pump(std::chrono::milliseconds(5));
  });
  const auto began = steady_clock::now();
  bool went_on = false;
  for (int attempt = 0; attempt < 20 && !went_on;
       ++attempt) { // events of the transport's own may end one early
    pair.source.pump(std::chrono::seconds(30));
    went_on = send_next();
  }
  const auto waited = steady_clock::now() - began;
  const std::uint64_t all = sent;
  const auto end = steady_clock::now() + scaled(std::chrono::seconds(20));
  stop = true;
  reader.join();
  REQUIRE(went_on);
  REQUIRE(waited < scaled(std::chrono::seconds(15)));
  while (pair.sink.messages.size() < all && steady_clock::now() < end)
    pair.sink.pump(std::chrono::milliseconds(5));
  REQUIRE(pair.sink.messages.size() == all);
  for (std::uint64_t i = 0; i < all; ++i)
    if (pair.sink.messages[i].message.header != std::to_string(i))
      FAIL("message " << i << " is out of order");
  pair.require_order();
}

void several_peers(const TransportSetup& setup) {
  TransportEnd source(setup.plugin, setup.options);
  TransportEnd a(setup.plugin, setup.options), b(setup.plugin, setup.options), c(setup.plugin, setup.options);
  const std::string endpoint = source.listen(setup.endpoint());
  for (TransportEnd* end : {&a, &b, &c}) end->connect(endpoint);
  REQUIRE(pump_until({&source, &a, &b, &c}, [&] {
    return source.connected.size() == 3 && a.is_connected() && b.is_connected() && c.is_connected();
  }));
  const auto name = [](TransportEnd& end, const std::string& text) {
    Message message = text_message(text);
    REQUIRE(end->send(1, message).ok());
  };
  name(a, "a");
  name(b, "b");
  name(c, "c");
  REQUIRE(pump_until({&source}, [&] { return source.messages.size() == 3; }));
  PeerId peer_of_b = 0;
  for (const TransportEvent& event : source.messages) {
    if (event.message.header == "b") peer_of_b = event.peer;
    Message answer = text_message("for " + event.message.header);
    REQUIRE(source->send(event.peer, answer).ok());
  }
  REQUIRE(pump_until({&a, &b, &c},
                     [&] { return !a.messages.empty() && !b.messages.empty() && !c.messages.empty(); }));
  REQUIRE(a.messages.front().message.header == "for a");
  REQUIRE(b.messages.front().message.header == "for b");
  REQUIRE(c.messages.front().message.header == "for c");

  b->disconnect(1);
  REQUIRE(pump_until({&source, &a, &b, &c},
                     [&] { return source.disconnected == std::vector<PeerId>{peer_of_b}; }));
  name(a, "still a");
  REQUIRE(pump_until({&source, &a, &c}, [&] { return source.messages.size() >= 4; }));
  REQUIRE(a.disconnected.empty());
  REQUIRE(c.disconnected.empty());
  REQUIRE(source.violation.empty());
}

void reconnects_as_a_new_peer(const TransportSetup& setup) {
  TransportEnd source(setup.plugin, setup.options);
  const std::string endpoint = source.listen(setup.endpoint());
  for (std::size_t round = 1; round <= 3; ++round) {
    auto sink = std::make_unique<TransportEnd>(setup.plugin, setup.options);
    sink->connect(endpoint);
    REQUIRE(pump_until({&source, sink.get()}, [&] { return sink->is_connected(); }));
    Message last = text_message("last words");
    REQUIRE((*sink)->send(1, last).ok());
    std::atomic<bool> gone{false};
    std::thread ending([&] { // it waits for the other side to have read everything
      sink.reset();
      gone = true;
    });
    const bool noticed = pump_until({&source}, [&] { return gone && source.disconnected.size() == round; });
    ending.join();
    REQUIRE(noticed);
    REQUIRE(source.messages.size() == round); // what was handed over before the end arrived
    Message late = text_message("nobody reads this");
    REQUIRE(source->send(source.connected.back(), late).code() == Code::not_found);
    REQUIRE(late.header == "nobody reads this");
  }
  REQUIRE(source.connected == source.disconnected);
  REQUIRE(source.connected[0] != source.connected[1]);
  REQUIRE(source.connected[1] != source.connected[2]);
  REQUIRE(source.violation.empty());
}

void listener_restarts(const TransportSetup& setup) {
  TransportEnd sink(setup.plugin, setup.options);
  std::string endpoint = setup.endpoint();
  for (std::size_t round = 1; round <= 3; ++round) {
    auto source = std::make_unique<TransportEnd>(setup.plugin, setup.options);
    endpoint = source->listen(endpoint); // the same one, at once
    if (round == 1) sink.connect(endpoint);
    REQUIRE(pump_until({source.get(), &sink},
                       [&] { return sink.connected.size() == round && source->is_connected(); }));
    Message message = text_message("from source " + std::to_string(round));
    REQUIRE((*source)->send(source->connected.back(), message).ok());
    std::atomic<bool> gone{false};
    std::thread ending([&] {
      source.reset();
      gone = true;
    });
    const bool noticed = pump_until({&sink}, [&] { return gone && sink.disconnected.size() == round; });
    ending.join();
    REQUIRE(noticed);
    REQUIRE(sink.messages.size() == round);
    REQUIRE(sink.messages.back().message.header == "from source " + std::to_string(round));
    Message late = text_message("nobody reads this");
    REQUIRE(sink->send(1, late).code() == Code::not_found);
  }
  REQUIRE(sink.violation.empty());
}

void connects_before_anybody_listens(const TransportSetup& setup) {
  std::string endpoint;
  {
    TransportEnd finder(setup.plugin, setup.options);
    endpoint = finder.listen(setup.endpoint());
  }
  TransportEnd sink(setup.plugin, setup.options);
  sink.connect(endpoint);
  for (int i = 0; i < 20; ++i) sink.pump(std::chrono::milliseconds(10));
  Message early = text_message("early");
  REQUIRE(sink->send(1, early).code() == Code::not_found);
  REQUIRE(sink.connected.empty());
  TransportEnd source(setup.plugin, setup.options);
  source.listen(endpoint);
  REQUIRE(pump_until({&source, &sink}, [&] { return source.is_connected() && sink.is_connected(); }));
  REQUIRE(source.messages.empty());
}

/// Whoever ends a connection, nothing of it is seen after its `disconnected`, nor in the next one.
void nothing_of_an_old_connection(const TransportSetup& setup, bool source_ends) {
  Pair pair(setup, setup.options);
  for (int generation = 1; generation <= 5; ++generation) {
    const std::string tag = std::to_string(generation);
    for (int i = 0; i < 200; ++i) {
      Message down = text_message(tag), up = text_message(tag);
      REQUIRE(pair.source->send(pair.peer(), down).ok());
      REQUIRE(pair.sink->send(1, up).ok());
    }
    pair.source.pump(std::chrono::milliseconds(20)); // part of them
    pair.sink.pump(std::chrono::milliseconds(20));
    const std::size_t before = source_ends ? pair.source.messages.size() : pair.sink.messages.size();
    if (source_ends)
      pair.source->disconnect(pair.peer());
    else
      pair.sink->disconnect(1);
    const auto rounds = static_cast<std::size_t>(generation);
    REQUIRE(pump_until({&pair.source, &pair.sink}, [&] {
      return pair.source.disconnected.size() == rounds && pair.sink.disconnected.size() == rounds &&
             pair.source.connected.size() == rounds + 1 && pair.sink.connected.size() == rounds + 1;
    }));
    pair.require_order();
    // The side that ended it reads nothing more; the other one gets everything that was handed over.
    REQUIRE((source_ends ? pair.source : pair.sink).messages.size() == before);
    REQUIRE((source_ends ? pair.sink : pair.source).messages.size() == 200);
    for (TransportEnd* end : {&pair.source, &pair.sink}) {
      for (const TransportEvent& event : end->messages) REQUIRE(event.message.header == tag);
      end->messages.clear();
    }
  }
}

Message with_payload(std::size_t header, std::size_t payload, std::size_t count) {
  Message message = text_message(std::string(header, 'h'));
  for (std::size_t i = 0; i < count; ++i)
    message.payloads.push_back(Buffer::copy_of(std::string(payload, 'p')));
  return message;
}

void oversize_messages(const TransportSetup& setup, bool to_source) {
  const TransportLimits small{.header_bytes = 32u << 10, .payload_bytes = 16u << 10, .payloads = 8};
  Pair pair(setup, setup.options, to_source ? small : TransportLimits{},
            to_source ? TransportLimits{} : small);
  TransportEnd& from = to_source ? pair.sink : pair.source;
  TransportEnd& to = to_source ? pair.source : pair.sink;
  const auto send = [&](Message message) {
    const Status status = from->send(from.connected.back(), message);
    INFO(status.to_string());
    REQUIRE(status.ok());
  };
  send(with_payload(32u << 10, 16u << 10, 8));
  REQUIRE(pump_until({&from, &to}, [&] { return to.messages.size() == 1; }));

  std::size_t rounds = 0;
  const Message beyond[] = {with_payload(1, 1, 9), with_payload(1, (16u << 10) + 1, 1),
                            with_payload((32u << 10) + 1, 1, 1), with_payload(1, 3u << 20, 1),
                            with_payload(1, 1, 1000)};
  for (const Message& message : beyond) {
    ++rounds;
    CAPTURE(rounds);
    send(message);
    // A transport may end the connection in a thread of its own before this is handed over.
    Message after = text_message("after it");
    const Code late = from->send(from.connected.back(), after).code();
    REQUIRE((late == Code::ok || late == Code::would_block || late == Code::not_found));
    REQUIRE(pump_until({&from, &to}, [&] {
      return to.disconnected.size() == rounds && from.disconnected.size() == rounds && from.is_connected() &&
             to.is_connected();
    }));
    REQUIRE(to.messages.size() == 1);
  }
  REQUIRE(to.log().count("at most 8 are allowed", LogLevel::warning) == 2);
  REQUIRE(to.log().count("payload of 16385 bytes", LogLevel::warning) == 1);
  send(text_message("fine"));
  REQUIRE(pump_until({&from, &to}, [&] { return to.messages.size() == 2; }));
  pair.require_order();
}

void wakes_from_another_thread(const TransportSetup& setup) {
  TransportEnd end(setup.plugin, setup.options);
  end.listen(setup.endpoint());
  std::atomic<int> asked{0}, woken{0};
  std::thread waker([&] {
    for (int i = 1; i <= 200; ++i) {
      while (asked < i) std::this_thread::yield();
      end->wake();
      ++woken;
    }
  });
  const auto began = steady_clock::now();
  for (int i = 1; i <= 200; ++i) {
    asked = i;
    end.pump(std::chrono::seconds(30));
    while (woken < i) std::this_thread::yield();
  }
  waker.join();
  REQUIRE(steady_clock::now() - began < scaled(std::chrono::seconds(20)));
  REQUIRE(end.violation.empty());
  end->wake(); // before the wait
  const auto next = steady_clock::now();
  end.pump(std::chrono::seconds(30));
  REQUIRE(steady_clock::now() - next < scaled(std::chrono::seconds(10)));
}

void address_in_use(const TransportSetup& setup) {
  TransportEnd first(setup.plugin, setup.options);
  const std::string endpoint = first.listen(setup.endpoint());
  TransportEnd sink(setup.plugin, setup.options);
  sink.connect(endpoint);
  REQUIRE(pump_until({&first, &sink}, [&] { return first.is_connected() && sink.is_connected(); }));
  TransportEnd second(setup.plugin, setup.options);
  std::string bound;
  const Status status = second->listen(endpoint, {}, bound);
  INFO(status.to_string());
  REQUIRE(status.code() == Code::exists);
  REQUIRE(status.to_string().find(endpoint.substr(endpoint.find("://") + 3)) != std::string::npos);
  REQUIRE(bound.empty());
  Message message = text_message("undisturbed");
  REQUIRE(sink->send(1, message).ok());
  REQUIRE(pump_until({&first, &sink}, [&] { return first.messages.size() == 1; }));
  REQUIRE(first.disconnected.empty());
}

void wrong_use(const TransportSetup& setup) {
  TransportEnd end(setup.plugin, setup.options);
  std::string bound;
  Message message = text_message("x");
  REQUIRE(end->send(1, message).code() == Code::not_found);
  REQUIRE(message.header == "x");
  REQUIRE(end->listen(setup.malformed, {}, bound).code() == Code::invalid);
  REQUIRE(end->connect(setup.malformed, {}).code() == Code::invalid);
  const Result<bool> local = end->is_local(setup.malformed);
  REQUIRE(!local.ok());
  REQUIRE(local.status().code() == Code::invalid);
  end->disconnect(7);                                        // nobody
  const std::string endpoint = end.listen(setup.endpoint()); // a failed attempt does no harm
  REQUIRE(end->is_local(endpoint).ok());
  REQUIRE(end->listen(setup.endpoint(), {}, bound).code() == Code::invalid);
  REQUIRE(end->connect(endpoint, {}).code() == Code::invalid);
  REQUIRE(end->send(1, message).code() == Code::not_found);
  end->disconnect(7);
  end.pump();
  REQUIRE(end.violation.empty());
  REQUIRE(end.connected.empty());
}

} // namespace

void transport_suite(const TransportSetup& setup) {
  SECTION("10,000 messages both ways come complete and in order") { order_and_completeness(setup); }
  SECTION("a full queue blocks, and receive tells when it goes on") { would_block_and_go_on(setup); }
  SECTION("several peers at one listener are kept apart") { several_peers(setup); }
  SECTION("a connecting side that is made anew is a new peer") { reconnects_as_a_new_peer(setup); }
  SECTION("a listener that starts again is found again") { listener_restarts(setup); }
  SECTION("connecting may come first") { connects_before_anybody_listens(setup); }
  SECTION("nothing comes of a connection that the source ended") {
    nothing_of_an_old_connection(setup, true);
  }
  SECTION("nothing comes of a connection that the sink ended") { nothing_of_an_old_connection(setup, false); }
  SECTION("messages beyond the source's limits end the connection") { oversize_messages(setup, true); }
  SECTION("messages beyond the sink's limits end the connection") { oversize_messages(setup, false); }
  SECTION("wake ends a wait from another thread") { wakes_from_another_thread(setup); }
  SECTION("an endpoint in use is refused and left alone") { address_in_use(setup); }
  SECTION("wrong use is answered with errors") { wrong_use(setup); }
  if (setup.across_processes) transport_process_suite(setup);
}

} // namespace osync::test
