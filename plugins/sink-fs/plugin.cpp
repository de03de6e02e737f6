// The descriptor of sink-fs, and nothing else.
#include "osync/plugin.h"

#include <exception>
#include <iterator>

#include "fs_sink.h"
#include "options.h"
#include "osync/sink.h"

namespace {

osync::Status create(const osync::PluginContext& context, void** object) noexcept {
  try {
    *object = static_cast<osync::Sink*>(new osync::sink_fs::FsSink(
        *context.logger, {context.options->text("root"), context.options->boolean("keep_replaced")}));
    return {};
  } catch (const std::exception& error) {
    return {osync::Code::internal, error.what()};
  }
}

void destroy(void* object) noexcept { delete static_cast<osync::Sink*>(object); }

} // namespace

OSYNC_PLUGIN_EXPORT const osync::PluginDescriptor osync_plugin = {
    OSYNC_PLUGIN_PREAMBLE,
    osync::PluginKind::sink,
    "sink-fs",
    "1.0.0",
    "a replica in a directory of a Linux file system",
    osync::sink_fs::option_table,
    std::size(osync::sink_fs::option_table),
    create,
    destroy};
