// sink-fs through the suite that holds for every sink.
#include <catch2/catch.hpp>

#include "sink_suite.h"

using namespace osync;
using namespace osync::test;

namespace {

const SinkKit kit{"sink-fs", [](const std::string& root) { return OptionValues{{"root", root}}; }};

} // namespace

TEST_CASE("sink-fs: starts empty and knows itself again") { sink_starts_empty_and_knows_itself_again(kit); }
TEST_CASE("sink-fs: refuses a second process") { sink_refuses_a_second_process(kit); }
TEST_CASE("sink-fs: applies every kind of operation") { sink_applies_every_kind(kit); }
TEST_CASE("sink-fs: replaces every type by every type") { sink_replaces_every_type_by_every_type(kit); }
TEST_CASE("sink-fs: may be told everything twice") { sink_may_be_told_twice(kit); }
TEST_CASE("sink-fs: reports what is stale or absent") { sink_reports_what_is_stale(kit); }
TEST_CASE("sink-fs: stages large files") { sink_stages_large_files(kit); }
TEST_CASE("sink-fs: publishes nothing damaged") { sink_publishes_nothing_damaged(kit); }
TEST_CASE("sink-fs: holds many stages at once") { sink_holds_many_stages(kit); }
TEST_CASE("sink-fs: refuses bad names and paths") { sink_refuses_bad_names(kit); }
TEST_CASE("sink-fs: keeps odd names") { sink_keeps_odd_names(kit); }
TEST_CASE("sink-fs: goes beyond PATH_MAX") { sink_goes_beyond_path_max(kit); }
TEST_CASE("sink-fs: removes trees") { sink_removes_trees(kit); }
TEST_CASE("sink-fs: keeps the times of directories") { sink_keeps_directory_times(kit); }
TEST_CASE("sink-fs: lists and counts") { sink_lists_and_counts(kit); }
TEST_CASE("sink-fs: keeps extended attributes") { sink_keeps_xattrs(kit); }
TEST_CASE("sink-fs: shows the old file or the new one") { sink_shows_old_or_new(kit); }
TEST_CASE("sink-fs: applies in parallel") { sink_applies_in_parallel(kit); }
