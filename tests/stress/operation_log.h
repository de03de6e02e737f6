// What the writers did, in order, so that a difference can be explained: one line an operation, kept in
// memory.
//
// Any thread may add lines. A run of a few seconds makes some megabytes; nothing is ever dropped.
#pragma once

#include <chrono>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace osync::stress {

class OperationLog {
 public:
  /// Adds "microseconds since the start, `writer`, `what`". `paths` are raw; they are escaped here.
  void add(unsigned writer, const std::string& what, const std::vector<std::string>& paths,
           const std::string& result);
  /// A line of the run itself ("osync started"), for the order of things.
  void mark(const std::string& what);
  /// The lines that name one of `names` (escaped file names) as a component of a path, and all marks.
  [[nodiscard]] std::string about(const std::set<std::string>& names) const;
  [[nodiscard]] std::string all() const;

 private:
  struct Line {
    std::string text;
    std::vector<std::string> paths;
  };
  void append(Line line);

  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  mutable std::mutex mutex_;
  std::vector<Line> lines_;
};

/// `bytes` with `\xNN` for all that does not print, as the oracle writes paths.
[[nodiscard]] std::string escaped(const std::string& bytes);

/// The components of an escaped path.
[[nodiscard]] std::vector<std::string> components(const std::string& path);

} // namespace osync::stress
