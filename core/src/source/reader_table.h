// Things that stay open between jobs (cursors, large files), by number, bounded.
//
// An item is lent to the job that works on it and comes back when the job keeps it; otherwise it is closed
// with the lease, whatever way the job ended. Numbers are never used twice. Thread-safety: Table from any
// thread; a Lease belongs to one job, and its table outlives it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace osync::source {

template <class Item>
class Table {
 public:
  class Lease {
   public:
    Lease() noexcept = default;
    Lease(Table* table, std::uint64_t number, std::unique_ptr<Item> item) noexcept
        : table_(table), number_(number), item_(std::move(item)) {}
    Lease(Lease&& other) noexcept
        : table_(std::exchange(other.table_, nullptr)), number_(other.number_),
          item_(std::move(other.item_)) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(table_, other.table_);
      std::swap(number_, other.number_);
      std::swap(item_, other.item_);
      return *this;
    }
    ~Lease() {
      if (table_ != nullptr) table_->release(number_);
    }

    [[nodiscard]] bool valid() const noexcept { return table_ != nullptr; }
    [[nodiscard]] Item* item() const noexcept { return item_.get(); }
    void set(std::unique_ptr<Item> item) noexcept { item_ = std::move(item); }
    /// Puts the item into the table for later jobs and returns its number.
    std::uint64_t keep() noexcept {
      std::exchange(table_, nullptr)->put(number_, std::move(item_));
      return number_;
    }

   private:
    Table* table_ = nullptr;
    std::uint64_t number_ = 0;
    std::unique_ptr<Item> item_;
  };

  explicit Table(std::size_t bound) : bound_(bound) {}

  /// A place for a new item; not valid when the table is full.
  [[nodiscard]] Lease reserve() {
    const std::lock_guard lock(mutex_);
    if (items_.size() >= bound_) return {};
    const std::uint64_t number = ++last_number_;
    items_.emplace(number, nullptr);
    return {this, number, nullptr};
  }

  /// The item of `number`; not valid where there is none, or another job holds it.
  [[nodiscard]] Lease take(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    const auto found = items_.find(number);
    if (found == items_.end() || !found->second) return {};
    return {this, number, std::move(found->second)};
  }

  [[nodiscard]] std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return items_.size();
  }

 private:
  void put(std::uint64_t number, std::unique_ptr<Item> item) noexcept {
    const std::lock_guard lock(mutex_);
    items_.find(number)->second = std::move(item); // a lent number stays in the table
  }
  void release(std::uint64_t number) noexcept {
    const std::lock_guard lock(mutex_);
    items_.erase(number);
  }

  const std::size_t bound_;
  mutable std::mutex mutex_;
  std::uint64_t last_number_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<Item>> items_;
};

} // namespace osync::source
