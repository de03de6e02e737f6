#include "support/samples.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace osync::test {

void write_large(const std::string& path, std::uint64_t size, std::uint64_t seed) {
  std::string block = Random(seed).bytes(1 << 20);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (std::uint64_t number = 0; size > 0; ++number) {
    std::memcpy(block.data(), &number, sizeof number);
    const std::uint64_t part = std::min<std::uint64_t>(size, block.size());
    file.write(block.data(), static_cast<std::streamsize>(part));
    size -= part;
  }
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

} // namespace osync::test
