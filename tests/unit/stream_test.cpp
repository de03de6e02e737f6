// The credit window and the rate that it follows.
#include <catch2/catch.hpp>

#include "engine/stream.h"

namespace osync::test {
namespace {

using namespace osync::engine;
using namespace std::chrono_literals;

constexpr std::uint64_t mebibyte = 1u << 20;

/// A stream whose sink takes `bytes` each `round_trip`, as much as the window allows.
class Pipe {
 public:
  Pipe() { stream.open(1, 16 * mebibyte); }

  void deliver(std::uint64_t bytes, Time round_trip = 1ms) {
    while (stream.credit() > 0) stream.sent(record(32u << 10), now);
    now += round_trip;
    const std::uint64_t records = std::min<std::uint64_t>(bytes / (32u << 10), stream.last_sequence() - stream.applied());
    REQUIRE(stream.acknowledge_applied(stream.applied() + records, now, [](const Sent&) {}));
  }
  static Sent record(std::uint64_t cost) {
    Sent sent;
    sent.cost = cost;
    return sent;
  }

  Stream stream;
  Time now{1s};
};

} // namespace

TEST_CASE("stream: the window grows to what is delivered, and never beyond what was granted", "[stream]") {
  Pipe pipe;
  CHECK(pipe.stream.window() <= mebibyte);
  for (int i = 0; i < 2'000; ++i) pipe.deliver(mebibyte / 4); // 250 MiB/s
  CHECK(pipe.stream.delivery_rate() > 200 * mebibyte);
  CHECK(pipe.stream.delivery_rate() < 300 * mebibyte);
  CHECK(pipe.stream.window() > 2 * mebibyte); // about 11 ms of it, and a quarter
  for (int i = 0; i < 2'000; ++i) pipe.deliver(16 * mebibyte);
  CHECK(pipe.stream.window() == 16 * mebibyte);
}

TEST_CASE("stream: a pause of the sink's machine costs little of the window, a slower link all of it", "[stream]") {
  Pipe pipe;
  for (int i = 0; i < 2'000; ++i) pipe.deliver(mebibyte / 4);
  const std::uint64_t before = pipe.stream.window();
  pipe.deliver(32u << 10, 50ms); // no turn for the sink
  CHECK(pipe.stream.window() > before * 3 / 4);
  for (int i = 0; i < 100; ++i) pipe.deliver(32u << 10, 50ms); // 640 KiB/s from now on
  CHECK(pipe.stream.window() == Stream::smallest_window);
}

TEST_CASE("stream: little that is ready may wait while the sink has enough to do", "[stream]") {
  Pipe pipe;
  CHECK_FALSE(pipe.stream.may_gather(1)); // nothing in flight: at once
  while (pipe.stream.in_flight() < pipe.stream.window() / 2) pipe.stream.sent(Pipe::record(32u << 10), pipe.now);
  CHECK(pipe.stream.may_gather(1));
  CHECK_FALSE(pipe.stream.may_gather(pipe.stream.piece_bytes()));
  const std::uint64_t all = pipe.stream.last_sequence();
  REQUIRE(pipe.stream.acknowledge_applied(all, pipe.now + 1ms, [](const Sent&) {}));
  CHECK_FALSE(pipe.stream.may_gather(1));
}

} // namespace osync::test
