// The descriptor of transport-zmq, and nothing else.
#include "osync/plugin.h"

#include <exception>
#include <iterator>

#include "options.h"
#include "osync/transport.h"
#include "zmq_transport.h"

namespace {

using osync::transport_zmq::ZmqTransport;

osync::Status create(const osync::PluginContext& context, void** object) noexcept {
  try {
    auto made = ZmqTransport::make(context);
    if (!made.ok()) return made.status();
    *object = static_cast<osync::Transport*>(std::move(made).value().release());
    return {};
  } catch (const std::exception& error) {
    return {osync::Code::internal, error.what()};
  }
}

void destroy(void* object) noexcept { delete static_cast<osync::Transport*>(object); }

} // namespace

OSYNC_PLUGIN_EXPORT const osync::PluginDescriptor osync_plugin = {
    OSYNC_PLUGIN_PREAMBLE,
    osync::PluginKind::transport,
    "transport-zmq",
    "1.0.0",
    "messages over ZeroMQ: inproc, ipc and tcp",
    osync::transport_zmq::option_table,
    std::size(osync::transport_zmq::option_table),
    create,
    destroy};
