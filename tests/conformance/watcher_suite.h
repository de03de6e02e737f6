// What every watcher must show, as checks that any watcher plugin can be run through:
//
//   const osync::test::WatcherKit kit{"watch-mine", {}, identify};
//   TEST_CASE("watch-mine: shows every change") { osync::test::watcher_shows_every_change(kit); }
//   ... one test case for each function below
//
// Each function makes its own trees in memory, and may be run by anyone; what needs root or another file
// system is left out with a printed reason. Failures are reported through Catch2 in the calling thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "osync/watcher.h"
#include "support/load_plugin.h"
#include "support/temporary.h"

namespace osync::test {

/// How the watcher under test is made.
struct WatcherKit {
  std::string plugin;
  OptionValues options;
  /// The identity of an open directory, for watchers that resolve it themselves. Empty: one is made up of
  /// device, inode and birth time.
  std::function<ObjectId(int directory_fd)> identify;
};

/// A descriptor that closes itself.
class OpenFile {
 public:
  /// Throws std::runtime_error when open(2) fails.
  OpenFile(const std::filesystem::path& path, int flags, unsigned mode = 0644);
  ~OpenFile() { close(); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  [[nodiscard]] int fd() const noexcept { return fd_; }
  void close() noexcept;

 private:
  int fd_ = -1;
};

using WatchEvents = std::vector<WatchEvent>;

/// A temporary tree with a started watcher on it. One thread, but for what watcher.h allows on the watcher
/// itself.
class WatchedTree {
 public:
  /// `directories` are made below the root before the watcher starts, and watched where it needs that.
  explicit WatchedTree(const WatcherKit& kit, const std::vector<std::string>& directories = {});

  [[nodiscard]] Watcher& watcher() noexcept { return *plugin_; }
  [[nodiscard]] const RecordingLogger& log() const noexcept { return plugin_.log(); }
  /// The path of `name` below the root.
  [[nodiscard]] std::filesystem::path path(const std::string& name) const;
  /// A path beside the root, on the same file system, that nobody watches.
  [[nodiscard]] std::filesystem::path outside(const std::string& name) const;

  /// Watches `directory` and everything below it, where the watcher needs that.
  void watch(const std::string& directory);
  /// The identity of the directory that is at `directory` now.
  [[nodiscard]] ObjectId id(const std::string& directory) const;

  /// Everything reported up to a barrier that is asked for now. Throws std::runtime_error if none comes in 20
  /// seconds.
  WatchEvents drain();
  /// Pulls until the barrier `token`, which was asked for already; as drain().
  WatchEvents pull_until(std::uint64_t token);

  /// Whether `events` say to look at `name` in `directory`, with all of `hints` (in one event or several), or
  /// to rescan.
  [[nodiscard]] static bool shows(const WatchEvents& events, const ObjectId& directory, std::string_view name,
                                  unsigned hints = 0);
  [[nodiscard]] static std::size_t count(const WatchEvents& events, WatchEvent::Kind kind);

 private:
  [[nodiscard]] ObjectId identify(int fd) const;

  WatcherKit kit_;
  TemporaryDirectory place_;
  OpenFile root_;
  LoadedPlugin<Watcher> plugin_;
  WatchEvents carried_; ///< pulled behind the last barrier
  std::uint64_t next_token_ = 1u << 20;
};

/// A readable list of events, for INFO.
std::string describe(const WatchEvents& events);

// ---- the checks
// -----------------------------------------------------------------------------------------------------

/// Creating, writing by every way there is, attributes, links, removal.
void watcher_shows_every_change(const WatcherKit& kit);
/// Renames of files and directories, over others, exchanged, in and out of the tree.
void watcher_shows_moves(const WatcherKit& kit);
/// New and removed directories, changes of a directory itself, watches that are added, repeated and removed.
void watcher_follows_directories(const WatcherKit& kit);
/// Names of all lengths and bytes.
void watcher_keeps_names(const WatcherKit& kit);
/// Whatever had returned before a barrier was asked for comes before it, under load from other threads.
void watcher_keeps_barriers(const WatcherKit& kit);
/// Waiting, waking, and calls from several threads.
void watcher_keeps_to_its_threads(const WatcherKit& kit);

} // namespace osync::test
