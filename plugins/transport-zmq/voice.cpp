#include "voice.h"

namespace osync::transport_zmq {

void Voice::debug(const std::string& text) const {
  if (logger_.enabled(LogLevel::debug)) logger_.debug(prefix_ + text);
}

void Voice::warning(TimePoint now, const std::string& text) {
  if (now - interval_began_ >= interval) {
    interval_began_ = now;
    said_ = 0;
  }
  if (said_ >= burst) {
    ++unsaid_;
    return;
  }
  ++said_;
  std::string line = prefix_ + text;
  if (unsaid_ > 0) line += " (and " + std::to_string(unsaid_) + " warnings before were not shown)";
  unsaid_ = 0;
  logger_.warning(line);
}

} // namespace osync::transport_zmq
