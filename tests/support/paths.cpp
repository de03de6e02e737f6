#include "support/paths.h"

namespace osync::test {

std::string source_directory() { return OSYNC_SOURCE_DIR; }

std::string binary_directory() { return OSYNC_BINARY_DIR; }

} // namespace osync::test
