// What the command says about a running osync: monitoring, progress with its time left, the final report.
#include "base/escape.h"
#include "cli/final_report.h"
#include "cli/progress.h"
#include "cli/report.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace osync;
using namespace osync::cli;
using nlohmann::json;

namespace {

json healthy() {
  return {{"role", "source"}, {"connected", true}, {"failures", 0}, {"lag_ms", 2000.0},
          {"replicas", json::array({{{"progress", {{"held_deletions", 0}}}}})}};
}

constexpr std::int64_t second = 1'000'000'000;

} // namespace

TEST_CASE("status --check: each thing that is worse is said, all in one line") {
  json status = healthy();
  CHECK(what_is_worse(status, std::nullopt) == "");
  CHECK(what_is_worse(status, 3 * second) == "");
  CHECK(what_is_worse(status, second) == "the lag is 2.000 s");
  status["failures"] = 1;
  CHECK(what_is_worse(status, std::nullopt) == "1 path failed");
  status["replicas"][0]["progress"]["held_deletions"] = 1200;
  status["connected"] = false;
  CHECK(what_is_worse(status, second) == "the sink is not connected; 1 path failed; 1200 deletions are held (osync "
                                         "resume --accept-deletions); the lag is 2.000 s");
  CHECK(what_is_worse({{"role", "sink"}, {"connected", false}}, std::nullopt) == "the source is not connected");
}

TEST_CASE("progress: the time left is known once all directories are, and not before") {
  ProgressMeter meter;
  engine::SourceStatus status;
  status.directories_known = 100;
  status.directories_scanned = 10;
  meter.add(status, 100, 1);
  CHECK_FALSE(meter.seconds_left());
  status.directories_known = 200; // the sweep is still finding some
  status.directories_scanned = 20;
  meter.add(status, 150, 2);
  CHECK_FALSE(meter.seconds_left());
  CHECK(meter.line().find("20 of 200+ directories), ETA not known yet") != std::string::npos);
  CHECK_FALSE(meter.json().contains("seconds_left"));
  status.directories_scanned = 30;
  meter.add(status, 200, 3);
  REQUIRE(meter.seconds_left());
  CHECK(*meter.seconds_left() == Approx(17)); // 170 directories at 10 a second
  CHECK(meter.line().find("30 of 200 directories), ETA 17 s") != std::string::npos);
  CHECK(meter.json()["seconds_left"] == Approx(17));
  status.directories_scanned = 200;
  status.initial_pass_done = true;
  meter.add(status, 200, 4);
  CHECK(meter.line().find("backlog done") != std::string::npos);
}

TEST_CASE("progress: rates are those of the last intervals, and no samples are kept beyond them") {
  ProgressMeter meter;
  engine::SourceStatus status;
  for (int i = 0; i <= 100; ++i) {
    meter.add(status, 0, i);
    status.bytes_sent += i < 50 ? 0 : 1024;
  }
  CHECK(meter.json()["bytes_per_second"] == Approx(1024));
}

TEST_CASE("final report: both sides name entries, bytes, removals, failures and the time taken") {
  engine::SourceStatus source;
  source.entries_sent = 3;
  source.bytes_sent = 2048;
  source.removals_sent = 2;
  source.failures = 1;
  source.possibly_torn = 4;
  source.lag = std::chrono::milliseconds(1500);
  CHECK(report_text(source_report("copy", source, 12.34)) ==
        "final report of the source (replica copy): 3 entries sent, 2.0 KiB, 2 removals, 0 compared, 1 paths failed, 4 "
        "possibly torn, lag 1.500 s, the first pass is not complete, in 12.3 s");
  engine::SinkCounters sink;
  sink.entries = 3;
  sink.removals = 2;
  CHECK(report_text(sink_report("copy", sink, 1)) ==
        "final report of the sink (replica copy): 3 entries changed, 0 B, 2 removals, 0 compared, 0 operations failed, "
        "0 possibly torn, in 1.0 s");
}

TEST_CASE("paths in JSON come back as they were, whatever their bytes") {
  for (const std::string& path : {std::string("plain"), std::string("\xff"), std::string("a\xc3"), std::string("a\xff\x01z"),
                                 std::string("four\xfe"), std::string()}) {
    CHECK(path_of_json(path_json(path)) == path);
    CHECK(from_base64(base64(path)) == path);
  }
  CHECK(path_json("\xff") == json({{"bytes", "/w=="}}));
}
