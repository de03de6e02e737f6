// A replica in a directory of a Linux file system: osync::Sink, put together from the parts in this folder.
//
// Every function is a boundary: exceptions (of memory) end here as a Status.
// Threads: as osync/sink.h says. Bounds: named in the parts; memory does not grow with the tree.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "active_directories.h"
#include "attributes.h"
#include "directory_access.h"
#include "group_applier.h"
#include "identity_file.h"
#include "limbo.h"
#include "look.h"
#include "losses.h"
#include "mounts.h"
#include "osync/logger.h"
#include "osync/sink.h"
#include "private_area.h"
#include "privileges.h"
#include "stages.h"
#include "sync_mark.h"
#include "tree.h"

namespace osync::sink_fs {

struct Options {
  std::string root;
  bool keep_replaced = false;
  bool without_openat2 = false; ///< for tests of the fall-back; no option of the plugin
};

class FsSink final : public Sink {
 public:
  /// `logger` outlives the sink. Nothing is opened yet.
  FsSink(Logger& logger, Options options);
  /// Ends like a crash of the process where close() was not called: nothing is cleaned up.
  ~FsSink() override = default;

  Status open(ReplicaState& state, SinkCapabilities& capabilities) noexcept override;
  Status claim(const ReplicaIdentity& identity, bool adopt) noexcept override;
  Status ancestry(std::vector<std::pair<std::uint64_t, std::uint64_t>>& devices_and_inodes) noexcept override;
  void apply(const OperationGroup& group, GroupResult& result) noexcept override;
  Status inspect(const std::string& directory, const std::vector<InspectItem>& items,
                 std::vector<InspectedEntry>& entries) noexcept override;
  Status list(const std::string& directory,
              const std::function<bool(const ListedName&)>& visit) noexcept override;
  Status count(const std::string& directory, const std::string& name, std::uint64_t bound,
               std::uint64_t& entries) noexcept override;
  Status sync() noexcept override;
  Status close() noexcept override;
  Status clear_suspicion() noexcept override;
  bool housekeep(std::chrono::milliseconds budget) noexcept override;

 private:
  template <class Body>
  Status guarded(Body body) noexcept;
  Status do_open(ReplicaState& state, SinkCapabilities& capabilities);
  Status read_state(ReplicaState& state);
  Status do_claim(const ReplicaIdentity& identity, bool adopt);
  Status begin_mark();
  Status do_close();
  Status sync_file_system();
  Status check_path(const std::string& directory) const;
  void release() noexcept;

  Logger& logger_;
  const Options options_;
  const Status out_of_memory_; ///< made beforehand: copying it takes no memory
  Privileges privileges_;
  Losses losses_;
  Tree tree_;
  PrivateArea area_;
  Mounts mounts_;
  ActiveDirectories active_;
  DirectoryAccess access_;
  AttributeWriter writer_;
  Limbo limbo_;
  Stages stages_;
  Look look_;
  std::optional<IdentityRecord> record_;
  std::optional<GroupApplier::Services> services_; ///< from claim() to close()
  bool case_sensitive_ = true;
  std::mutex sync_mutex_; ///< one group commit at a time; guards mark_
  SyncMark mark_;
};

} // namespace osync::sink_fs
