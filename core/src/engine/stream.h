// The ordered stream to one replica: sequence numbers, the credit window, what is in flight and what is not durable.
//
// The window follows the measured delivery rate: about one round trip plus 10 ms of it, so that a live change waits
// behind little; never more than the sink grants, never less than `smallest_window` unless the sink grants less.
// Every item sent is remembered until it is applied (to relate failures to entries), and its origin until it is
// durable (to make it pending again when the sink loses it).
// Pure; the engine's thread. Bounds: the window for what is in flight; `unsettled_bound` for what is not durable.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "engine/pending_tree.h"
#include "engine/time.h"

namespace osync::engine {

/// A node that may have been freed and used again since.
struct NodeRef {
  NodeIndex index = no_node;
  std::uint32_t generation = 0;
};

/// What an item of the stream was about.
struct Sent {
  enum class Origin : std::uint8_t {
    scan,     ///< entries found by a scan: made pending again by scanning the directory again
    entries,  ///< entries that were looked at: `names`
    listing,  ///< a listing piece
    stage,    ///< content of a large file; nothing to remember
  };
  std::uint64_t sequence = 0;
  Origin origin = Origin::scan;
  NodeRef node;
  std::uint64_t cost = 0; ///< bytes it takes of the window
  std::uint64_t stage = 0; ///< of records that write or publish one
  Time sent{0};
  std::vector<std::string> names; ///< by operation index
  /// Directories that were moved with all that is below them.
  struct Moved {
    std::uint32_t index = 0; ///< of the operation
    NodeRef node;
    NodeRef from;            ///< the directory in which it was; none: it was put aside
    std::string from_name;
    std::uint64_t limbo = 0; ///< the number under which it was put aside itself
  };
  std::vector<Moved> moved;
};

class Stream {
 public:
  static constexpr std::uint64_t smallest_window = 128u << 10;
  static constexpr std::uint64_t first_window = 512u << 10; ///< until a rate is known
  static constexpr std::uint64_t smallest_piece = 32u << 10, first_piece = 128u << 10, largest_piece = 512u << 10;
  static constexpr std::size_t unsettled_bound = 100'000; ///< records not durable; beyond it a sync is asked for

  void open(std::uint64_t session, std::uint64_t granted);
  /// Ends the session; returns what was not durable, oldest first.
  [[nodiscard]] std::vector<Sent> close();
  [[nodiscard]] bool is_open() const noexcept { return session_ != 0; }
  [[nodiscard]] std::uint64_t session() const noexcept { return session_; }

  [[nodiscard]] std::uint64_t credit() const noexcept;
  [[nodiscard]] std::uint64_t window() const noexcept { return window_; }
  [[nodiscard]] std::uint64_t delivery_rate() const noexcept { return rate_; } ///< bytes (of cost) a second
  /// How much content to read for one item of the stream: about what is delivered in 10 ms (RULES.md, corrections), so
  /// that a live change waits for little on a slow link.
  [[nodiscard]] std::uint32_t piece_bytes() const noexcept;
  [[nodiscard]] std::uint64_t last_sequence() const noexcept { return last_; }
  [[nodiscard]] std::uint64_t applied() const noexcept { return applied_; }
  [[nodiscard]] std::uint64_t durable() const noexcept { return durable_; }
  [[nodiscard]] std::uint64_t in_flight() const noexcept { return in_flight_bytes_; }
  [[nodiscard]] bool wants_sync() const noexcept { return unsettled_.size() > unsettled_bound; }
  /// Whether what is ready may wait for more to fill a frame: the sink has enough to do, and its acknowledgements will
  /// be heard before that ends. A frame costs both sides several wake-ups, however small it is.
  [[nodiscard]] bool may_gather(std::uint64_t ready) const noexcept {
    return ready < piece_bytes() && in_flight_bytes_ >= window_ / 2;
  }
  /// Records something sent; returns its sequence number.
  std::uint64_t sent(Sent record, Time now);
  /// The record of a sequence number that is not applied yet or was applied last; nullptr for others.
  [[nodiscard]] const Sent* find(std::uint64_t sequence) const;
  /// Everything up to `sequence` is applied; calls `visit(const Sent&)` for each. False: a number out of range.
  template <class Visit>
  [[nodiscard]] bool acknowledge_applied(std::uint64_t sequence, Time now, Visit visit) {
    if (sequence > last_) return false;
    while (!in_flight_.empty() && in_flight_.front().sequence <= sequence) {
      visit(in_flight_.front());
      take_applied(now);
    }
    return true;
  }
  /// Everything up to `sequence` is durable. False: a number out of range.
  [[nodiscard]] bool acknowledge_durable(std::uint64_t sequence);

 private:
  void take_applied(Time now);
  void adapt_window(Time now);

  std::uint64_t session_ = 0;
  std::uint64_t granted_ = 0;
  std::uint64_t window_ = smallest_window;
  std::uint64_t last_ = 0, applied_ = 0, durable_ = 0;
  std::uint64_t in_flight_bytes_ = 0;
  std::deque<Sent> in_flight_;
  std::deque<Sent> unsettled_; ///< applied or not; without the names of scans
  Time shortest_round_trip_{Time::max()};
  Time measure_begin_{0};
  std::uint64_t measured_bytes_ = 0;
  bool was_limited_ = false;
  std::uint64_t rate_ = 0;
};

} // namespace osync::engine
