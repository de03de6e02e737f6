#include <iterator>
#include <new>

#include "inotify_watcher.h"
#include "osync/plugin.h"

namespace {

using osync::OptionType;
using osync::Status;
using osync::inotify::InotifyWatcher;

constexpr osync::OptionSpec options[] = {
    {"batch_events", OptionType::integer, "events", "16384", "64..1048576",
     "How many of the kernel's events are taken at most before the engine goes on with other work."},
    {"queue_warning", OptionType::integer, "percent", "75", "1..100",
     "Warn once when the kernel's event queue is fuller than this; again after it fell under half of it."},
};

Status create(const osync::PluginContext& context, void** object) noexcept {
  try {
    const InotifyWatcher::Settings settings{
        .batch_events = static_cast<std::uint32_t>(context.options->integer("batch_events")),
        .queue_warning = static_cast<unsigned>(context.options->integer("queue_warning"))};
    *object = static_cast<osync::Watcher*>(new InotifyWatcher(*context.logger, settings));
    return {};
  } catch (const std::bad_alloc&) {
    return {osync::Code::limit, "watch-inotify: out of memory"};
  }
}

void destroy(void* object) noexcept { delete static_cast<osync::Watcher*>(object); }

} // namespace

OSYNC_PLUGIN_EXPORT const osync::PluginDescriptor osync_plugin = {
    OSYNC_PLUGIN_PREAMBLE,
    osync::PluginKind::watcher,
    "watch-inotify",
    "1.0.0",
    "changes of local directories through inotify(7), one kernel watch a directory",
    options,
    std::size(options),
    create,
    destroy};
