#include "options.h"

#include <string>

namespace osync::transport_zmq {
namespace {

milliseconds duration(const OptionValues& values, const char* name) {
  return std::chrono::duration_cast<milliseconds>(std::chrono::nanoseconds(values.integer(name)));
}

} // namespace

Result<Options> read_options(const OptionValues& values) {
  Options options;
  options.io_threads = static_cast<int>(values.integer("io_threads"));
  options.heartbeat = duration(values, "heartbeat");
  options.peer_timeout = duration(values, "peer_timeout");
  options.queue = static_cast<int>(values.integer("queue"));
  options.linger = duration(values, "linger");
  if (options.peer_timeout < 2 * options.heartbeat)
    return Status(Code::invalid, "peer_timeout is " + std::to_string(options.peer_timeout.count()) +
                                     "ms; expected at least twice the heartbeat of " +
                                     std::to_string(options.heartbeat.count()) +
                                     "ms, or a single late keep-alive would end a connection");
  return options;
}

} // namespace osync::transport_zmq
