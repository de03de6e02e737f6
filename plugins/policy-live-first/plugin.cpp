// The descriptor of policy-live-first, and nothing else.
#include "osync/plugin.h"

#include <cstdint>
#include <iterator>
#include <new>

#include "live_first.h"

namespace {

using osync::OptionType;
using osync::Status;
using osync::live_first::LiveFirst;

constexpr osync::OptionSpec options[] = {
    {"ageing", OptionType::duration, "time", "200ms", "1ms..1min",
     "Backlog that is ready gets a frame at the latest after this time without one, however many live "
     "changes wait."},
    {"quantum", OptionType::size, "bytes", "512KiB", "4KiB..1MiB",
     "The largest frame; on a slow link frames are smaller, about what is delivered in 10 ms."},
};

Status create(const osync::PluginContext& context, void** object) noexcept {
  try {
    osync::live_first::Settings settings;
    settings.ageing = std::chrono::nanoseconds(context.options->integer("ageing"));
    settings.quantum = static_cast<std::uint64_t>(context.options->integer("quantum"));
    *object = static_cast<osync::Policy*>(new LiveFirst(settings));
    return {};
  } catch (const std::bad_alloc&) {
    return {osync::Code::limit, "policy-live-first: out of memory"};
  }
}

void destroy(void* object) noexcept { delete static_cast<osync::Policy*>(object); }

} // namespace

OSYNC_PLUGIN_EXPORT const osync::PluginDescriptor osync_plugin = {
    OSYNC_PLUGIN_PREAMBLE,
    osync::PluginKind::policy,
    "policy-live-first",
    "1.0.0",
    "live changes first; the backlog gets a frame whenever it has waited too long",
    options,
    std::size(options),
    create,
    destroy};
