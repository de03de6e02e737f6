// What every policy plugin must do, as tests. A plugin's conformance file calls policy_suite() in a test
// case:
//
//   TEST_CASE("policy-mine", "[policy]") {
//     policy_suite({.plugin = "policy-mine", .longest_wait = std::chrono::milliseconds(200)});
//   }
//
// Time and queues are simulated from seeds, which are printed when something fails; nothing waits.
#pragma once

#include <chrono>
#include <string>

#include "support/load_plugin.h"

namespace osync::test {

struct PolicySetup {
  std::string plugin;
  OptionValues options = {}; ///< beside the defaults
  /// Ready backlog gets a frame at the latest after this time and the time that the two frames then on their
  /// way take.
  std::chrono::nanoseconds longest_wait{0};
};

/// The whole suite, as sections of the current test case.
void policy_suite(const PolicySetup& setup);

} // namespace osync::test
