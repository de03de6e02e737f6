#include "fs_sink.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <exception>
#include <new>

#include "capabilities.h"
#include "errors.h"
#include "names.h"
#include "root.h"
#include "small_file.h"

namespace osync::sink_fs {

namespace {

using std::chrono::milliseconds;

// How long each of them may spend on purging limbo; housekeep() and the next start go on.
constexpr milliseconds purge_at_claim{500};
constexpr milliseconds purge_at_close{2000};

} // namespace

FsSink::FsSink(Logger& logger, Options options)
    : logger_(logger), options_(std::move(options)), out_of_memory_(Code::limit, "out of memory"),
      losses_(logger), access_(tree_, active_, privileges_), writer_(privileges_, losses_),
      limbo_(tree_, area_, logger), look_(tree_, access_) {}

template <class Body>
Status FsSink::guarded(Body body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return out_of_memory_;
  } catch (const std::exception& error) {
    try {
      return {Code::internal, error.what()};
    } catch (...) {
      return out_of_memory_;
    }
  } catch (...) {
    return out_of_memory_; // nothing here throws anything else
  }
}

// ---- open, claim, close
// -----------------------------------------------------------------------------------------

Status FsSink::open(ReplicaState& state, SinkCapabilities& capabilities) noexcept {
  return guarded([&] {
    Status status = do_open(state, capabilities);
    if (!status.ok()) release();
    return status;
  });
}

Status FsSink::do_open(ReplicaState& state, SinkCapabilities& capabilities) {
  release();
  state = {};
  privileges_ = Privileges::read();
  active_.set_privileges(privileges_);
  limbo_.set_privileges(privileges_);
  auto root = open_root(options_.root);
  if (!root.ok()) return root.status();
  if (Status status = lock_root(root->get(), options_.root); !status.ok()) return status;
  if (Status status = tree_.adopt_root(std::move(root).value(), options_.without_openat2); !status.ok())
    return status;
  capabilities = probe_capabilities(tree_.root(), privileges_);
  case_sensitive_ = capabilities.case_sensitive;
  if (Status status = area_.find(tree_); !status.ok()) return status;
  return read_state(state);
}

Status FsSink::read_state(ReplicaState& state) {
  auto empty = is_empty_root(tree_.root());
  if (!empty.ok()) return empty.status();
  state.content = empty.value() ? ReplicaState::Content::empty : ReplicaState::Content::foreign_content;
  if (!area_.found()) return {};
  auto record = read_identity(area_.directory());
  if (!record.ok()) return record.status().code() == Code::not_found ? Status() : record.status();
  record_ = record.value();
  state.content = ReplicaState::Content::own_identity;
  state.identity = record_->identity;
  state.adopted = record_->adopted;
  state.suspect_since = suspect_since(SyncMark::read(area_.directory()), current_boot());
  return {};
}

Status FsSink::claim(const ReplicaIdentity& identity, bool adopt) noexcept {
  return guarded([&] { return do_claim(identity, adopt); });
}

Status FsSink::do_claim(const ReplicaIdentity& identity, bool adopt) {
  if (tree_.root() < 0) return {Code::internal, "claim() without open()"};
  services_.reset();
  stages_.close();
  if (Status status = area_.make(tree_); !status.ok()) return status;
  if (Status status = area_.clean(tree_); !status.ok()) return status;
  if (Status status = begin_mark(); !status.ok()) return status;
  // After the mark: an identity without a mark would make everything suspect.
  IdentityRecord record{identity, adopt || (record_ && record_->adopted)};
  if (Status status = replace_small_file(area_.directory(), identity_name, format_identity(record));
      !status.ok())
    return status;
  if (fsync(tree_.root()) != 0) return failure(errno, "fsync of the replica root", options_.root);
  record_ = record;
  mounts_.watch(tree_.root());
  stages_.begin(area_.stage());
  services_.emplace(GroupApplier::Services{
      tree_, access_, writer_, stages_, losses_,
      Replacer::Services{tree_, area_, limbo_, mounts_, logger_, privileges_, options_.keep_replaced},
      case_sensitive_});
  limbo_.release_all();
  limbo_.purge(purge_at_claim);
  return {};
}

/// Notes durably that the replica is in use, and since when something is uncertain.
Status FsSink::begin_mark() {
  const std::lock_guard lock(sync_mutex_);
  const std::string boot = current_boot();
  const std::optional<SyncMarkRecord> before = SyncMark::read(area_.directory());
  SyncMarkRecord record{boot, current_time(), false, {}};
  if (record_) record.suspect_since = suspect_since(before, boot);
  // What an earlier process of this boot wrote and did not make durable becomes so now, or stays uncertain.
  const bool unclean_process = before && !before->closed && before->boot == boot;
  if (unclean_process && syncfs(tree_.root()) != 0) return failure(errno, "syncfs", options_.root);
  return mark_.begin(area_.directory(), std::move(record));
}

