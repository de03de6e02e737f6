// One end of connections, listening or connecting, as the transport's loop drives it.
//
// One thread. Nothing here waits: the transport asks what to wait for (descriptors, the next due time) and
// calls advance() again. Times come in as parameters.
#pragma once

#include <cstddef>
#include <poll.h>
#include <vector>

#include "options.h"
#include "osync/transport.h"

namespace osync::transport_zmq {

/// How many messages one advance() reads at most, also when it throws all of them away.
inline constexpr std::size_t max_reads = 256;

/// How long after a connection broke, and nothing more is found, its end is reported: libzmq's I/O thread
/// reports the break a moment before the last messages are where they can be read.
inline constexpr milliseconds settle_time{20};
/// The same where messages go on coming (of other peers, at the listening side).
inline constexpr milliseconds settle_bound{1000};

class Side {
 public:
  Side() = default;
  virtual ~Side() = default;
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  /// Transport::send.
  virtual Status send(PeerId peer, Message& message, TimePoint now) = 0;

  /// Reads what is there and does what is due; stops reading when `events` holds `room` of them.
  virtual void advance(TimePoint now, std::size_t room, std::vector<TransportEvent>& events) = 0;

  /// Whether there is something to read. To be called last before waiting: it makes the descriptors tell of
  /// what comes after it.
  [[nodiscard]] virtual bool readable() = 0;

  /// Whether a send() that would have blocked can be tried again; true once for each.
  [[nodiscard]] virtual bool unblocked(TimePoint now) = 0;

  /// When advance() is to be called even if nothing happens.
  [[nodiscard]] virtual TimePoint next_due() const = 0;
  virtual void add_descriptors(std::vector<pollfd>& descriptors) const = 0;

  /// This process did not look for `gap`: nobody else's silence is counted in it.
  virtual void excuse(Clock::duration gap) = 0;

  /// Transport::disconnect. The `disconnected` event comes with the next advance().
  virtual void disconnect(PeerId peer, TimePoint now) = 0;

  /// Says goodbye to everybody; what arrives after it is thrown away. Done when finished() says so, at the
  /// latest `linger` after.
  virtual void finish(TimePoint now) = 0;
  [[nodiscard]] virtual bool finished() const = 0;
};

} // namespace osync::transport_zmq
