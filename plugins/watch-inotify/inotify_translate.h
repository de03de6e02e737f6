// Turns the kernel's records into change events, by looking up which directory a watch descriptor stands for.
//
// Pure: works on the watch table and the batch it is given; whoever owns the table holds its lock during
// translate(). One thread.
#pragma once

#include <cstdint>

#include "event_batch.h"
#include "inotify_decode.h"
#include "watch_table.h"

namespace osync::inotify {

/// What every directory is watched for. Without IN_EXCL_UNLINK, which hides live writes (to an O_TMPFILE,
/// through a descriptor whose name was removed while the file lives on under another).
extern const std::uint32_t watch_mask;

class Translator {
 public:
  /// `table` must outlive the object; `root` is the identity of the source root.
  Translator(WatchTable& table, const ObjectId& root) noexcept : table_(table), root_(root) {}

  /// Adds what `record` says to `batch`, at most two events. Watches that ended are taken out of the table.
  /// Throws std::bad_alloc, after which the same record may be translated again (an event may then come
  /// twice).
  void translate(const RawRecord& record, EventBatch& batch);

  /// The watch of `wd` has ended without the kernel's word for it having arrived. As translate().
  void lost(std::int32_t wd, EventBatch& batch);

  /// The root was found to be gone by other means; said once, however often and from wherever it is noticed.
  void root_gone(EventBatch& batch);

  [[nodiscard]] std::uint64_t overflows() const noexcept { return overflows_; }
  /// Records of descriptors that were never added: must stay zero.
  [[nodiscard]] std::uint64_t strangers() const noexcept { return strangers_; }

 private:
  WatchTable& table_;
  ObjectId root_;
  bool root_gone_ = false;
  std::uint64_t overflows_ = 0;
  std::uint64_t strangers_ = 0;
};

} // namespace osync::inotify
