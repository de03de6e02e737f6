// Looking at one entry and reading what it is now, for shipping: a name below an open directory becomes an
// EntryRead.
//
// Thread-safety: a Look belongs to one job. Bounds: contents at most the job's max_bytes (one entry is always
// read, of at most ReaderLimits::inline_bytes); extended attributes and symlink targets count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/source_jobs.h"
#include "source/reader_context.h"
#include "source/reader_payload.h"

namespace osync::source {

class Look {
 public:
  Look(ReaderContext& context, const OpenDirectory& directory, std::uint32_t max_bytes, bool include_linked,
       bool count_links = false);

  /// Looks at `name` and fills the fresh `entry`, as documented at EntryRead. not_done: it does not fit into
  /// the budget any more; nothing was kept of it. Excluded entries and osync's own state answer `mount`, that
  /// is "left alone", so that the replica's copy is neither replaced nor deleted; with a status of not_found
  /// where nothing is there and only a *directory* of that name would be excluded: the caller may know that
  /// the replica has none. Directories and files with several links come with their identity.
  void look(std::string name, engine::EntryRead& entry);

  /// Whether the last entry that look() answered `mount` for was so because it is excluded (or osync's own).
  [[nodiscard]] bool excluded() const noexcept { return excluded_; }
  /// Whether the budget is used up, so that looking on would only answer not_done.
  [[nodiscard]] bool full() const noexcept { return looked_ > 0 && used() >= max_bytes_; }
  /// The contents of all entries so far. Once, in the end.
  [[nodiscard]] Buffer finish() { return payload_.finish(); }

 private:
  using Entry = engine::EntryRead;

  [[nodiscard]] std::size_t used() const noexcept { return payload_.used() + metadata_bytes_; }
  /// Whether the entry is left alone, whatever it is.
  bool leave_alone(const PinnedEntry& pinned, std::string_view name);
  void look_absent(std::string_view name, Entry& entry);
  void look_pinned(PinnedEntry& pinned, Entry& entry);
  void look_regular(PinnedEntry& pinned, Entry& entry);
  void look_directory(PinnedEntry& pinned, Entry& entry);
  void look_symlink(PinnedEntry& pinned, Entry& entry);
  void read_content(int fd, const FileStatus& before, Entry& entry);
  /// These add to a pinned entry of any type. False: the entry failed.
  bool left_as_linked(const PinnedEntry& pinned, engine::EntryRead& entry);
  bool add_identity(const PinnedEntry& pinned, Entry& entry);
  bool add_xattrs(const PinnedEntry& pinned, Entry& entry);
  bool accept_xattrs(int error, Entry& entry);
  void fail(Entry& entry, int error, std::string_view what);

  ReaderContext& context_;
  const OpenDirectory& directory_;
  const std::uint32_t max_bytes_;
  const bool include_linked_;
  const bool count_links_;
  PayloadWriter payload_;
  std::size_t metadata_bytes_ = 0;
  std::size_t looked_ = 0;
  bool excluded_ = false;
};

/// Reads the target of the symlink that `fd` (O_PATH) or `name` below it is. Returns 0 or the errno.
[[nodiscard]] int read_target(int fd, const char* name, std::string& target);

} // namespace osync::source
