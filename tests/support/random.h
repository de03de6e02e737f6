// A small seeded generator (splitmix64, Steele, Lea and Flood 2014): the same numbers from the same seed on
// every machine, which <random>'s distributions do not promise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace osync::test {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  [[nodiscard]] std::uint64_t next() {
    std::uint64_t value = (state_ += 0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
  }
  /// 0 .. bound - 1; `bound` is not 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  [[nodiscard]] bool one_in(std::uint64_t count) { return below(count) == 0; }

  /// `size` bytes that do not compress.
  [[nodiscard]] std::string bytes(std::size_t size) {
    std::string result;
    result.reserve(size + 8);
    while (result.size() < size) {
      const std::uint64_t value = next();
      for (unsigned shift = 0; shift < 64; shift += 8) result.push_back(static_cast<char>(value >> shift));
    }
    result.resize(size);
    return result;
  }

 private:
  std::uint64_t state_;
};

} // namespace osync::test
