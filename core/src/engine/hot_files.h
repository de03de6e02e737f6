// Damping of files that change all the time: each further transfer within a short time doubles the delay before the
// next one, up to a bound; quiet for as long as the bound ends it.
//
// Bounded: remembers at most `bound` files, forgetting the coldest in no particular order (which costs a transfer).
// Pure; the engine's thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/stream.h"
#include "engine/time.h"

namespace osync::engine {

class HotFiles {
 public:
  static constexpr std::size_t bound = 8192;

  HotFiles(Time first_delay, Time longest_delay) : first_(first_delay), longest_(longest_delay) {}

  /// How long to wait from now before a change of the entry is read; zero for files that are not hot.
  [[nodiscard]] Time delay(NodeRef node, std::string_view name, Time now) const {
    const auto found = heat_.find(key(node, name));
    if (found == heat_.end() || now - found->second.last > 2 * longest_) return Time(0);
    const Time until = found->second.last + found->second.delay;
    return until > now ? until - now : Time(0);
  }

  /// The entry was read for transfer at `now`.
  void transferred(NodeRef node, std::string_view name, Time now) {
    if (heat_.size() >= bound) forget_cold(now);
    Heat& heat = heat_[key(node, name)];
    const bool hot = heat.last != Time(0) && now - heat.last < 2 * longest_;
    if (!hot || heat.delay == Time(0)) heat.delay = hot ? first_ : Time(0);
    else if (now - heat.last < 2 * heat.delay) heat.delay = std::min(2 * heat.delay, longest_);
    else heat.delay = std::max(heat.delay / 2, first_);
    heat.last = now;
  }

 private:
  struct Heat {
    Time last{0};
    Time delay{0};
  };
  static std::uint64_t key(NodeRef node, std::string_view name) {
    return std::hash<std::string_view>{}(name) ^ (node.index * 0x9e3779b97f4a7c15ULL) ^
           (std::uint64_t{node.generation} << 32);
  }
  void forget_cold(Time now) {
    std::erase_if(heat_, [&](const auto& item) { return now - item.second.last > 2 * longest_; });
    while (heat_.size() >= bound) heat_.erase(heat_.begin());
  }

  std::unordered_map<std::uint64_t, Heat> heat_;
  Time first_;
  Time longest_;
};

} // namespace osync::engine
