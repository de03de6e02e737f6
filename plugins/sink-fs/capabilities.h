// What the file system and the privileges of this process can keep, found out without writing anything.
// Threads: any.
#pragma once

#include "osync/sink.h"
#include "privileges.h"

namespace osync::sink_fs {

/// `root` is the open replica root.
[[nodiscard]] SinkCapabilities probe_capabilities(int root, const Privileges& privileges);

} // namespace osync::sink_fs