Status FsSink::close() noexcept {
  return guarded([&] {
    Status status = do_close();
    release();
    return status;
  });
}

Status FsSink::do_close() {
  if (!services_) return {};
  services_.reset();
  stages_.close();
  const Status cleaned = area_.clean(tree_);
  limbo_.release_all();
  limbo_.purge(purge_at_close);
  if (const std::string summary = losses_.summary(); !summary.empty()) logger_.info(summary);
  const Timestamp before = current_time();
  if (Status status = sync_file_system(); !status.ok()) return status;
  const std::lock_guard lock(sync_mutex_);
  if (Status status = mark_.closed_cleanly(before); !status.ok()) return status;
  return cleaned;
}

void FsSink::release() noexcept {
  services_.reset();
  record_.reset();
  stages_.close();
  limbo_.close();
  mark_.abandon();
  mounts_.close();
  area_.close();
  tree_.close(); // the lock ends with the descriptor
}

Status FsSink::ancestry(std::vector<std::pair<std::uint64_t, std::uint64_t>>& devices_and_inodes) noexcept {
  return guarded([&]() -> Status {
    if (tree_.root() < 0) return {Code::internal, "ancestry() without open()"};
    return read_ancestry(tree_.root(), devices_and_inodes);
  });
}

// ---- durability
// -------------------------------------------------------------------------------------------------

/// The group commit and its mark.
Status FsSink::sync_file_system() {
  const std::lock_guard lock(sync_mutex_);
  const Timestamp before = current_time();
  if (syncfs(tree_.root()) == 0) return mark_.synced(before);
  const int error = errno;
  const Status marked = mark_.sync_failed();
  std::string what = "syncfs (nothing since the last success is certain)";
  if (!marked.ok()) what += "; and this could not be noted: " + marked.to_string();
  return failure(error, what, options_.root);
}

Status FsSink::sync() noexcept {
  return guarded([&]() -> Status {
    if (!services_) return {Code::internal, "sync() without claim()"};
    return sync_file_system();
  });
}

Status FsSink::clear_suspicion() noexcept {
  return guarded([&]() -> Status {
    if (!services_) return {Code::internal, "clear_suspicion() without claim()"};
    const std::lock_guard lock(sync_mutex_);
    return mark_.clear_suspicion();
  });
}

// ---- work
// -------------------------------------------------------------------------------------------------------

void FsSink::apply(const OperationGroup& group, GroupResult& result) noexcept {
  result.failures.clear();
  result.entries_changed = 0;
  const Status status = guarded([&]() -> Status {
    if (!services_) return {Code::internal, "apply() without claim()"};
    GroupApplier(*services_, group).run(result);
    return {};
  });
  if (status.ok()) return;
  // Where there is no memory even for this, the process ends: a failure is never turned into success.
  result.failures.push_back({group_failure, status});
}

bool FsSink::housekeep(milliseconds budget) noexcept {
  bool done = true;
  // Without memory it is given up for now; the next operations make the engine call again.
  (void)guarded([&]() -> Status {
    if (services_) done = limbo_.purge(budget);
    return {};
  });
  return done;
}

Status FsSink::check_path(const std::string& directory) const {
  if (tree_.root() < 0) return {Code::internal, "the sink is not open"};
  return usable_path(directory, case_sensitive_)
             ? Status()
             : Status(Code::invalid, "no path that a replica may have", directory);
}

Status FsSink::inspect(const std::string& directory, const std::vector<InspectItem>& items,
                       std::vector<InspectedEntry>& entries) noexcept {
  return guarded([&]() -> Status {
    if (Status status = check_path(directory); !status.ok()) return status;
    return look_.inspect(directory, items, entries);
  });
}

Status FsSink::list(const std::string& directory,
                    const std::function<bool(const ListedName&)>& visit) noexcept {
  return guarded([&]() -> Status {
    if (Status status = check_path(directory); !status.ok()) return status;
    return look_.list(directory, case_sensitive_, visit);
  });
}

Status FsSink::count(const std::string& directory, const std::string& name, std::uint64_t bound,
                     std::uint64_t& entries) noexcept {
  return guarded([&]() -> Status {
    if (Status status = check_path(directory); !status.ok()) return status;
    if (!usable_entry(directory, name, case_sensitive_))
      return {Code::invalid, "no name that an entry of a replica may have", join(directory, name)};
    return look_.count(directory, name, bound, entries);
  });
}

} // namespace osync::sink_fs
