#include "alternate_policy.h"

osync::PolicyChoice AlternatePolicy::choose(const osync::PolicyView& view) noexcept {
  // The engine only asks when one of the two has something, and takes the other one where the choice is
  // empty. A frame counts for what it carries, hence the look at both.
  const bool backlog_is_due = live_frames_in_a_row_ >= live_frames_ && view.backlog.items > 0;
  if (view.live.items == 0 || backlog_is_due) {
    live_frames_in_a_row_ = 0;
    return {osync::WorkClass::backlog, quantum_};
  }
  ++live_frames_in_a_row_;
  return {osync::WorkClass::live, quantum_};
}
