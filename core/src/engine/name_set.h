// A set of names kept as 64-bit hashes, for finding what a replica has beyond a listing.
//
// Two names that share a hash make an extra entry look listed, so it would be kept: the harmless side to err on, with
// a chance of n^2 / 2^65 for n names. Bounded; when full, `contains` answers true for everything (again: keep).
// Pure; one writer, readers only while nobody writes.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_set>

namespace osync::engine {

class NameSet {
 public:
  static constexpr std::size_t bound = 4u << 20; ///< names; about 64 MiB at worst, for one directory of that size

  void add(std::string_view name) {
    if (hashes_.size() >= bound) full_ = true;
    else hashes_.insert(std::hash<std::string_view>{}(name));
  }
  [[nodiscard]] bool contains(std::string_view name) const {
    return full_ || hashes_.contains(std::hash<std::string_view>{}(name));
  }
  [[nodiscard]] bool full() const noexcept { return full_; }

 private:
  std::unordered_set<std::uint64_t> hashes_;
  bool full_ = false;
};

} // namespace osync::engine
