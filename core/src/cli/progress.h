// `--progress`: one replica's figures over time, as a line for people or an object for programs.
// Pure; one thread. Bounds: `samples_bound` figures are remembered.
#pragma once

#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "engine/source_engine.h"

namespace osync::cli {

class ProgressMeter {
 public:
  static constexpr std::size_t samples_bound = 11; ///< rates are those of the last 10 intervals

  /// Takes the figures of `seconds` after the start, and the directories that are watched then; to be called with
  /// growing times.
  void add(const engine::SourceStatus& status, std::uint64_t watches, double seconds);

  /// How long the first pass still takes, in seconds. Known only once all directories of the source are: the sweep has
  /// put a watch on each, and there were as many at the last look. Takes directories to be alike.
  [[nodiscard]] std::optional<double> seconds_left() const;

  /// Files, bytes, rates, queues, time left and lag.
  [[nodiscard]] std::string line() const;
  [[nodiscard]] nlohmann::json json() const;

 private:
  struct Sample {
    engine::SourceStatus status;
    std::uint64_t watches = 0;
    double seconds = 0;
  };
  [[nodiscard]] double rate(std::uint64_t engine::SourceStatus::* figure) const;

  std::deque<Sample> samples_;
};

} // namespace osync::cli
