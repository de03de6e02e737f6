// Where the sources lie and where this build is, for tests that look at either.
//
// Functions, and not macros for every file: so only paths.cpp depends on where the checkout is, and a compiler cache
// serves all checkouts. Any thread.
#pragma once

#include <string>

namespace osync::test {

/// The top of the checkout; absolute.
[[nodiscard]] std::string source_directory();

/// The top of this build (build/PRESET), which holds the osync and the plugins under test; absolute. $OSYNC_TEST_BUILD
/// names another one instead: tests that only start osync need not be compiled again to try one with sanitizers.
[[nodiscard]] std::string binary_directory();

} // namespace osync::test
