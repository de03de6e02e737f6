// Which directory each watch descriptor stands for, both ways, in about 50 bytes a watch.
//
// Descriptors are handed out in ascending order and not reused (inotify(7); before 2^31 watches were made),
// and every one that the kernel gave is added before an event of it is looked up. A descriptor that is not in
// the table, but not above the highest one added, is therefore one that was removed.
//
// Several descriptors may stand for one directory for a while: an old one whose end (IGNORED) is still
// queued, and the one that replaced it. The newest is the *current* one. One thread at a time; bounded by the
// kernel's limit on watches.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "osync/types.h"
#include "slot_index.h"

namespace osync::inotify {

class WatchTable {
 public:
  WatchTable();
  WatchTable(const WatchTable&) = delete;
  WatchTable& operator=(const WatchTable&) = delete;

  /// `wd` stands for `directory` from now on and is its current descriptor. Both may be known already, also
  /// with another partner each. Throws std::bad_alloc, changing nothing.
  void add(std::int32_t wd, const ObjectId& directory);

  /// The directory that `wd` stands for.
  [[nodiscard]] std::optional<ObjectId> directory_of(std::int32_t wd) const;
  /// The current descriptor of `directory`.
  [[nodiscard]] std::optional<std::int32_t> descriptor_of(const ObjectId& directory) const;
  /// Whether `wd` was in the table once (or never existed at all, being negative).
  [[nodiscard]] bool was_added(std::int32_t wd) const noexcept { return wd <= highest_; }

  struct Removed {
    ObjectId directory;
    bool current = false; ///< the directory has no watch now
  };
  /// Forgets `wd`; nothing where it is not in the table.
  std::optional<Removed> remove(std::int32_t wd) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  /// All descriptors, in no order. Throws std::bad_alloc.
  [[nodiscard]] std::vector<std::int32_t> descriptors() const;
  /// What the table takes, without the allocator's own overhead.
  [[nodiscard]] std::size_t memory_bytes() const noexcept;

 private:
  struct Row {
    ObjectId directory;
    std::int32_t wd;
  };
  [[nodiscard]] std::uint32_t row_of(std::int32_t wd) const;
  [[nodiscard]] std::uint32_t current_row_of(const ObjectId& directory) const;
  void make_current(std::uint32_t row) noexcept;

  std::deque<Row> rows_; ///< dense: the last row takes the place of one that is removed
  SlotIndex by_wd_;
  SlotIndex by_directory_; ///< current descriptors only
  std::int32_t highest_ = 0;
};

} // namespace osync::inotify
