// What the transport says to the operator: lines that name the stage instance and the endpoint, and warnings
// that a hostile or broken peer cannot turn into a flood. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "options.h"
#include "osync/logger.h"

namespace osync::transport_zmq {

class Voice {
 public:
  static constexpr std::uint32_t burst = 10; ///< warnings in one interval; the rest are counted
  static constexpr std::chrono::seconds interval = std::chrono::seconds(10);

  Voice(Logger& logger, std::string prefix) : logger_(logger), prefix_(std::move(prefix)) {}

  void debug(const std::string& text) const;
  /// At most `burst` in an interval are shown; the next one after it tells how many were not.
  void warning(TimePoint now, const std::string& text);

 private:
  Logger& logger_;
  std::string prefix_;
  TimePoint interval_began_{};
  std::uint32_t said_ = 0;
  std::uint64_t unsaid_ = 0;
};

} // namespace osync::transport_zmq
