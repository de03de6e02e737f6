// The plugin's option table, and the values in the units the code works with.
#pragma once

#include <chrono>

#include "osync/plugin.h"
#include "osync/status.h"

namespace osync::transport_zmq {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using std::chrono::milliseconds;

struct Options {
  int io_threads = 1;               ///< of the process-wide context; the first object of the process decides
  milliseconds heartbeat{2000};     ///< a peer that was sent nothing for so long is sent a keep-alive
  milliseconds peer_timeout{10000}; ///< a peer that was not heard for so long is gone
  int queue = 1000;                 ///< messages to and from one peer that libzmq holds (high-water mark)
  milliseconds linger{1000};        ///< at most so long an ended connection waits for what was handed over
};

/// The table that validates the YAML.
inline constexpr OptionSpec option_table[] = {
    {"io_threads", OptionType::integer, "threads", "1", "1..4",
     "Threads that move bytes, shared by all transports of the process; the first one made decides."},
    {"heartbeat", OptionType::duration, "time", "2s", "100ms..60s",
     "A peer that was sent nothing for so long is sent a keep-alive."},
    {"peer_timeout", OptionType::duration, "time", "10s", "500ms..10min",
     "A peer that was not heard for so long counts as gone; at least twice the heartbeat."},
    {"queue", OptionType::integer, "messages", "1000", "16..100000",
     "Messages to or from one peer that are held in memory before send says that it would block."},
    {"linger", OptionType::duration, "time", "1s", "0s..60s",
     "How long the end of a connection waits at most until what was handed over has arrived."},
};

/// Reads validated values. Errors: invalid where two of them do not fit together.
Result<Options> read_options(const OptionValues& values);

} // namespace osync::transport_zmq
