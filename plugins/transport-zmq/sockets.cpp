#include "sockets.h"

#include <utility>
#include <vector>
#include <zmq.h>

#include "parts.h"

namespace osync::transport_zmq {
namespace {

using Setting = std::pair<int, int>;

constexpr int handshake_ms = 5000;      // a connection that has not said what it is by then is closed
constexpr int reconnect_ms = 100;       // between attempts to connect, growing ...
constexpr int reconnect_most_ms = 5000; // ... up to this
constexpr int keepalive_idle_s = 60;    // TCP's own, for connections that nobody looks at; see tcp(7)
constexpr int keepalive_interval_s = 10;
constexpr int keepalive_count = 6;

/// libzmq's own heartbeats (ZMQ_HEARTBEAT_IVL) are left out. In 4.3.4 their timer writes without looking
/// whether the connection has failed, and the process ends ("Assertion failed: !_io_error", libzmq issue
/// 4364) when one fails while its queue is full because the reader is slow; and they take a slow reader for
/// dead, since it does not read their answers. So does ZMQ_TCP_MAXRT (TCP_USER_TIMEOUT counts closed windows
/// too, tcp(7)). The plugin's keep-alives find silent peers, and TCP itself ends in time what is left of
/// connections that a ROUTER cannot close.
void add_tcp(const Endpoint& endpoint, std::vector<Setting>& settings) {
  settings.emplace_back(ZMQ_IPV6, wants_ipv6(endpoint) ? 1 : 0);
  settings.emplace_back(ZMQ_TCP_KEEPALIVE, 1);
  settings.emplace_back(ZMQ_TCP_KEEPALIVE_IDLE, keepalive_idle_s);
  settings.emplace_back(ZMQ_TCP_KEEPALIVE_INTVL, keepalive_interval_s);
  settings.emplace_back(ZMQ_TCP_KEEPALIVE_CNT, keepalive_count);
}

} // namespace

Status make_socket(int type, const Endpoint& endpoint, const Options& options, const TransportLimits& limits,
                   Socket& socket) {
  socket = Socket(type);
  if (!socket.open()) return zmq_failure(zmq_errno(), "zmq_socket");
  std::vector<Setting> settings = {{ZMQ_LINGER, static_cast<int>(options.linger.count())},
                                   {ZMQ_SNDHWM, options.queue},
                                   {ZMQ_RCVHWM, options.queue},
                                   {ZMQ_HANDSHAKE_IVL, handshake_ms}};
  if (type == ZMQ_ROUTER) {
    settings.emplace_back(ZMQ_ROUTER_MANDATORY, 1); // a message to nobody is an error, not lost
  } else {
    settings.emplace_back(ZMQ_IMMEDIATE, 1); // nothing is queued for a connection that does not stand
    settings.emplace_back(ZMQ_RECONNECT_IVL, reconnect_ms);
    settings.emplace_back(ZMQ_RECONNECT_IVL_MAX, reconnect_most_ms);
  }
  if (endpoint.scheme == Scheme::tcp) add_tcp(endpoint, settings);
  for (const auto& [option, value] : settings)
    if (Status status = socket.set(option, value); !status.ok()) return status;
  return socket.set_size(ZMQ_MAXMSGSIZE, largest_part(limits));
}

} // namespace osync::transport_zmq
