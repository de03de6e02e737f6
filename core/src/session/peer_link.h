// The thread that owns a transport: sends what the engine's thread hands over, and passes on what comes in.
//
// Messages are encoded and decoded in this thread, so that the engine's stays free. What waits to be sent is bounded by
// the engine's credit window (source) and by what was received (sink).
// Thread-safety: send(), disconnect() and stop() from any thread; handlers are called in the link's thread and must not
// wait for it.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>

#include "engine/messages.h"
#include "osync/logger.h"
#include "osync/transport.h"

namespace osync::session {

class PeerLink {
 public:
  using Outgoing = std::variant<engine::SourceMessage, engine::SinkMessage>;

  struct Handlers {
    std::function<void(PeerId)> connected;
    std::function<void(PeerId)> disconnected;
    std::function<void(PeerId, Message)> received;
  };

  /// Starts the thread. `transport` is listening or connecting, and outlives the link.
  PeerLink(Transport& transport, Logger& logger, Handlers handlers);
  /// As stop() without a linger.
  ~PeerLink();
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  /// Hands over a message; one for a peer that is gone is dropped, which the engine learns by `disconnected`.
  void send(PeerId peer, Outgoing message);
  /// Drops a peer after what was handed over for it.
  void disconnect(PeerId peer);
  /// Sends what is waiting, for at most `linger`, and ends the thread.
  void stop(std::chrono::milliseconds linger);

 private:
  struct Item {
    PeerId peer = 0;
    std::optional<Outgoing> message; ///< none: disconnect
  };

  void run();
  /// Sends until nothing is left or the transport is full; true when nothing is left.
  bool send_waiting();

  Transport& transport_;
  Logger& logger_;
  Handlers handlers_;
  std::mutex mutex_;
  std::deque<Item> waiting_;
  std::optional<std::pair<PeerId, Message>> encoded_; ///< the next one, when the transport was full
  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> linger_until_{0}; ///< steady clock, in its ticks
  std::thread thread_;
};

} // namespace osync::session
