// What the sink engine asks of the sink plugin, and what comes back. Jobs run in applier threads (core/src/sink/).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "engine/name_set.h"
#include "osync/operation.h"
#include "osync/sink.h"
#include "osync/status.h"

namespace osync::engine {

using SinkJobId = std::uint64_t;

/// Apply these groups one after the other in one thread.
struct ApplyJob {
  SinkJobId id = 0;
  std::vector<std::shared_ptr<const OperationGroup>> groups;
};
struct ApplyDone {
  SinkJobId id = 0;
  std::vector<GroupResult> results; ///< one for each group
};

/// Sink::inspect, and with `find_extras` also Sink::list (and Sink::count for directories): names not in `seen`.
struct InspectJob {
  SinkJobId id = 0;
  std::string directory;
  std::vector<InspectItem> items;
  bool find_extras = false;
  std::shared_ptr<const NameSet> seen; ///< not changed while the job runs
  std::uint64_t count_bound = 0;
};
struct InspectDone {
  struct Extra {
    std::string name;
    bool directory = false;
    std::uint64_t entries = 1;
  };
  SinkJobId id = 0;
  Status status;
  std::vector<InspectedEntry> entries;
  std::vector<Extra> extras;
};

/// Sink::sync and, with `clear_suspicion`, after its success Sink::clear_suspicion.
struct SyncJob {
  SinkJobId id = 0;
  bool clear_suspicion = false;
};
struct SyncDone {
  SinkJobId id = 0;
  Status status;
};

using SinkJob = std::variant<ApplyJob, InspectJob, SyncJob>;
using SinkJobResult = std::variant<ApplyDone, InspectDone, SyncDone>;

} // namespace osync::engine
