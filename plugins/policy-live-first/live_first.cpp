#include "live_first.h"

namespace osync::live_first {

PolicyChoice LiveFirst::choose(const PolicyView& view) noexcept {
  if (view.live.items == 0) return {WorkClass::backlog, settings_.quantum};
  const bool starving = view.backlog.items > 0 && view.since_backlog_frame >= settings_.ageing;
  return {starving ? WorkClass::backlog : WorkClass::live, settings_.quantum};
}

} // namespace osync::live_first
