// Ending a test case that cannot run here, so that everybody sees it.
//
// Under ctest, which runs each case in a process of its own, the case is reported as skipped (exit code 77,
// see SKIP_RETURN_CODE in tests/CMakeLists.txt). Run by hand, Catch2 prints the reason as a warning and the
// case passes.
#pragma once

#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>

namespace osync::test {

/// Ends the process with 77 under ctest; returns otherwise. Nothing that needs cleaning up may exist yet.
inline void report_skip(const std::string& reason) {
  if (std::getenv("DASHBOARD_TEST_FROM_CTEST") == nullptr) return; // ctest sets it for every test it runs
  std::fprintf(stderr, "skipped: %s\n", reason.c_str());
  std::fflush(nullptr);
  std::_Exit(77);
}

} // namespace osync::test

/// First in a test case, before it makes anything: skips the case when `condition` holds.
#define OSYNC_SKIP_IF(condition, reason)                                                                     \
  do {                                                                                                       \
    if (condition) {                                                                                         \
      ::osync::test::report_skip(reason);                                                                    \
      WARN("skipped: " << (reason));                                                                         \
      SUCCEED();                                                                                             \
      return;                                                                                                \
    }                                                                                                        \
  } while (false)

#define OSYNC_NEEDS_ROOT() OSYNC_SKIP_IF(::geteuid() != 0, "needs root (mounts, owners, device nodes)")
