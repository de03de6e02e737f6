#include "engine/stream.h"

#include <algorithm>

namespace osync::engine {
namespace {

constexpr Time measuring_period = std::chrono::milliseconds(20);
constexpr std::uint64_t slow_descent = 8; ///< periods to come down by about two thirds
constexpr Time standing_queue = std::chrono::milliseconds(10); ///< allowed on top of a round trip

} // namespace

void Stream::open(std::uint64_t session, std::uint64_t granted) {
  session_ = session;
  granted_ = granted;
  window_ = std::min(granted, first_window);
  last_ = applied_ = durable_ = in_flight_bytes_ = 0;
  in_flight_.clear();
  unsettled_.clear();
  shortest_round_trip_ = Time::max();
  measure_begin_ = Time(0);
  measured_bytes_ = rate_ = 0;
  was_limited_ = false;
}

std::vector<Sent> Stream::close() {
  session_ = 0;
  std::vector<Sent> lost(std::make_move_iterator(unsettled_.begin()), std::make_move_iterator(unsettled_.end()));
  in_flight_.clear();
  unsettled_.clear();
  in_flight_bytes_ = 0;
  return lost;
}

std::uint64_t Stream::credit() const noexcept {
  return in_flight_bytes_ >= window_ ? 0 : window_ - in_flight_bytes_;
}

std::uint32_t Stream::piece_bytes() const noexcept {
  if (rate_ == 0) return first_piece;
  return static_cast<std::uint32_t>(std::clamp(rate_ / (std::chrono::seconds(1) / standing_queue), smallest_piece, largest_piece));
}

std::uint64_t Stream::sent(Sent record, Time now) {
  record.sequence = ++last_;
  record.sent = now;
  in_flight_bytes_ += record.cost;
  if (in_flight_bytes_ >= window_) was_limited_ = true;
  Sent origin;
  origin.sequence = record.sequence;
  origin.origin = record.origin;
  origin.node = record.node;
  const bool same_scan = record.origin == Sent::Origin::scan && record.moved.empty() && !unsettled_.empty() &&
                         unsettled_.back().origin == Sent::Origin::scan &&
                         unsettled_.back().node.index == record.node.index &&
                         unsettled_.back().node.generation == record.node.generation;
  if (same_scan) unsettled_.back().sequence = record.sequence; // forgotten only with the last of them
  else if (record.origin != Sent::Origin::stage) {
    if (record.origin == Sent::Origin::entries) origin.names = record.names;
    origin.moved = record.moved;
    unsettled_.push_back(std::move(origin));
  }
  in_flight_.push_back(std::move(record));
  return last_;
}

const Sent* Stream::find(std::uint64_t sequence) const {
  if (in_flight_.empty() || sequence < in_flight_.front().sequence || sequence > last_) return nullptr;
  return &in_flight_[static_cast<std::size_t>(sequence - in_flight_.front().sequence)];
}

void Stream::take_applied(Time now) {
  const Sent& record = in_flight_.front();
  applied_ = record.sequence;
  in_flight_bytes_ -= record.cost;
  measured_bytes_ += record.cost;
  shortest_round_trip_ = std::min(shortest_round_trip_, std::max(now - record.sent, Time(1)));
  in_flight_.pop_front();
  adapt_window(now);
}

void Stream::adapt_window(Time now) {
  if (measure_begin_ == Time(0)) measure_begin_ = now;
  const Time elapsed = now - measure_begin_;
  if (elapsed < measuring_period) return;
  const double seconds = std::chrono::duration<double>(elapsed).count();
  const auto measured = static_cast<std::uint64_t>(static_cast<double>(measured_bytes_) / seconds);
  // A rate measured while the window was not the limit says what was offered, not what can be delivered.
  // One measured at the limit is believed at once where it is higher and slowly where it is lower: on a busy machine a
  // period without a turn for the sink says nothing about the link, and a window made for it would starve the sink.
  if (measured >= rate_) rate_ = was_limited_ ? (rate_ + measured) / 2 : measured;
  else if (was_limited_) rate_ -= (rate_ - measured) / slow_descent;
  const double round_trip = std::chrono::duration<double>(shortest_round_trip_ + standing_queue).count();
  const auto product = static_cast<std::uint64_t>(static_cast<double>(rate_) * round_trip);
  // A quarter more than measured, so that the window can find out that more would be delivered.
  const std::uint64_t wanted = std::max(product + product / 4, smallest_window);
  window_ = std::min(wanted, granted_);
  measure_begin_ = now;
  measured_bytes_ = 0;
  was_limited_ = in_flight_bytes_ >= window_;
}

bool Stream::acknowledge_durable(std::uint64_t sequence) {
  if (sequence > applied_) return false;
  durable_ = std::max(durable_, sequence);
  while (!unsettled_.empty() && unsettled_.front().sequence <= durable_) unsettled_.pop_front();
  return true;
}

} // namespace osync::engine
