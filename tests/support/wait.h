// Waiting for a condition with a deadline, instead of sleeping for a time that is too short or too long.
#pragma once

#include <chrono>
#include <thread>

namespace osync::test {

/// Polls `condition` every millisecond until it is true or `deadline` has passed; returns its last value.
template <class Condition>
bool wait_until(Condition condition, std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return condition();
    std::this_thread::sleep_for(std::chrono::milliseconds(1)); // the polling interval, not a wait for an effect
  }
  return true;
}

} // namespace osync::test
