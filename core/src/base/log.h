// osync's log: one line an event on standard error, as text or as one JSON object a line.
// Thread-safety: a logger may be used from any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "osync/logger.h"

namespace osync {

enum class LogFormat : std::uint8_t { text, json };

/// A logger writing to standard error, from `level` on. `name` stands in each line ("source", "sink"...).
[[nodiscard]] std::unique_ptr<Logger> make_logger(std::string_view name, LogLevel level, LogFormat format);

/// The time of day as it stands in JSON log lines, for lines that are written beside the log.
[[nodiscard]] std::string log_time();

} // namespace osync
