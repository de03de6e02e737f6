// A tree in use: a thread that creates, edits, saves, renames, links and deletes until it is told to finish.
//
// What it does follows from the seed; how far it gets depends on the machine. It owns everything below its
// root: no one else may change names there. Changes that no watcher can see are left out: stores into a mapping, and
// changes of a file with several names through one that is gone before it can be looked at.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>

namespace osync::test {

struct ChurnOptions {
  std::uint64_t seed = 1;
  /// Between two operations: it paces the churn, nothing waits for it. 0: as fast as it goes.
  std::chrono::microseconds pause = std::chrono::microseconds(300);
  std::size_t most_files = 3000; ///< above that it deletes more than it creates
  std::size_t most_operations = SIZE_MAX;
};

class Churn {
 public:
  /// Starts at once, below the existing directory `root`.
  Churn(std::string root, const ChurnOptions& options = {});
  ~Churn();
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;

  /// Operations so far.
  [[nodiscard]] std::size_t done() const { return done_; }
  /// Stops after the current operation, and throws what stopped the thread before, if anything did. Returns
  /// done().
  std::size_t finish();
  /// Waits until `most_operations` are done instead.
  std::size_t finish_all();

 private:
  void work(const std::string& root, const ChurnOptions& options);

  std::atomic<bool> ending_{false};
  std::atomic<std::size_t> done_{0};
  std::exception_ptr failure_; // read after join
  std::thread thread_;
};

} // namespace osync::test
