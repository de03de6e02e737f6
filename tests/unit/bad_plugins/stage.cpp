// A plugin that has a table and makes nothing: enough to validate a pipeline.
#include <iterator>

#include "osync/plugin.h"

namespace {

const osync::OptionSpec options[] = {
    {"root", osync::OptionType::path, "", nullptr, "", "where it lives"},
    {"mode", osync::OptionType::choice, "", "fast", "fast|safe", "how it works"},
};

osync::Status create(const osync::PluginContext&, void**) noexcept {
  return {osync::Code::unsupported, "only a table"};
}
void destroy(void*) noexcept {}

} // namespace

OSYNC_PLUGIN_EXPORT const osync::PluginDescriptor osync_plugin = {OSYNC_PLUGIN_PREAMBLE,
                                                                  osync::PluginKind::STAGE_KIND,
                                                                  PLUGIN_NAME,
                                                                  "0.0.1",
                                                                  "a table and nothing else",
                                                                  options,
                                                                  std::size(options),
                                                                  create,
                                                                  destroy};
