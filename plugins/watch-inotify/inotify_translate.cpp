#include "inotify_translate.h"

#include <sys/inotify.h>

#include <optional>

namespace osync::inotify {

const std::uint32_t watch_mask = IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB |
                                 IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

namespace {

std::uint8_t hints_of(const RawRecord& record) noexcept {
  unsigned hints = 0;
  if (record.mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF))
    hints |= WatchEvent::existence;
  if (record.mask & IN_MODIFY) hints |= WatchEvent::content;
  // A store through mmap shows as nothing but the close of its descriptor: bytes may have been written.
  if (record.mask & IN_CLOSE_WRITE) hints |= WatchEvent::content | WatchEvent::closed;
  if (record.mask & IN_ATTRIB) hints |= WatchEvent::attributes;
  if ((record.mask & IN_ISDIR) != 0 || record.name.empty()) hints |= WatchEvent::is_directory;
  return static_cast<std::uint8_t>(hints);
}

} // namespace

void Translator::translate(const RawRecord& record, EventBatch& batch) {
  if (record.mask & IN_Q_OVERFLOW) {
    batch.rescan({}, true);
    ++overflows_;
    return;
  }
  const std::optional<ObjectId> directory = table_.directory_of(record.wd);
  if (!directory) {
    if (record.wd > 0 && table_.was_added(record.wd)) return; // queued before its watch was removed
    batch.rescan({}, true);
    ++strangers_;
    return;
  }
  if (record.mask & (IN_IGNORED | IN_UNMOUNT)) {
    lost(record.wd, batch);
    return;
  }
  if (*directory == root_ && (record.mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
    root_gone(batch);
    return;
  }
  if (!record.name.empty() && !valid_name(record.name)) {
    batch.rescan(*directory, false);
    return;
  }
  const bool moved = (record.mask & (IN_MOVED_FROM | IN_MOVED_TO)) != 0;
  batch.entry(*directory, record.name, hints_of(record), moved ? record.cookie : 0);
}

void Translator::lost(std::int32_t wd, EventBatch& batch) {
  const std::optional<ObjectId> directory = table_.directory_of(wd);
  if (!directory) return;
  // Where another descriptor has taken over, the directory is still watched: the end of the old one says
  // nothing.
  const bool current = table_.descriptor_of(*directory) == wd;
  if (current) batch.watch_lost(*directory);
  if (current && *directory == root_) root_gone(batch);
  table_.remove(wd); // last: if the batch could not take the event, the row is still there to be found again
}

void Translator::root_gone(EventBatch& batch) {
  if (root_gone_) return;
  batch.root_gone(root_);
  root_gone_ = true;
}

} // namespace osync::inotify
