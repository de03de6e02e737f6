#include "link.h"

#include <cerrno>
#include <sys/random.h>

namespace osync::transport_zmq {
namespace {

constexpr int handshake_failed = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                 ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

Status make_nonce(Nonce& nonce) {
  // 16 bytes come whole once the kernel's generator is ready (getrandom(2)); a signal may come before that.
  while (getrandom(nonce.data(), nonce.size(), 0) != static_cast<ssize_t>(nonce.size()))
    if (errno != EINTR) return Status::from_errno(errno, "getrandom (nonce of a connection)");
  return {};
}

} // namespace

Status Link::open(const Endpoint& endpoint, const Options& options, const TransportLimits& limits) {
  if (Status status = make_nonce(nonce_); !status.ok()) return status;
  if (Status status = make_socket(ZMQ_DEALER, endpoint, options, limits, socket_); !status.ok())
    return status;
  if (endpoint.scheme != Scheme::inproc) { // inproc has no such events
    constexpr int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | handshake_failed;
    if (Status status = monitor_.attach(socket_, events); !status.ok()) return status;
  }
  if (zmq_connect(socket_.get(), zmq_address(endpoint).c_str()) != 0)
    return zmq_failure(zmq_errno(), "zmq_connect", to_string(endpoint));
  return {};
}

Link::News Link::look() {
  News news;
  for (Monitor::Event event; monitor_.next(event);) {
    if (event.kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
      news.established = true;
    else if ((event.kind & (handshake_failed | ZMQ_EVENT_DISCONNECTED)) != 0)
      news.broken = true;
    if (event.kind == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) news.wrong_protocol = true;
  }
  return news;
}

int Link::say(const Control& control) {
  Part part(encode(control));
  return send_parts(socket_.get(), {&part, 1});
}

int Link::send(const Message& message) {
  outgoing_.clear();
  outgoing_.emplace_back(encode({Kind::data, {}, {}}));
  append_message(message, outgoing_);
  const int error = send_parts(socket_.get(), outgoing_);
  outgoing_.clear(); // drops what the failed attempt holds
  return error;
}

bool Link::receive(std::size_t max_parts, Parts& parts, std::size_t& count) {
  return receive_parts(socket_.get(), max_parts, parts, count);
}

bool Link::readable() {
  const bool news = monitor_.attached() && (monitor_.socket().events() & ZMQ_POLLIN) != 0;
  return (socket_.events() & ZMQ_POLLIN) != 0 || news;
}

void Link::add_descriptors(std::vector<pollfd>& descriptors) const {
  descriptors.push_back({socket_.descriptor(), POLLIN, 0});
  if (monitor_.attached()) descriptors.push_back({monitor_.socket().descriptor(), POLLIN, 0});
}

void Link::forget_unsent() { socket_.set(ZMQ_LINGER, 0).ignore("the socket is ours and 0 is valid"); }

} // namespace osync::transport_zmq
