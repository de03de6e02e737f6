// Endpoints as text: what inproc, ipc and tcp endpoints look like, whether they stay on this host, and how
// libzmq wants to be told.
//
// Pure: no look-ups, no system calls; any thread. Bounds: a path of an ipc endpoint fits sockaddr_un
// (unix(7)), an inproc name has at most 200 bytes, a host name 253 (RFC 1035).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "osync/status.h"

namespace osync::transport_zmq {

enum class Scheme : std::uint8_t { inproc, ipc, tcp };

struct Endpoint {
  Scheme scheme = Scheme::tcp;
  std::string place; ///< tcp: the host as it was written, IPv6 in brackets; ipc: the path; inproc: the name
  std::optional<std::uint16_t> port; ///< tcp only; none: "0" or "*", any free port
};

inline constexpr std::size_t max_ipc_path = 107; ///< sizeof(sockaddr_un::sun_path) without its NUL
inline constexpr std::size_t max_inproc_name = 200;
inline constexpr std::size_t max_host_name = 253;

/// Reads "inproc://NAME", "ipc:///PATH" or "tcp://HOST:PORT". Errors: invalid, with what was found and
/// expected.
Result<Endpoint> parse_endpoint(const std::string& text);

/// Why a sink cannot connect to `endpoint` (it names no certain peer); ok where it can.
Status check_connectable(const Endpoint& endpoint);

/// Whether nothing that is sent there leaves this host: inproc, ipc, 127.0.0.0/8, [::1] and "localhost".
/// Names are never looked up: an unknown one counts as remote.
[[nodiscard]] bool is_local(const Endpoint& endpoint);

/// Whether libzmq must be told to use IPv6 for it. An IPv4 address works without, also where the kernel lacks
/// IPv6.
[[nodiscard]] bool wants_ipv6(const Endpoint& endpoint);

/// As zmq_bind(3) and zmq_connect(3) want it. "localhost" becomes 127.0.0.1: zmq_bind looks up no names, and
/// both sides must mean the same address.
[[nodiscard]] std::string zmq_address(const Endpoint& endpoint);

/// As the user wrote it, with `port` in place of "0" or "*".
[[nodiscard]] std::string to_string(const Endpoint& endpoint, std::uint16_t port = 0);

/// The port at the end of what ZMQ_LAST_ENDPOINT says of a bound tcp socket; none where there is no number.
[[nodiscard]] std::optional<std::uint16_t> port_of(const std::string& last_endpoint);

} // namespace osync::transport_zmq
