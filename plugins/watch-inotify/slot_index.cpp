#include "slot_index.h"

#include <bit>
#include <new>

namespace osync::inotify {

namespace {
constexpr std::size_t min_buckets = 64;
} // namespace

std::size_t SlotIndex::home(std::uint64_t hash) const noexcept {
  // Fibonacci hashing: the upper bits of the product depend on all bits of the hash (Knuth, TAOCP 3, 6.4).
  const int bits = std::countr_zero(buckets_.size());
  return static_cast<std::size_t>((hash * 0x9e3779b97f4a7c15ull) >> (64 - bits));
}

std::size_t SlotIndex::bucket_of(std::uint32_t row) const noexcept {
  std::size_t at = home(hash_of_(row));
  while (buckets_[at] != row) at = next(at);
  return at;
}

void SlotIndex::rehash(std::size_t buckets) {
  std::vector<std::uint32_t> old(buckets, none);
  old.swap(buckets_);
  size_ = 0;
  for (const std::uint32_t row : old)
    if (row != none) insert(row);
}

void SlotIndex::reserve_one() {
  if (buckets_.empty())
    rehash(min_buckets);
  else if ((size_ + 1) * 10 > buckets_.size() * 7)
    rehash(buckets_.size() * 2);
}

void SlotIndex::insert(std::uint32_t row) noexcept {
  std::size_t at = home(hash_of_(row));
  while (buckets_[at] != none) at = next(at);
  buckets_[at] = row;
  ++size_;
}

void SlotIndex::erase(std::uint32_t row) noexcept {
  std::size_t hole = bucket_of(row);
  // Backward shift: whatever was pushed past the hole by it moves into it, so that no tombstones remain.
  for (std::size_t at = next(hole); buckets_[at] != none; at = next(at)) {
    const std::size_t mask = buckets_.size() - 1;
    const std::size_t wanted = home(hash_of_(buckets_[at]));
    if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
    buckets_[hole] = buckets_[at];
    hole = at;
  }
  buckets_[hole] = none;
  --size_;
  if (buckets_.size() <= min_buckets || size_ * 8 > buckets_.size()) return;
  try {
    rehash(buckets_.size() / 2);
  } catch (const std::bad_alloc&) {
    // Staying large is only a waste; the next erase tries again.
  }
}

void SlotIndex::renumber(std::uint32_t row, std::uint32_t other) noexcept {
  buckets_[bucket_of(row)] = other;
}

} // namespace osync::inotify
