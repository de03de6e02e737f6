// A hash index over the rows of a table: finds row numbers by hash, in 4 bytes a bucket.
//
// Open addressing with linear probing, at most 70 % full: 6 to 12 bytes a row while it grows, and up to 32
// just before it shrinks (below 1/8). The rows, and their hashes, belong to the table, which is asked for
// them through `hash_of`. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace osync::inotify {

class SlotIndex {
 public:
  using HashOf = std::function<std::uint64_t(std::uint32_t row)>;
  static constexpr std::uint32_t none = 0xffffffff;

  /// `hash_of` answers for every row that is in the index, for as long as the index lives.
  explicit SlotIndex(HashOf hash_of) : hash_of_(std::move(hash_of)) {}

  /// The first row of this hash for which `matches(row)` holds, or `none`.
  template <class Matches>
  [[nodiscard]] std::uint32_t find(std::uint64_t hash, const Matches& matches) const {
    if (buckets_.empty()) return none;
    for (std::size_t at = home(hash);; at = next(at)) {
      if (buckets_[at] == none || matches(buckets_[at])) return buckets_[at];
    }
  }

  /// Makes room for one more row, so that the next insert() cannot fail. Throws std::bad_alloc, changing
  /// nothing.
  void reserve_one();
  /// Adds a row that is not in the index. Needs a reserve_one() before.
  void insert(std::uint32_t row) noexcept;
  /// Removes a row that is in the index; its hash must still be what it was at insert().
  void erase(std::uint32_t row) noexcept;
  /// Lets what points to `row` point to `other`, which has the same hash (or takes over row's place in the
  /// table).
  void renumber(std::uint32_t row, std::uint32_t other) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return buckets_.capacity() * sizeof(std::uint32_t);
  }

 private:
  [[nodiscard]] std::size_t home(std::uint64_t hash) const noexcept;
  [[nodiscard]] std::size_t next(std::size_t at) const noexcept { return (at + 1) & (buckets_.size() - 1); }
  [[nodiscard]] std::size_t bucket_of(std::uint32_t row) const noexcept;
  void rehash(std::size_t buckets);

  HashOf hash_of_;
  std::vector<std::uint32_t> buckets_; ///< a power of two of them; `none`: free
  std::size_t size_ = 0;
};

} // namespace osync::inotify
