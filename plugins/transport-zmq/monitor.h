// What libzmq tells of a socket's connections (zmq_socket_monitor(3)).
//
// Events come late and name no peer: they are taken as hints to look, but for the connecting side, which has
// one connection only. Belongs to the socket's thread. Events are few and small; they are never held back,
// because libzmq's I/O thread would wait for room with everybody's connections standing still.
#pragma once

#include <cstdint>

#include "handles.h"

namespace osync::transport_zmq {

class Monitor {
 public:
  struct Event {
    std::uint16_t kind = 0; ///< ZMQ_EVENT_*
    std::uint32_t value = 0;
  };

  Monitor() noexcept = default;
  /// Stops the events. The socket must still be open, so declare the monitor after it.
  ~Monitor();
  Monitor(Monitor&& other) noexcept;
  Monitor& operator=(Monitor&& other) noexcept;
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  /// Begins to report the `events` (a mask) of `socket`. Errors: limit and others of libzmq.
  Status attach(const Socket& socket, int events);

  /// The next event, without waiting; false when there is none.
  [[nodiscard]] bool next(Event& event);

  /// For waiting, as Socket's; both only while attached.
  [[nodiscard]] const Socket& socket() const noexcept { return reader_; }
  [[nodiscard]] bool attached() const noexcept { return watched_ != nullptr; }

 private:
  void detach() noexcept;

  void* watched_ = nullptr;
  Socket reader_;
};

} // namespace osync::transport_zmq
