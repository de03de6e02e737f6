#include "live_first.h"

#include <algorithm>

namespace osync::live_first {

PolicyChoice LiveFirst::choose(const PolicyView& view) noexcept { return {pick(view), quantum(view)}; }

WorkClass LiveFirst::pick(const PolicyView& view) const noexcept {
  if (view.backlog.items == 0) return WorkClass::live;
  if (view.live.items == 0) return WorkClass::backlog;
  // Waiting counts from when there was something to send: after hours without backlog its first frame has no
  // hurry.
  const auto waited = std::min(view.since_backlog_frame, view.backlog.oldest_age);
  return waited >= settings_.ageing ? WorkClass::backlog : WorkClass::live;
}

std::uint64_t LiveFirst::quantum(const PolicyView& view) const noexcept {
  std::uint64_t bytes = settings_.quantum;
  if (view.delivery_rate != 0) { // divided first: no rate can overflow it
    const std::uint64_t deliverable = view.delivery_rate / (std::chrono::seconds(1) / frame_time);
    bytes = std::min(bytes, std::max(deliverable, smallest_quantum));
  }
  return std::max<std::uint64_t>(1, std::min(bytes, view.credit));
}

} // namespace osync::live_first
