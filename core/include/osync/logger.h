// The one handle through which a plugin says something to the operator. The engine implements it (spdlog behind it);
// no logging library crosses the plugin boundary.
// Thread-safety: log() may be called from any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace osync {

/// Defined by what the operator has to fear (after Vector's guide): error = data was or may be lost or a subtree is
/// not kept; warning = kept, but later or with less than asked for; info = the three phases and their figures.
enum class LogLevel : std::uint8_t { trace, debug, info, warning, error };

class Logger {
 public:
  virtual ~Logger() = default;
  /// One line without a newline at its end. Bytes that do not print are escaped by the implementation.
  virtual void log(LogLevel level, std::string_view message) noexcept = 0;
  /// Whether a message of this level would be shown: lets callers skip building it.
  [[nodiscard]] virtual bool enabled(LogLevel level) const noexcept = 0;

  void debug(std::string_view message) noexcept { log(LogLevel::debug, message); }
  void info(std::string_view message) noexcept { log(LogLevel::info, message); }
  void warning(std::string_view message) noexcept { log(LogLevel::warning, message); }
  void error(std::string_view message) noexcept { log(LogLevel::error, message); }
};

} // namespace osync
