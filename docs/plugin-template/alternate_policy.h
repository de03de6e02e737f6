// The policy: after every `live_frames` frames of live changes one of backlog.
// Thread: the engine's, one at a time for each object (osync/policy.h).
#pragma once

#include <cstdint>

#include "osync/policy.h"

class AlternatePolicy final : public osync::Policy {
 public:
  AlternatePolicy(std::uint64_t live_frames, std::uint64_t quantum) noexcept
      : live_frames_(live_frames), quantum_(quantum) {}

  osync::PolicyChoice choose(const osync::PolicyView& view) noexcept override;

 private:
  std::uint64_t live_frames_;
  std::uint64_t quantum_;
  std::uint64_t live_frames_in_a_row_ = 0;
};
