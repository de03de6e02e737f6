// A source tree in memory with a watcher's event queue, and the source engine's jobs run on it one small step at a time,
// so that a test can change the tree between any two steps. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/source_jobs.h"
#include "osync/watcher.h"
#include "support/random.h"

namespace osync::test {

/// The tree. Objects are found by number; a directory's number is its identity.
class SourceModel {
 public:
  struct Object {
    FileType type = FileType::directory;
    std::uint64_t number = 0;
    std::uint32_t mode = 0755;
    std::int64_t mtime = 1; ///< the version: every change gives a new one
    std::uint32_t names = 0;
    std::string content;
    std::map<std::string, std::shared_ptr<Object>> entries;
    std::int64_t read_mtime = 0; ///< the version that a job read last, through any name
    std::set<std::pair<std::uint64_t, std::string>> looked_at; ///< names (by directory) that were read as one of several
  };
  using Handle = std::shared_ptr<Object>;

  explicit SourceModel(std::uint64_t seed);

  /// One random change, with its events.
  void change();
  /// Takes up to `count` events from the kernel's queue.
  [[nodiscard]] std::vector<WatchEvent> events(std::size_t count);
  [[nodiscard]] bool quiet() const { return queue_.empty(); }
  /// The queue overflows: what is in it is lost, except barriers that were asked for.
  void overflow();
  void request_barrier(std::uint64_t token);
  void watch(const Handle& directory) { watched_.insert(directory->number); }
  void unwatch(const ObjectId& id) { watched_.erase(id.low); }

  /// The engine has forgotten which names it has looked at (a new session, a new process).
  void forget_looks();
  [[nodiscard]] Handle open(const std::string& path) const;
  [[nodiscard]] const Handle& root() const { return root_; }
  [[nodiscard]] static ObjectId id_of(const Object& object) { return {7, object.number}; }
  [[nodiscard]] static Attributes attributes_of(const Object& object);
  /// As FakeReplica::dump().
  [[nodiscard]] std::string dump() const;
  /// Files of at least so many bytes are large.
  static constexpr std::size_t large = 12;

 private:
  struct Place {
    Handle directory;
    std::string name;
  };
  void collect(const Handle& directory, std::vector<Handle>& directories, std::vector<Place>& entries) const;
  void put(const Handle& directory, const std::string& name, const Handle& object);
  void take(const Handle& directory, const std::string& name);
  void lost(const Handle& object);
  void leave(const Handle& object, const Place& from);
  void touch(Object& object) { object.mtime = ++clock_; }
  void tell(const Object& directory, const std::string& name, std::uint8_t hints, std::uint64_t token = 0);
  Handle make(FileType type);
  void create(const Handle& directory);
  void write(const Place& place);
  void move(const Place& from, const Handle& directory, const std::string& name);
  void exchange(const Place& a, const Place& b);
  void link(const Place& from, const Handle& directory, const std::string& name);
  void remove(const Place& place);

  Random random_;
  Handle root_;
  Handle outside_; ///< where trees are moved out to and in from
  std::uint64_t next_number_ = 1;
  std::int64_t clock_ = 1;
  std::uint64_t next_cookie_ = 1;
  std::set<std::uint64_t> watched_;
  std::deque<WatchEvent> queue_;
};

/// A job under way.
class SourceModelJob {
 public:
  struct Cursors { ///< what stays open between jobs
    std::map<std::uint64_t, std::pair<SourceModel::Handle, std::vector<std::string>>> directories;
    struct File {
      SourceModel::Handle directory, object;
      std::string name, content;
      std::int64_t version = 0;
    };
    std::map<std::uint64_t, File> files;
    std::uint64_t next = 1;
  };

  SourceModelJob(SourceModel& model, Cursors& cursors, engine::SourceJob job)
      : model_(&model), cursors_(&cursors), job_(std::move(job)) {}
  /// One step; a result with the last one (none for CloseCursorJob).
  bool step(std::optional<engine::SourceJobResult>& result);

 private:
  bool step_scan(const engine::ScanJob& job, std::optional<engine::SourceJobResult>& result);
  bool step_read(const engine::ReadJob& job, std::optional<engine::SourceJobResult>& result);
  void step_find_links(const engine::FindLinksJob& job, std::optional<engine::SourceJobResult>& result);
  bool step_sweep(const engine::SweepJob& job, std::optional<engine::SourceJobResult>& result);
  void step_file(std::optional<engine::SourceJobResult>& result);
  Status open(const engine::DirectoryRef& reference);
  void read_entry(const std::string& name, bool with_linked, bool absent_too, bool count_links = false);
  void finish_payload();

  SourceModel* model_;
  Cursors* cursors_;
  engine::SourceJob job_;
  bool opened_ = false;
  SourceModel::Handle directory_;
  std::vector<std::string> names_;
  std::size_t next_ = 0;
  engine::ReadResult read_;
  engine::ListResult list_;
  engine::SweepResult sweep_;
  std::string payload_;
};

} // namespace osync::test
