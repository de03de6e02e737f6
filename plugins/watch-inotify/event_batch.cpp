#include "event_batch.h"

#include <functional>
#include <string>
#include <utility>

namespace osync::inotify {

namespace {

constexpr std::size_t min_slots = 64;

std::size_t hash_of(const ObjectId& directory, std::string_view name) noexcept {
  const std::size_t hash = std::hash<std::string_view>{}(name);
  return hash ^ (ObjectIdHash{}(directory)*0x9e3779b97f4a7c15ull);
}

} // namespace

void EventBatch::begin(std::vector<WatchEvent>& events) noexcept {
  events_ = &events;
  fence();
}

void EventBatch::fence() noexcept {
  used_ = 0;
  if (++generation_ != 0) return;
  // Generations have come round after 2^32 fences: none of the old ones may look like a new one.
  for (Slot& slot : slots_) slot.generation = 0;
  generation_ = 1;
}

WatchEvent& EventBatch::append(WatchEvent::Kind kind, const ObjectId& directory) {
  WatchEvent& event = events_->emplace_back();
  event.kind = kind;
  event.directory = directory;
  return event;
}

EventBatch::Slot& EventBatch::slot_for(const ObjectId& directory, std::string_view name) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash_of(directory, name) & mask;; at = (at + 1) & mask) {
    Slot& slot = slots_[at];
    if (slot.generation != generation_) return slot;
    const WatchEvent& event = (*events_)[slot.event];
    if (event.directory == directory && event.name == name) return slot;
  }
}

void EventBatch::grow() {
  std::vector<Slot> old(slots_.empty() ? min_slots : slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.generation != generation_) continue;
    const WatchEvent& event = (*events_)[slot.event];
    slot_for(event.directory, event.name) = slot;
  }
}

void EventBatch::entry(const ObjectId& directory, std::string_view name, std::uint8_t hints,
                       std::uint64_t token) {
  if ((used_ + 1) * 2 > slots_.size()) grow();
  Slot& slot = slot_for(directory, name);
  const bool known = slot.generation == generation_;
  if (known) {
    WatchEvent& earlier = (*events_)[slot.event];
    if (token == 0 || earlier.token == 0 || token == earlier.token) {
      earlier.hints |= hints;
      earlier.token |= token;
      return;
    }
  }
  std::string copy(name); // before anything changes: it may throw
  const auto position = static_cast<std::uint32_t>(events_->size());
  WatchEvent& event = append(WatchEvent::Kind::entry, directory);
  event.hints = hints;
  event.token = token;
  event.name = std::move(copy);
  if (!known) ++used_;
  slot = {generation_, position};
}

void EventBatch::rescan(const ObjectId& directory, bool recursive) {
  append(WatchEvent::Kind::rescan, directory).recursive = recursive;
  fence();
}

void EventBatch::watch_lost(const ObjectId& directory) { append(WatchEvent::Kind::watch_lost, directory); }

void EventBatch::root_gone(const ObjectId& root) {
  append(WatchEvent::Kind::root_gone, root);
  fence();
}

void EventBatch::barrier(std::uint64_t token) {
  append(WatchEvent::Kind::barrier, {}).token = token;
  fence();
}

} // namespace osync::inotify
