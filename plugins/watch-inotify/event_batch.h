// Collects the change events of one next_batch(), merging repeated ones about the same entry.
//
// A file that is written 100,000 times gives as many records of the kernel; within a batch they become one
// event with all hints. Merging moves a later hint to an earlier place in the same batch, never past a fence
// (barrier, rescan, root gone). The two ends of different moves are never merged with each other. Pure; one
// thread. The index of earlier events is kept from batch to batch: 16 to 32 bytes for each event of the
// largest batch.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "osync/types.h"
#include "osync/watcher.h"

namespace osync::inotify {

class EventBatch {
 public:
  /// Begins a batch whose events are appended to `events`, which must live until the next begin(). What is in
  /// it already stays as it is.
  void begin(std::vector<WatchEvent>& events) noexcept;

  /// "Look at `name` in `directory`", merged with an earlier event where that is right. `token` as in
  /// WatchEvent. Throws std::bad_alloc.
  void entry(const ObjectId& directory, std::string_view name, std::uint8_t hints, std::uint64_t token);

  /// "Anything in `directory` may have changed"; an invalid directory with `recursive`: anything at all. A
  /// fence.
  void rescan(const ObjectId& directory, bool recursive);
  /// `directory` is no longer watched.
  void watch_lost(const ObjectId& directory);
  /// The root is gone. A fence.
  void root_gone(const ObjectId& root);
  /// Everything before was delivered. A fence.
  void barrier(std::uint64_t token);

 private:
  struct Slot {
    std::uint32_t generation = 0; ///< of the fence-to-fence stretch; another one: the slot is free
    std::uint32_t event = 0;      ///< position in *events_
  };
  WatchEvent& append(WatchEvent::Kind kind, const ObjectId& directory);
  Slot& slot_for(const ObjectId& directory, std::string_view name);
  void fence() noexcept;
  void grow();

  std::vector<WatchEvent>* events_ = nullptr;
  std::vector<Slot> slots_; ///< a power of two, at most half full
  std::uint32_t generation_ = 0;
  std::size_t used_ = 0;
};

} // namespace osync::inotify
