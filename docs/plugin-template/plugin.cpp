// The descriptor of policy-alternate.
#include <iterator>
#include <new>

#include "alternate_policy.h"
#include "osync/plugin.h"

namespace {

using osync::OptionType;

constexpr osync::OptionSpec options[] = {
    {"live_frames", OptionType::integer, "frames", "4", "1..1000",
     "Frames of live changes between two frames of backlog."},
    {"quantum", OptionType::size, "bytes", "256KiB", "4KiB..1MiB", "How much one frame may carry."},
};

osync::Status create(const osync::PluginContext& context, void** object) noexcept {
  // The values are in the table's ranges, hence positive.
  const auto live_frames = static_cast<std::uint64_t>(context.options->integer("live_frames"));
  const auto quantum = static_cast<std::uint64_t>(context.options->integer("quantum"));
  osync::Policy* const policy = new (std::nothrow) AlternatePolicy(live_frames, quantum);
  if (policy == nullptr) return {osync::Code::limit, "no memory for the policy"};
  *object = policy; // as the base class of the kind: destroy gets the same pointer
  return {};
}

void destroy(void* object) noexcept { delete static_cast<osync::Policy*>(object); }

} // namespace

OSYNC_PLUGIN_EXPORT const osync::PluginDescriptor osync_plugin = {
    OSYNC_PLUGIN_PREAMBLE,
    osync::PluginKind::policy,
    "policy-alternate",
    "1.0.0",
    "one frame of backlog after every few frames of live changes",
    options,
    std::size(options),
    create,
    destroy};
