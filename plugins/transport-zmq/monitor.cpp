#include "monitor.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <zmq.h>

#include "parts.h"

namespace osync::transport_zmq {

Monitor::~Monitor() { detach(); }

Monitor::Monitor(Monitor&& other) noexcept
    : watched_(std::exchange(other.watched_, nullptr)), reader_(std::move(other.reader_)) {}

Monitor& Monitor::operator=(Monitor&& other) noexcept {
  if (this != &other) {
    detach();
    watched_ = std::exchange(other.watched_, nullptr);
    reader_ = std::move(other.reader_);
  }
  return *this;
}

void Monitor::detach() noexcept {
  // In this order: an I/O thread that has an event for a reader that is gone would wait for one for ever.
  if (watched_ != nullptr) (void)zmq_socket_monitor(watched_, nullptr, 0);
  watched_ = nullptr;
  reader_.close();
}

Status Monitor::attach(const Socket& socket, int events) {
  static std::atomic<std::uint64_t> next_number{1};
  const std::string address = "inproc://osync-monitor-" + std::to_string(next_number.fetch_add(1));
  reader_ = Socket(ZMQ_PAIR);
  if (!reader_.open()) return zmq_failure(zmq_errno(), "zmq_socket (monitor)");
  if (Status status = reader_.set(ZMQ_RCVHWM, 0); !status.ok()) return status;
  if (Status status = reader_.set(ZMQ_LINGER, 0); !status.ok()) return status;
  if (zmq_socket_monitor(socket.get(), address.c_str(), events) != 0)
    return zmq_failure(zmq_errno(), "zmq_socket_monitor");
  watched_ = socket.get();
  if (zmq_connect(reader_.get(), address.c_str()) != 0)
    return zmq_failure(zmq_errno(), "zmq_connect (monitor)");
  return {};
}

bool Monitor::next(Event& event) {
  if (!attached()) return false;
  Parts parts; // number and value, then the endpoint
  std::size_t count = 0;
  while (receive_parts(reader_.get(), 2, parts, count)) {
    if (parts.front().size() < sizeof event.kind + sizeof event.value) continue;
    const std::byte* bytes = parts.front().bytes().data();
    std::memcpy(&event.kind, bytes, sizeof event.kind);
    std::memcpy(&event.value, bytes + sizeof event.kind, sizeof event.value);
    return true;
  }
  return false;
}

} // namespace osync::transport_zmq
