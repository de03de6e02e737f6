#include "sink/dry_run_sink.h"

namespace osync::sink {
namespace {

const char* verb_of(OperationKind kind) {
  switch (kind) {
  case OperationKind::put_file:
  case OperationKind::publish: return "send";
  case OperationKind::make_directory: return "directory";
  case OperationKind::make_symlink: return "symlink";
  case OperationKind::make_special: return "special";
  case OperationKind::make_link: return "link";
  case OperationKind::remove: return "delete";
  case OperationKind::set_attributes: return "attributes";
  case OperationKind::move_directory: return "move";
  case OperationKind::stage_data:
  case OperationKind::discard_stage: return nullptr;
  }
  return nullptr;
}

} // namespace

Status DryRunSink::open(ReplicaState& state, SinkCapabilities& capabilities) noexcept {
  return real_ != nullptr ? real_->open(state, capabilities) : Status();
}

Status DryRunSink::ancestry(std::vector<std::pair<std::uint64_t, std::uint64_t>>& devices_and_inodes) noexcept {
  return real_ != nullptr ? real_->ancestry(devices_and_inodes) : Status();
}

void DryRunSink::apply(const OperationGroup& group, GroupResult& result) noexcept {
  result = GroupResult{};
  for (const Operation& operation : group.operations)
    if (const char* verb = verb_of(operation.kind); verb != nullptr)
      tell_(verb, group.directory.empty() ? operation.name : group.directory + "/" + operation.name);
}

Status DryRunSink::inspect(const std::string& directory, const std::vector<InspectItem>& items,
                           std::vector<InspectedEntry>& entries) noexcept {
  if (real_ != nullptr) return real_->inspect(directory, items, entries);
  return {Code::not_found, "the replica does not exist yet", directory};
}

Status DryRunSink::list(const std::string& directory, const std::function<bool(const ListedName&)>& visit) noexcept {
  if (real_ != nullptr) return real_->list(directory, visit);
  return {Code::not_found, "the replica does not exist yet", directory};
}

Status DryRunSink::count(const std::string& directory, const std::string& name, std::uint64_t bound,
                         std::uint64_t& entries) noexcept {
  if (real_ != nullptr) return real_->count(directory, name, bound, entries);
  return {Code::not_found, "the replica does not exist yet", directory};
}

} // namespace osync::sink
