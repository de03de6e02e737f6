// The policies that osync brings, against the suite.
#include <catch2/catch.hpp>

#include "conformance/policy_suite.h"

using namespace std::chrono_literals;

namespace osync::test {

TEST_CASE("policy-live-first", "[policy]") {
  policy_suite({.plugin = "policy-live-first", .longest_wait = 200ms});
}

TEST_CASE("policy-live-first with other options", "[policy]") {
  policy_suite({.plugin = "policy-live-first",
                .options = {{"ageing", std::int64_t{1'000'000'000}}, {"quantum", std::int64_t{64u << 10}}},
                .longest_wait = 1s});
}

} // namespace osync::test
