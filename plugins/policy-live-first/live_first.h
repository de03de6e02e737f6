// Live changes first, always; but backlog that is ready never waits longer than `ageing` for its next frame.
//
// Pure: the answer depends on the view and the settings alone. One thread for each object.
#pragma once

#include <chrono>
#include <cstdint>

#include "osync/policy.h"

namespace osync::live_first {

struct Settings {
  std::chrono::nanoseconds ageing =
      std::chrono::milliseconds(200); ///< the longest wait of backlog between two frames
  std::uint64_t quantum = 512u << 10; ///< bytes of a frame at most
};

/// On a slow link a frame is at most what is delivered in this time, so that a change that comes in behind it
/// does not wait longer (RULES.md, corrections to the brief).
inline constexpr std::chrono::milliseconds frame_time{10};

/// However slow the link: smaller frames cost more than they help.
inline constexpr std::uint64_t smallest_quantum = 4u << 10;

class LiveFirst final : public Policy {
 public:
  explicit LiveFirst(const Settings& settings) : settings_(settings) {}

  PolicyChoice choose(const PolicyView& view) noexcept override;

 private:
  [[nodiscard]] WorkClass pick(const PolicyView& view) const noexcept;
  [[nodiscard]] std::uint64_t quantum(const PolicyView& view) const noexcept;

  const Settings settings_;
};

} // namespace osync::live_first
