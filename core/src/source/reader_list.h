// Listing one entry for comparison by the sink: a name below an open directory becomes a ListedEntry.
//
// Attributes come from one statx by name, without opening anything; only an entry that changed at or after
// `since` is opened, for its digest and extended attributes. Thread-safety: a Lister belongs to one job.
// Bounds: one scratch buffer of the payload pool; see full().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/source_jobs.h"
#include "source/reader_context.h"

namespace osync::source {

class Lister {
 public:
  /// `since`: as in ScanJob.
  Lister(ReaderContext& context, const OpenDirectory& directory, Timestamp since, std::uint32_t max_bytes);
  ~Lister();
  Lister(const Lister&) = delete;
  Lister& operator=(const Lister&) = delete;

  /// Fills the fresh `entry` for `name`. False: it has no place in the listing (excluded, osync's own, gone
  /// meanwhile, or with a name that no replica can have).
  ///
  /// An entry that cannot be looked at or read is listed with the type `unknown`, which never compares equal:
  /// the sink wants it, and the look that follows reports the failure.
  [[nodiscard]] bool list(std::string name, engine::ListedEntry& entry);

  /// Whether the piece should end: extended attributes and targets of `max_bytes`, or
  /// ReaderLimits::digest_bytes read.
  [[nodiscard]] bool full() const noexcept;

 private:
  /// These return 0 or the errno; ENOENT: the entry is gone.
  int list_by_name(engine::ListedEntry& entry);
  int add_directory(engine::ListedEntry& entry);
  int add_content(engine::ListedEntry& entry);
  int add_digest(const PinnedEntry& pinned, engine::ListedEntry& entry);

  ReaderContext& context_;
  const OpenDirectory& directory_;
  const Timestamp since_;
  const std::uint32_t max_bytes_;
  std::size_t metadata_bytes_ = 0;
  std::uint64_t digested_ = 0;
  PayloadPool::Storage scratch_;
};

} // namespace osync::source
