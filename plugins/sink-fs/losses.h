// What could not be kept although the operation succeeded (owners without privilege and the like): said once
// a kind, counted, and summed up at the end. Threads: any at any time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "osync/logger.h"

namespace osync::sink_fs {

class Losses {
 public:
  enum class Kind : std::uint8_t { owner, mode, device, xattr, privileged_xattr, oversized_xattr };

  explicit Losses(Logger& logger) : logger_(logger) {}

  /// Counts one; the first of its kind is logged as a warning with `path` and `detail`.
  void note(Kind kind, std::string_view path, std::string_view detail);

  /// One line with all counts, or empty where nothing was lost.
  [[nodiscard]] std::string summary() const;

 private:
  Logger& logger_;
  std::array<std::atomic<std::uint64_t>, 6> counts_{};
};

} // namespace osync::sink_fs
