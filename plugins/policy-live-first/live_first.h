// Live changes first, with ageing: when backlog is ready and none was sent for `ageing`, the next frame is backlog, so that
// it never starves however busy the source is.
// Pure: all it knows is in the view.
#pragma once

#include <chrono>
#include <cstdint>

#include "osync/policy.h"

namespace osync::live_first {

struct Settings {
  std::chrono::nanoseconds ageing{std::chrono::milliseconds(200)};
  std::uint64_t quantum = 512u << 10; ///< bytes of a frame, at most
};

class LiveFirst final : public Policy {
 public:
  explicit LiveFirst(Settings settings) : settings_(settings) {}
  PolicyChoice choose(const PolicyView& view) noexcept override;

 private:
  Settings settings_;
};

} // namespace osync::live_first
