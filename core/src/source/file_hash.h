// A running XXH3-128 (xxhash.h) of bytes that come in parts.
// Thread-safety: one thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "osync/types.h"

struct XXH3_state_s;

namespace osync::source {

class RunningHash {
 public:
  RunningHash();
  void add(std::span<const std::byte> bytes) noexcept;
  [[nodiscard]] Digest digest() const noexcept;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const noexcept;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

} // namespace osync::source
