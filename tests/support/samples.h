// Small sets of files that many scenarios start from.
#pragma once

#include "support/random.h"
#include "support/temporary.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace osync::test {

/// `count` files below `root`, 100 a folder ("folder0/file0" ...), of up to `most_bytes` seeded bytes each.
inline void write_many(const std::string& root, std::size_t count, std::size_t most_bytes,
                       std::uint64_t seed = 1) {
  Random random(seed);
  for (std::size_t index = 0; index < count; ++index)
    write_file(root + "/folder" + std::to_string(index / 100) + "/file" + std::to_string(index),
               random.bytes(random.below(most_bytes + 1)));
}

/// One file of `size` bytes, quickly: a seeded mebibyte again and again, each with its number in front.
void write_large(const std::string& path, std::uint64_t size, std::uint64_t seed = 1);

} // namespace osync::test
