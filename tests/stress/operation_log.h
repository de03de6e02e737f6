// What the writers did, in order, so that a difference can be explained: one line an operation, kept in
// memory.
//
// Any thread may add lines. A run of a few seconds makes some megabytes; nothing is ever dropped.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace osync::stress {

class OperationLog {
 public:
  /// What was worked on: a raw path, and the inode that stands there after the operation (0: none).
  struct Object {
    std::string path;
    unsigned long inode = 0;
  };
  /// Adds "time, `writer`, `what`, objects, `result`"; the time as stat(1) says it, to compare it with
  /// ctimes.
  void add(unsigned writer, const std::string& what, const std::vector<Object>& objects,
           const std::string& result);
  /// A line of the run itself ("osync started"), for the order of things.
  void mark(const std::string& what);
  /// The lines that have one of `names` (escaped file names, or "#INODE") in their objects, and all marks.
  [[nodiscard]] std::string about(const std::set<std::string>& names) const;
  [[nodiscard]] std::string all() const;

 private:
  struct Line {
    std::string text;
    std::vector<std::string> names;
  };
  void append(Line line);

  mutable std::mutex mutex_;
  std::vector<Line> lines_;
};

/// `bytes` with `\xNN` for all that does not print, as the oracle writes paths.
[[nodiscard]] std::string escaped(const std::string& bytes);

/// The components of an escaped path.
[[nodiscard]] std::vector<std::string> components(const std::string& path);

} // namespace osync::stress
