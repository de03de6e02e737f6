// `.osync/sync-mark`: until when everything is known to be on the disk (RULES.md 3).
//
// After a power loss a file can have the right size and mtime and hold zeros or old bytes. The mark holds the
// boot in which the replica was last written, the time before the last successful syncfs(2) and whether it
// was closed cleanly; from it follows since when entries are suspect. One record of fixed size, overwritten
// in place: a sector is written whole or not at all, and an older record only makes more suspect. What cannot
// be read makes everything suspect. Threads: one at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "fd.h"
#include "osync/status.h"
#include "osync/types.h"

namespace osync::sink_fs {

inline constexpr const char* sync_mark_name = "sync-mark";
inline constexpr std::size_t sync_mark_size = 256; ///< below the smallest sector

/// Change times come from a clock that may stand a tick behind CLOCK_REALTIME, and on network file systems
/// from the server's.
inline constexpr std::int64_t suspect_margin_seconds = 2;

struct SyncMarkRecord {
  std::string boot;                       ///< /proc/sys/kernel/random/boot_id
  Timestamp synced;                       ///< everything applied before it is on the disk
  bool closed = false;                    ///< nothing was written after it
  std::optional<Timestamp> suspect_since; ///< from an earlier unclean end; stays until it is cleared
};

/// Exactly sync_mark_size bytes, with a checksum.
[[nodiscard]] std::string format_sync_mark(const SyncMarkRecord& record);
[[nodiscard]] std::optional<SyncMarkRecord> parse_sync_mark(std::string_view text);

/// Since when entries are suspect, seen from `boot`. `record` is nothing where the mark could not be read.
[[nodiscard]] std::optional<Timestamp> suspect_since(const std::optional<SyncMarkRecord>& record,
                                                     const std::string& boot);

/// The kernel's id of this boot, or an empty string where /proc does not tell (then every boot is another
/// one).
[[nodiscard]] std::string current_boot();

/// CLOCK_REALTIME.
[[nodiscard]] Timestamp current_time() noexcept;

/// The file, open for as long as the replica is claimed.
class SyncMark {
 public:
  /// Reads the mark in `.osync`, open at `directory`; nothing where there is none or it cannot be parsed.
  [[nodiscard]] static std::optional<SyncMarkRecord> read(int directory);

  /// Opens (makes) it and writes the record durably: from now on the replica counts as not closed.
  Status begin(int directory, SyncMarkRecord record);
  /// A syncfs that was begun at `before` has succeeded.
  Status synced(Timestamp before);
  /// A syncfs has failed: nothing since the last good one is certain, also for the session after this one.
  Status sync_failed();
  /// What was suspect has been compared.
  Status clear_suspicion();
  /// Everything is on the disk and nothing follows; durable.
  Status closed_cleanly(Timestamp before);
  void abandon() noexcept { file_.reset(); }
  [[nodiscard]] bool begun() const noexcept { return static_cast<bool>(file_); }

 private:
  Status write(bool durably);

  Fd file_;
  SyncMarkRecord record_;
};

} // namespace osync::sink_fs
