#include "source/mount_guard.h"

#include <sys/statfs.h>

#include <cstring>
#include <filesystem>

#include "source/mount_monitor.h"

namespace osync::source {

using engine::EntryRead;

namespace {

std::uint64_t file_system_of(const std::string& path) {
  struct statfs status {};
  std::uint64_t id = 0;
  static_assert(sizeof status.f_fsid == sizeof id);
  if (statfs(path.c_str(), &status) == 0) std::memcpy(&id, &status.f_fsid, sizeof id);
  return id;
}

Mounts look(const std::string& root) {
  Mounts mounts;
  for (const std::string& path : mounts_below(root)) mounts.emplace(path, file_system_of(root + "/" + path));
  return mounts;
}

} // namespace

Mounts MountGuard::begin(const Mounts& remembered) {
  if (root_.one_file_system()) return {};
  std::error_code error; // a root that cannot be resolved is found out by the monitor
  prefix_ = std::filesystem::canonical(root_.path(), error).string();
  Mounts now = look(prefix_);
  {
    const std::lock_guard lock(mutex_);
    expected_ = remembered;
    expected_.merge(now);
  }
  refresh();
  return expected_;
}

void MountGuard::refresh() {
  if (root_.one_file_system()) return;
  const Mounts now = look(prefix_);
  const std::lock_guard lock(mutex_);
  changed_.clear();
  for (const auto& [path, id] : expected_) {
    const auto found = now.find(path);
    const bool same = found != now.end() && (found->second == id || found->second == 0 || id == 0);
    if (!same) changed_.insert(path);
  }
  for (const auto& [path, id] : now)
    if (!expected_.contains(path)) changed_.insert(path);
  active_ = !expected_.empty() || !changed_.empty();
}

std::set<std::string> MountGuard::changed() const {
  const std::lock_guard lock(mutex_);
  return changed_;
}

bool MountGuard::is_changed(const std::string& directory, const std::string& name, bool& refreshed) {
  const std::string path = directory.empty() ? name : directory + "/" + name;
  {
    const std::lock_guard lock(mutex_);
    if (!expected_.contains(path) && !changed_.contains(path)) return false;
  }
  if (!refreshed) refresh();
  refreshed = true;
  const std::lock_guard lock(mutex_);
  return changed_.contains(path);
}

void MountGuard::restrict(const engine::SourceJob& job, engine::SourceJobResult& result) {
  if (!active_) return;
  bool refreshed = false;
  const auto restrict_entries = [&](const std::string& directory, engine::ReadResult& read) {
    for (EntryRead& entry : read.entries) {
      if (!is_changed(directory, entry.operation.name, refreshed)) continue;
      EntryRead mount;
      mount.outcome = EntryRead::Outcome::mount;
      mount.operation.name = std::move(entry.operation.name);
      entry = std::move(mount);
    }
  };
  if (auto* read = std::get_if<engine::ReadResult>(&result)) {
    if (const auto* look = std::get_if<engine::ReadJob>(&job)) restrict_entries(look->directory.path, *read);
    if (const auto* scan = std::get_if<engine::ScanJob>(&job)) restrict_entries(scan->directory.path, *read);
  } else if (auto* list = std::get_if<engine::ListResult>(&result)) {
    const std::string& directory = std::get<engine::ScanJob>(job).directory.path;
    for (engine::ListedEntry& entry : list->entries)
      if (is_changed(directory, entry.name, refreshed)) entry.mount = true;
  } else if (auto* sweep = std::get_if<engine::SweepResult>(&result)) {
    const std::string& directory = std::get<engine::SweepJob>(job).directory.path;
    std::erase_if(sweep->directories, [&](engine::FoundDirectory& found) {
      if (!is_changed(directory, found.name, refreshed)) return false;
      sweep->mounts.push_back(std::move(found.name));
      return true;
    });
  }
}

} // namespace osync::source
