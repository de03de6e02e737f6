// How much work of each epoch is not yet in the stream: what a flush waits for.
//
// Work is counted from the moment it is known until the operation that answers it has entered the stream; work that
// follows from other work (a directory's entries from its scan) carries the same epoch and is counted before its
// origin is released, so the count of an epoch cannot touch zero too early.
// Pure; the engine's thread.
#pragma once

#include <cassert>
#include <cstdint>
#include <map>

#include "engine/pending_tree.h"

namespace osync::engine {

class WorkCounts {
 public:
  void add(Epoch epoch, bool live) { ++(live ? live_ : backlog_)[epoch]; }
  void remove(Epoch epoch, bool live) {
    auto& counts = live ? live_ : backlog_;
    const auto found = counts.find(epoch);
    assert(found != counts.end());
    if (found != counts.end() && --found->second == 0) counts.erase(found);
  }
  /// Whether nothing of `epoch` or an earlier one is left.
  [[nodiscard]] bool clear(Epoch epoch, bool with_backlog) const {
    return (live_.empty() || live_.begin()->first > epoch) &&
           (!with_backlog || backlog_.empty() || backlog_.begin()->first > epoch);
  }
  /// Work of the backlog of `epoch` and earlier ones.
  [[nodiscard]] std::uint64_t backlog_until(Epoch epoch) const {
    std::uint64_t sum = 0;
    for (auto count = backlog_.begin(); count != backlog_.end() && count->first <= epoch; ++count) sum += count->second;
    return sum;
  }
  [[nodiscard]] std::uint64_t live() const { return total(live_); }
  [[nodiscard]] std::uint64_t backlog() const { return total(backlog_); }

 private:
  [[nodiscard]] static std::uint64_t total(const std::map<Epoch, std::uint64_t>& counts) {
    std::uint64_t sum = 0;
    for (const auto& [epoch, count] : counts) sum += count;
    return sum;
  }
  std::map<Epoch, std::uint64_t> live_, backlog_;
};

} // namespace osync::engine
