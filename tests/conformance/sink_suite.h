// What every sink must do, as checks that any sink plugin can be run through:
//
//   const osync::test::SinkKit kit{"sink-mine", [](const std::string& root) { return OptionValues{{"root",
//   root}}; }}; TEST_CASE("sink-mine: applies every kind") { osync::test::sink_applies_every_kind(kit); }
//   ... one test case for each function below
//
// Everything is checked through the Sink interface alone. Each function makes its own replica, below a new
// directory in memory whose path `options` is given. Failures are reported through Catch2 in the calling
// thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "osync/sink.h"
#include "support/load_plugin.h"
#include "support/temporary.h"

namespace osync::test {

/// How the sink under test is made.
struct SinkKit {
  std::string plugin;
  std::function<OptionValues(const std::string& root)>
      options; ///< `root`: a path at which nothing stands yet
};

/// Attributes of this process's user: `mode`, a fixed mtime with nanoseconds, and an empty list of xattrs.
Attributes some_attributes(FileType type, std::uint32_t mode);
inline Attributes file_attributes(std::uint32_t mode = 0644) {
  return some_attributes(FileType::regular, mode);
}
inline Attributes directory_attributes(std::uint32_t mode = 0755) {
  return some_attributes(FileType::directory, mode);
}

/// XXH3-128 of `content` in one piece.
Digest digest_of_content(std::string_view content);

struct Piece {
  std::uint64_t offset;
  std::string data;
};
/// The digest that publish wants (operation.h), computed apart from any sink.
Digest digest_of_pieces(const std::vector<Piece>& pieces);

/// Builds one group; its operations come in the order of the calls.
class GroupBuilder {
 public:
  explicit GroupBuilder(std::string directory = {}) { group_.directory = std::move(directory); }
  GroupBuilder& put(std::string name, std::string_view content, Attributes attributes = file_attributes());
  GroupBuilder& make_directory(std::string name, Attributes attributes = directory_attributes());
  GroupBuilder& make_symlink(std::string name, std::string target);
  GroupBuilder& make_special(std::string name, Attributes attributes);
  GroupBuilder& make_link(std::string name, std::string target);
  GroupBuilder& stage(std::uint64_t id, std::uint64_t offset, std::string_view data);
  GroupBuilder& publish(std::string name, std::uint64_t id, std::uint64_t size, Digest digest,
                        Attributes attributes = file_attributes());
  GroupBuilder& discard(std::uint64_t id);
  GroupBuilder& remove(std::string name);
  GroupBuilder& set_attributes(std::string name, Attributes attributes);
  /// The directory's own attributes.
  GroupBuilder& directory(Attributes attributes);
  [[nodiscard]] OperationGroup build() const;

 private:
  Operation& add(OperationKind kind, std::string name);
  OperationGroup group_;
  std::string payload_;
};

/// A claimed sink on a replica of its own.
class ClaimedSink {
 public:
  /// Throws std::runtime_error when open() or claim() fails.
  explicit ClaimedSink(const SinkKit& kit);
  ClaimedSink(const SinkKit& kit, OptionValues options, const std::string& root);
  ~ClaimedSink();
  ClaimedSink(const ClaimedSink&) = delete;
  ClaimedSink& operator=(const ClaimedSink&) = delete;

  [[nodiscard]] Sink& operator*() noexcept { return **plugin_; }
  [[nodiscard]] Sink* operator->() noexcept { return &**plugin_; }
  [[nodiscard]] const std::string& root() const noexcept { return root_; }
  [[nodiscard]] const ReplicaState& state() const noexcept { return state_; }
  [[nodiscard]] const SinkCapabilities& capabilities() const noexcept { return capabilities_; }
  [[nodiscard]] const RecordingLogger& log() const noexcept { return plugin_->log(); }

  GroupResult apply(const GroupBuilder& group);
  /// "" or "index: code: message" of every failure.
  std::string failures(const GroupBuilder& group);
  /// The code of the only failure; ok where there is none, internal where there are several.
  Code failure(const GroupBuilder& group);
  InspectedEntry inspect(const std::string& directory, const std::string& name, bool want_digest = true);
  /// The names in `directory`, sorted; throws when they cannot be listed.
  std::vector<std::string> names(const std::string& directory = {});
  /// Whether `directory`/`name` is a regular file with this content.
  bool holds(const std::string& directory, const std::string& name, std::string_view content);
  /// Closes the sink and drops it; returns what close() said.
  Status close();

 private:
  void begin();
  std::unique_ptr<TemporaryDirectory> directory_;
  std::string root_;
  std::unique_ptr<LoadedPlugin<Sink>> plugin_;
  ReplicaState state_;
  SinkCapabilities capabilities_;
};

/// An identity for tests; all the same but for the epoch.
ReplicaIdentity test_identity(std::uint64_t epoch = 1);

void sink_starts_empty_and_knows_itself_again(const SinkKit& kit);
void sink_refuses_a_second_process(const SinkKit& kit);
void sink_applies_every_kind(const SinkKit& kit);
void sink_replaces_every_type_by_every_type(const SinkKit& kit);
void sink_may_be_told_twice(const SinkKit& kit);
void sink_reports_what_is_stale(const SinkKit& kit);
void sink_stages_large_files(const SinkKit& kit);
void sink_publishes_nothing_damaged(const SinkKit& kit);
void sink_holds_many_stages(const SinkKit& kit);
void sink_refuses_bad_names(const SinkKit& kit);
void sink_keeps_odd_names(const SinkKit& kit);
void sink_goes_beyond_path_max(const SinkKit& kit);
void sink_removes_trees(const SinkKit& kit);
void sink_keeps_directory_times(const SinkKit& kit);
void sink_lists_and_counts(const SinkKit& kit);
void sink_keeps_xattrs(const SinkKit& kit);
void sink_shows_old_or_new(const SinkKit& kit);
void sink_applies_in_parallel(const SinkKit& kit);

} // namespace osync::test
