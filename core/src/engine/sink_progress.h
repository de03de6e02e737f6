// How far a session's stream has come on the sink: received, applied, durable, and what of the window is
// used.
//
// Items finish in any order; `applied` is the last number up to which all have. Pure; one user at a time.
// Bounds: one record for each item that is received and not applied, which the window bounds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

namespace osync::engine {

class SinkProgress {
 public:
  /// A new session: numbers begin at 1.
  void reset() { *this = SinkProgress(); }

  /// The next item has arrived; returns its number.
  std::uint64_t receive(std::uint64_t cost) {
    items_.push_back({cost, false});
    used_ += cost;
    return ++received_;
  }

  /// An item that was received is applied, failed or answered; at most once for each.
  void finish(std::uint64_t sequence) {
    items_[static_cast<std::size_t>(sequence - applied_ - 1)].finished = true;
    while (!items_.empty() && items_.front().finished) {
      used_ -= items_.front().cost;
      freed_ += items_.front().cost;
      items_.pop_front();
      ++applied_;
    }
  }

  /// Everything up to `sequence` is durable.
  void make_durable(std::uint64_t sequence) { durable_ = std::max(durable_, sequence); }

  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }
  [[nodiscard]] std::uint64_t applied() const noexcept { return applied_; }
  [[nodiscard]] std::uint64_t durable() const noexcept { return durable_; }
  [[nodiscard]] std::uint64_t used() const noexcept { return used_; }   ///< of the window, now
  [[nodiscard]] std::uint64_t freed() const noexcept { return freed_; } ///< since the session began

 private:
  struct Item {
    std::uint64_t cost;
    bool finished;
  };
  std::deque<Item> items_; ///< after `applied_`
  std::uint64_t received_ = 0, applied_ = 0, durable_ = 0;
  std::uint64_t used_ = 0, freed_ = 0;
};

} // namespace osync::engine
