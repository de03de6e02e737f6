// Makes the two kinds of libzmq sockets with all their options set.
#pragma once

#include "endpoint.h"
#include "handles.h"
#include "options.h"
#include "osync/transport.h"

namespace osync::transport_zmq {

/// A ROUTER or DEALER for `endpoint`, neither bound nor connected. Errors: limit (too many sockets) and
/// others of libzmq.
Status make_socket(int type, const Endpoint& endpoint, const Options& options, const TransportLimits& limits,
                   Socket& socket);

} // namespace osync::transport_zmq
