#include "watch_table.h"

#include <algorithm>

namespace osync::inotify {

namespace {
std::uint64_t hash_of(const ObjectId& id) noexcept { return static_cast<std::uint64_t>(ObjectIdHash{}(id)); }
std::uint64_t hash_of(std::int32_t wd) noexcept { return static_cast<std::uint32_t>(wd); }
} // namespace

WatchTable::WatchTable()
    : by_wd_([this](std::uint32_t row) { return hash_of(rows_[row].wd); }),
      by_directory_([this](std::uint32_t row) { return hash_of(rows_[row].directory); }) {}

std::uint32_t WatchTable::row_of(std::int32_t wd) const {
  return by_wd_.find(hash_of(wd), [&](std::uint32_t row) { return rows_[row].wd == wd; });
}

std::uint32_t WatchTable::current_row_of(const ObjectId& directory) const {
  return by_directory_.find(hash_of(directory),
                            [&](std::uint32_t row) { return rows_[row].directory == directory; });
}

void WatchTable::make_current(std::uint32_t row) noexcept {
  const std::uint32_t before = current_row_of(rows_[row].directory);
  if (before == SlotIndex::none)
    by_directory_.insert(row);
  else if (before != row)
    by_directory_.renumber(before, row);
}

void WatchTable::add(std::int32_t wd, const ObjectId& directory) {
  by_wd_.reserve_one();
  by_directory_.reserve_one();
  std::uint32_t row = row_of(wd);
  if (row == SlotIndex::none) {
    row = static_cast<std::uint32_t>(rows_.size());
    rows_.push_back({directory, wd});
    by_wd_.insert(row);
  } else if (rows_[row].directory != directory) {
    if (current_row_of(rows_[row].directory) == row) by_directory_.erase(row);
    rows_[row].directory = directory;
  }
  make_current(row);
  highest_ = std::max(highest_, wd);
}

std::optional<ObjectId> WatchTable::directory_of(std::int32_t wd) const {
  const std::uint32_t row = row_of(wd);
  if (row == SlotIndex::none) return std::nullopt;
  return rows_[row].directory;
}

std::optional<std::int32_t> WatchTable::descriptor_of(const ObjectId& directory) const {
  const std::uint32_t row = current_row_of(directory);
  if (row == SlotIndex::none) return std::nullopt;
  return rows_[row].wd;
}

std::optional<WatchTable::Removed> WatchTable::remove(std::int32_t wd) noexcept {
  const std::uint32_t row = row_of(wd);
  if (row == SlotIndex::none) return std::nullopt;
  const Removed removed{rows_[row].directory, current_row_of(rows_[row].directory) == row};
  if (removed.current) by_directory_.erase(row);
  by_wd_.erase(row);
  const auto last = static_cast<std::uint32_t>(rows_.size() - 1);
  if (row != last) {
    by_wd_.renumber(last, row);
    if (current_row_of(rows_[last].directory) == last) by_directory_.renumber(last, row);
    rows_[row] = rows_[last];
  }
  rows_.pop_back();
  return removed;
}

std::vector<std::int32_t> WatchTable::descriptors() const {
  std::vector<std::int32_t> all;
  all.reserve(rows_.size());
  for (const Row& row : rows_) all.push_back(row.wd);
  return all;
}

std::size_t WatchTable::memory_bytes() const noexcept {
  return rows_.size() * sizeof(Row) + by_wd_.memory_bytes() + by_directory_.memory_bytes();
}

} // namespace osync::inotify
