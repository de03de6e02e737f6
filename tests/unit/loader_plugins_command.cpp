// `osync plugins` and `osync plugins inspect`.
#include <catch2/catch.hpp>

#include <sstream>
#include <string>

#include "cli/plugins_command.h"
#include "support/paths.h"

using namespace osync;
using namespace osync::cli;

namespace {
const std::string bad_plugins = test::binary_directory() + "/tests/bad_plugins";
}

TEST_CASE("loader plugins: the list shows what is found, and what is refused and why") {
  std::ostringstream out;
  std::ostringstream err;
  CHECK(run_plugins_list(loader::PluginLoader({bad_plugins, bad_plugins + "/."}, false), out, err) == 0);
  CHECK(err.str().empty());
  CHECK_THAT(out.str(), Catch::StartsWith("NAME ") &&
                            Catch::Contains("\ngood-policy        policy     1.2.3    " + bad_plugins +
                                            "/good-policy.so\n") &&
                            Catch::Contains("\nold-major          refused    -        " + bad_plugins +
                                            "/old-major.so: found plugin API 2.0, expected 1.0"));
  CHECK_THAT(out.str(), Catch::Contains("not used: an earlier one has this name"));
  CHECK(run_plugins_list(loader::PluginLoader({"/nonexistent/a", "/nonexistent/b"}, false), out, err) == 0);
  CHECK(err.str() == "no plugins found; searched /nonexistent/a, /nonexistent/b\n");
}

TEST_CASE("loader plugins: inspect shows the option table") {
  std::ostringstream out;
  std::ostringstream err;
  CHECK(run_plugins_inspect(loader::PluginLoader({bad_plugins}, false), "test-sink", out, err) == 0);
  CHECK(out.str() == "name     test-sink\n"
                     "kind     sink\n"
                     "version  0.0.1\n"
                     "summary  a table and nothing else\n"
                     "file     " +
                         bad_plugins +
                         "/test-sink.so\n"
                         "\n"
                         "OPTION  TYPE    UNIT  DEFAULT     RANGE      HELP\n"
                         "root    path    -     (required)  -          where it lives\n"
                         "mode    choice  -     fast        fast|safe  how it works\n");
  CHECK(err.str().empty());
}

TEST_CASE("loader plugins: inspect of what is not there exits with 2") {
  std::ostringstream out;
  std::ostringstream err;
  const loader::PluginLoader loader({"/nonexistent", bad_plugins}, false);
  CHECK(run_plugins_inspect(loader, "test-snk", out, err) == 2);
  CHECK(err.str() ==
        "plugins inspect: found no plugin \"test-snk\", expected test-sink; searched /nonexistent, " +
            bad_plugins + "\n");
  err.str("");
  CHECK(run_plugins_inspect(loader, "../\x01", out, err) == 2);
  CHECK_THAT(err.str(), Catch::StartsWith(
                            "plugins inspect: found no plugin \"../\\x01\", expected one of good-policy, "));
  err.str("");
  CHECK(run_plugins_inspect(loader, "old-major", out, err) == 2);
  CHECK_THAT(err.str(), Catch::Contains("found plugin API 2.0"));
  CHECK(out.str().empty());
}
