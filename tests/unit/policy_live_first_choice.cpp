// policy-live-first: its decision for single views, without any clock.
#include <catch2/catch.hpp>

#include <cstdint>
#include <limits>

#include "policy-live-first/live_first.h"

using namespace osync;
using namespace osync::live_first;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t enough = 64u << 20;

/// Both classes ready, the backlog waiting for `waited`.
PolicyView both(std::chrono::nanoseconds waited) {
  PolicyView view;
  view.live = {10, 10000, 1ms};
  view.backlog = {10, 10000, 1h};
  view.credit = enough;
  view.since_backlog_frame = waited;
  return view;
}

} // namespace

TEST_CASE("live-first: the only class with work is sent", "[policy]") {
  LiveFirst policy({});
  PolicyView view = both(0ns);
  view.live = {};
  CHECK(policy.choose(view).work == WorkClass::backlog);
  view = both(1h);
  view.backlog = {};
  CHECK(policy.choose(view).work == WorkClass::live);
}

TEST_CASE("live-first: backlog waits for its age, not longer", "[policy]") {
  LiveFirst policy({.ageing = 200ms, .quantum = 512u << 10});
  CHECK(policy.choose(both(0ns)).work == WorkClass::live);
  CHECK(policy.choose(both(200ms - 1ns)).work == WorkClass::live);
  CHECK(policy.choose(both(200ms)).work == WorkClass::backlog);
  CHECK(policy.choose(both(std::chrono::nanoseconds::max())).work == WorkClass::backlog);
}

TEST_CASE("live-first: backlog that has only now become ready has not waited", "[policy]") {
  LiveFirst policy({.ageing = 200ms, .quantum = 512u << 10});
  PolicyView view = both(1h);
  view.backlog.oldest_age = 199ms;
  CHECK(policy.choose(view).work == WorkClass::live);
  view.backlog.oldest_age = 200ms;
  CHECK(policy.choose(view).work == WorkClass::backlog);
}

TEST_CASE("live-first: frames are as large as wanted, as credit allows, and as the link delivers in time",
          "[policy]") {
  LiveFirst policy({.ageing = 200ms, .quantum = 512u << 10});
  PolicyView view = both(0ns);
  CHECK(policy.choose(view).quantum == 512u << 10); // rate not known yet
  view.delivery_rate = 1'000'000'000;
  CHECK(policy.choose(view).quantum == 512u << 10);
  view.delivery_rate = 10'000'000;
  CHECK(policy.choose(view).quantum == 100'000);
  view.delivery_rate = 1;
  CHECK(policy.choose(view).quantum == smallest_quantum);
  view.delivery_rate = std::numeric_limits<std::uint64_t>::max();
  CHECK(policy.choose(view).quantum == 512u << 10);
  view.credit = 70'000;
  CHECK(policy.choose(view).quantum == 70'000);
  view.credit = 0;
  CHECK(policy.choose(view).quantum == 1);
}
