// What a running osync answers to `status`, `flush`, `verify`, `stop`, `drain`, `pause` and `resume` (control/control_server.h).
//
// One JSON object each way. Request: {"command": NAME, ...}; answer: {"exit": CODE, ...} with "message" where there is
// something to say.
// Thread-safety: answer() from any thread, while the sides given live.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/sink_side.h"
#include "cli/source_side.h"

namespace osync::cli {

class ControlHandler {
 public:
  /// Either may be missing.
  ControlHandler(std::string pipeline, SourceSide* source, std::vector<SinkSide*> sinks,
                 std::function<void(bool drain, bool now)> stop)
      : pipeline_(std::move(pipeline)), source_(source), sinks_(std::move(sinks)), stop_(std::move(stop)) {}

  [[nodiscard]] std::string answer(const std::string& request);

 private:
  std::string status() const;
  std::string flush(std::int64_t timeout_ms);
  std::string verify(bool checksum, bool repair, std::int64_t timeout_ms);
  std::string post_to_sources(const source::SourceRuntime::Request& request);

  std::string pipeline_;
  SourceSide* source_;
  std::vector<SinkSide*> sinks_;
  std::function<void(bool drain, bool now)> stop_;
};

} // namespace osync::cli
