// One connection of the connecting side: one DEALER socket that is never used for a second one, so that
// nothing of an old connection can reach a new one.
//
// One thread; nothing waits.
#pragma once

#include <poll.h>
#include <vector>

#include "control.h"
#include "monitor.h"
#include "parts.h"
#include "sockets.h"

namespace osync::transport_zmq {

class Link {
 public:
  /// What the monitor has told since the last look.
  struct News {
    bool established = false; ///< libzmq's handshake is done: the hello can be sent
    bool broken = false;
    bool wrong_protocol = false; ///< broken because the other side is no ZeroMQ socket of the right kind
  };

  /// Makes the socket and begins to connect. Errors: invalid (libzmq refuses the endpoint), limit.
  Status open(const Endpoint& endpoint, const Options& options, const TransportLimits& limits);

  [[nodiscard]] News look();
  [[nodiscard]] const Nonce& nonce() const noexcept { return nonce_; }

  /// 0 or the errno of send_parts().
  [[nodiscard]] int say(const Control& control);
  [[nodiscard]] int send(const Message& message);

  /// The next message into `parts`, as receive_parts().
  [[nodiscard]] bool receive(std::size_t max_parts, Parts& parts, std::size_t& count);

  [[nodiscard]] bool readable();
  [[nodiscard]] bool writable() const { return (socket_.events() & ZMQ_POLLOUT) != 0; }
  void add_descriptors(std::vector<pollfd>& descriptors) const;

  /// What was handed over and is not yet sent is thrown away when the link goes.
  void forget_unsent();

 private:
  Socket socket_;
  Monitor monitor_; // after socket_: goes before it
  Nonce nonce_{};
  Parts outgoing_;
};

} // namespace osync::transport_zmq
