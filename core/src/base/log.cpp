#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <ctime>

#include "base/escape.h"

namespace osync {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
  case LogLevel::trace: return spdlog::level::trace;
  case LogLevel::debug: return spdlog::level::debug;
  case LogLevel::info: return spdlog::level::info;
  case LogLevel::warning: return spdlog::level::warn;
  case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

/// `text` as the inside of a JSON string; the bytes have been through escape_path, so they are UTF-8.
std::string json_text(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

class SpdlogLogger final : public Logger {
 public:
  SpdlogLogger(std::string_view name, LogLevel level, LogFormat format)
      : log_(std::string(name), std::make_shared<spdlog::sinks::stderr_sink_mt>()), json_(format == LogFormat::json) {
    log_.set_level(spdlog_level(level));
    log_.set_pattern(json_ ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","stage":"%n","message":"%v"})"
                           : "%Y-%m-%d %H:%M:%S.%e %l %n: %v");
    log_.flush_on(spdlog::level::trace);
  }

  void log(LogLevel level, std::string_view message) noexcept override {
    try {
      const std::string text = escape_path(message);
      log_.log(spdlog_level(level), "{}", json_ ? json_text(text) : text);
    } catch (...) { // a log line that cannot be written must not end the replication
    }
  }
  bool enabled(LogLevel level) const noexcept override { return log_.should_log(spdlog_level(level)); }

 private:
  spdlog::logger log_;
  bool json_;
};

} // namespace

std::string log_time() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm local{};
  localtime_r(&now.tv_sec, &local);
  char date[64], zone[16], text[96];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &local);
  std::strftime(zone, sizeof zone, "%z", &local); // +hhmm; RFC 3339 wants +hh:mm
  std::snprintf(text, sizeof text, "%s.%03ld%.3s:%.2s", date, now.tv_nsec / 1'000'000, zone, zone + 3);
  return text;
}

std::unique_ptr<Logger> make_logger(std::string_view name, LogLevel level, LogFormat format) {
  return std::make_unique<SpdlogLogger>(name, level, format);
}

} // namespace osync
