// A sink that tells what would be done and does nothing: `--dry-run`.
//
// Looks are passed on to the real sink, so that comparison works; operations are only reported, and count as done.
// Thread-safety: as Sink; `tell` is called from several threads at once.
#pragma once

#include <functional>
#include <string>

#include "osync/sink.h"

namespace osync::sink {

class DryRunSink final : public Sink {
 public:
  /// `tell` gets a verb ("create", "change", "delete"...) and the entry's relative path.
  using Tell = std::function<void(const char* verb, const std::string& path)>;

  /// `real` may be null: the replica does not exist yet, and is taken for an empty one.
  DryRunSink(Sink* real, Tell tell) : real_(real), tell_(std::move(tell)) {}

  Status open(ReplicaState& state, SinkCapabilities& capabilities) noexcept override;
  Status claim(const ReplicaIdentity&, bool) noexcept override { return {}; }
  Status ancestry(std::vector<std::pair<std::uint64_t, std::uint64_t>>& devices_and_inodes) noexcept override;
  void apply(const OperationGroup& group, GroupResult& result) noexcept override;
  Status inspect(const std::string& directory, const std::vector<InspectItem>& items,
                 std::vector<InspectedEntry>& entries) noexcept override;
  Status list(const std::string& directory, const std::function<bool(const ListedName&)>& visit) noexcept override;
  Status count(const std::string& directory, const std::string& name, std::uint64_t bound,
               std::uint64_t& entries) noexcept override;
  Status sync() noexcept override { return {}; }
  Status close() noexcept override { return {}; } // the real one is ended without a mark of having been used

 private:
  Sink* real_;
  Tell tell_;
};

} // namespace osync::sink
