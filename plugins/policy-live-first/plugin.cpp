// The descriptor of policy-live-first.
#include <iterator>
#include <new>

#include "live_first.h"
#include "osync/plugin.h"

namespace {

const osync::OptionSpec options[] = {
    {"ageing", osync::OptionType::duration, "time", "200ms", "1ms..1h",
     "Backlog that is ready gets a frame at least so often, however many live changes there are."},
    {"quantum", osync::OptionType::size, "bytes", "512KiB", "4KiB..1MiB", "The most that one frame carries."},
};

osync::Status create(const osync::PluginContext& context, void** object) noexcept {
  const osync::live_first::Settings settings{std::chrono::nanoseconds(context.options->integer("ageing")),
                                             static_cast<std::uint64_t>(context.options->integer("quantum"))};
  auto* policy = new (std::nothrow) osync::live_first::LiveFirst(settings);
  if (policy == nullptr) return {osync::Code::limit, "out of memory"};
  *object = static_cast<osync::Policy*>(policy);
  return {};
}

void destroy(void* object) noexcept { delete static_cast<osync::Policy*>(object); }

} // namespace

OSYNC_PLUGIN_EXPORT const osync::PluginDescriptor osync_plugin = {
    OSYNC_PLUGIN_PREAMBLE, osync::PluginKind::policy, "policy-live-first", "1.0.0",
    "live changes first; the backlog gets what they leave, and a frame now and then", options, std::size(options),
    create, destroy};
