// One writer: a thread that changes the tree until it is told to finish. What it tries follows from its seed;
// what comes of it depends on the other writers and on the machine.
#pragma once

#include "stress/hands.h"
#include "stress/settings.h"

#include <atomic>
#include <cstdint>
#include <exception>
#include <map>
#include <string>
#include <thread>

namespace osync::stress {

/// By kind of operation.
struct Count {
  std::uint64_t done = 0;
  std::uint64_t refused = 0; ///< by the kernel: another writer was there first
  std::uint64_t idle = 0;    ///< nothing to work on
};
using Counts = std::map<std::string, Count>;

class Writer {
 public:
  /// Starts at once.
  Writer(Shared& shared, unsigned number, std::uint64_t seed, const Settings& settings);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Stops after the current operation and closes half of the files that were kept open: the others stay open
  /// until the writer goes. Throws what ended the thread early, if anything did.
  Counts finish();

 private:
  void work();
  void step();

  Shared& shared_;
  const Settings settings_;
  Hands hands_;
  Counts counts_;
  std::atomic<bool> ending_{false};
  std::exception_ptr failure_; // read after join
  std::thread thread_;
};

} // namespace osync::stress
