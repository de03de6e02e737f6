// A replica in memory that runs the sink engine's jobs one small step at a time, so that a test can
// interleave them as it likes; and makers of groups and operations. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/messages.h"
#include "engine/sink_jobs.h"

namespace osync::test {

/// Entries are kept as on a file system: names of the same file share one object, and its attributes.
class FakeReplica {
 public:
  struct Object {
    FileType type = FileType::directory;
    std::uint32_t mode = 0755;
    std::int64_t mtime = 0;
    std::uint64_t number = 0;
    std::uint32_t names = 0;
    std::string content; ///< or target
    std::map<std::string, std::shared_ptr<Object>> entries;
  };

  FakeReplica();

  /// Runs one operation, or what comes after the last one (the directory's own attributes) where `index` is
  /// beyond. `directory` is found by open_directory() before the first.
  Status run(const OperationGroup& group, std::size_t index, Object& directory, std::uint64_t& changed);
  /// A whole group, at once.
  GroupResult apply(const OperationGroup& group);
  Result<std::shared_ptr<Object>> open_directory(std::string_view path) const;
  Result<std::shared_ptr<Object>> open_directory(std::string_view path, std::shared_ptr<Object> from) const;
  InspectedEntry inspect(const Object& directory, const std::string& name) const;
  engine::InspectDone inspect(const engine::InspectJob& job) const;
  /// All paths with what is there; names of one file carry the same number, counted from the first.
  [[nodiscard]] std::string dump() const;
  [[nodiscard]] std::size_t stages() const { return stages_.size(); }
  [[nodiscard]] std::size_t limbo() const { return limbo_.size(); }
  /// A session has begun: what the one before has put aside is gone.
  void claimed() { limbo_.clear(); }
  /// A copy with objects of its own, without stages: what a crash leaves of what was durable.
  [[nodiscard]] FakeReplica durable_copy() const;

  /// Asked before each operation, where set; an operation fails with a status that is not ok.
  std::function<Status(const Operation&)> fault;

 private:
  std::shared_ptr<Object> make(FileType type, const Attributes& attributes);
  void put(Object& directory, const std::string& name, std::shared_ptr<Object> object);
  Status link(Object& directory, const Operation& operation);
  Status move(Object& directory, const Operation& operation);
  Status set_attributes(Object& directory, const Operation& operation);

  std::shared_ptr<Object> root_;
  std::uint64_t next_number_ = 1;
  std::map<std::uint64_t, std::string> stages_;
  std::map<std::uint64_t, std::shared_ptr<Object>> limbo_;
};

/// A job under way on a FakeReplica.
class FakeJob {
 public:
  FakeJob(FakeReplica& replica, engine::SinkJob job) : replica_(&replica), job_(std::move(job)) {}
  /// One step; a result when that was the last.
  std::optional<engine::SinkJobResult> step();
  [[nodiscard]] bool is_sync() const { return std::holds_alternative<engine::SyncJob>(job_); }
  [[nodiscard]] bool is_apply() const { return std::holds_alternative<engine::ApplyJob>(job_); }
  [[nodiscard]] const engine::SinkJob& job() const { return job_; }

 private:
  std::optional<engine::SinkJobResult> step_apply(const engine::ApplyJob& job);
  std::optional<engine::SinkJobResult> step_inspect(const engine::InspectJob& job);

  FakeReplica* replica_;
  engine::SinkJob job_;
  engine::ApplyDone applied_;
  engine::InspectDone inspected_;
  std::size_t group_ = 0, index_ = 0;
  std::shared_ptr<FakeReplica::Object> directory_;
  std::int64_t mtime_before_ = 0;
};

[[nodiscard]] Attributes attributes_of(FileType type, std::uint32_t mode = 0644, std::int64_t mtime = 1);
[[nodiscard]] OperationGroup group_of(std::string directory, std::vector<Operation> operations = {});
[[nodiscard]] Operation operation_of(OperationKind kind, std::string name, Attributes attributes = {});
[[nodiscard]] Operation put(std::string name, std::uint32_t length = 0);
[[nodiscard]] Operation link_to(std::string name, std::string target);
[[nodiscard]] Operation stage_of(OperationKind kind, std::uint64_t stage, std::string name = {});

} // namespace osync::test
