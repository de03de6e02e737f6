#include "support/paths.h"

#include <cstdlib>

namespace osync::test {

std::string source_directory() { return OSYNC_SOURCE_DIR; }

std::string binary_directory() {
  const char* other = std::getenv("OSYNC_TEST_BUILD");
  return other != nullptr ? other : OSYNC_BINARY_DIR;
}

} // namespace osync::test
