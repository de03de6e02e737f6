// A policy decides whether the next frame to a replica carries live changes or backlog, and how much of it.
//
// It is deterministic and holds no clock: all it knows is in the view. The engine calls it only when at least one of
// the classes has something to send and credit allows a frame.
// Thread: the engine's, one at a time for each object.
#pragma once

#include <chrono>
#include <cstdint>

namespace osync {

/// One of the two queues, as it stands now.
struct QueueView {
  std::uint64_t items = 0;                  ///< ready to send
  std::uint64_t bytes = 0;                  ///< of those, payload and records
  std::chrono::nanoseconds oldest_age{0};   ///< since the oldest ready item was reported or found
};

struct PolicyView {
  QueueView live;
  QueueView backlog;
  std::uint64_t delivery_rate = 0;          ///< bytes a second, measured; 0: not known yet
  std::uint64_t credit = 0;                 ///< bytes that may be sent now
  std::chrono::nanoseconds since_backlog_frame{0};
};

enum class WorkClass : std::uint8_t { live, backlog };

struct PolicyChoice {
  WorkClass work = WorkClass::live;
  std::uint64_t quantum = 0; ///< at most so many bytes in the frame; at least one item is always sent
};

class Policy {
 public:
  virtual ~Policy() = default;
  /// The class of the next frame. Naming an empty class makes the engine take the other one.
  virtual PolicyChoice choose(const PolicyView& view) noexcept = 0;
};

} // namespace osync
