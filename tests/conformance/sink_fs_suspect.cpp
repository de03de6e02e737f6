// sink-fs: after an unclean end of the machine it says since when files may hold other bytes than they
// should.
#include <catch2/catch.hpp>
#include <ctime>
#include <xxhash.h>

#include <array>
#include <cstdio>

#include "sink_fs_fixture.h"

using namespace osync;
using namespace osync::test;

namespace {

/// The clock of the mark. Not std::time(), which may stand a tick behind it.
Timestamp now() {
  timespec time{};
  REQUIRE(clock_gettime(CLOCK_REALTIME, &time) == 0);
  return {time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)};
}

/// When the last sync of a session was asked for, and when it had succeeded.
struct SyncTimes {
  Timestamp asked;
  Timestamp done;
};

/// Opens the replica, tells since when entries are suspect, and claims it; the session ends like a killed
/// process, or by close().
std::optional<Timestamp> session(const std::string& root, bool clean, bool clear = false,
                                 SyncTimes* times = nullptr) {
  LoadedPlugin<Sink> sink("sink-fs", sink_fs_options(root));
  ReplicaState state;
  SinkCapabilities capabilities;
  REQUIRE(sink->open(state, capabilities).to_string() == "ok");
  REQUIRE(sink->claim(test_identity(), false).to_string() == "ok");
  const Timestamp asked = now();
  REQUIRE(sink->sync().ok());
  if (times != nullptr) *times = {asked, now()};
  if (clear) REQUIRE(sink->clear_suspicion().ok());
  if (clean) REQUIRE(sink->close().ok());
  return state.suspect_since;
}

/// Makes the mark say that another boot wrote it, which is all that a power loss leaves.
void pretend_reboot(const std::string& root) {
  const std::string file = root + "/.osync/sync-mark";
  std::string text = read_file(file);
  const std::size_t boot = text.find("boot ") + 5;
  REQUIRE(text[boot] != '\n');
  text[boot] = text[boot] == '0' ? '1' : '0';
  const std::size_t check = text.find("check ");
  std::array<char, 24> sum{};
  std::snprintf(sum.data(), sum.size(), "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(text.data(), check)));
  text.replace(check + 6, 16, sum.data());
  write_file(file, text);
}

/// How far before the last sync entries become suspect (plugins/sink-fs/sync_mark.h says why).
Timestamp with_margin(Timestamp time) { return {time.seconds - 2, time.nanoseconds}; }

} // namespace

TEST_CASE("sink-fs: a reboot without close makes suspect what was written since the last sync") {
  const TemporaryDirectory directory;
  const std::string root = directory / "replica";
  CHECK_FALSE(session(root, false));
  SyncTimes last;
  CHECK_FALSE(session(root, false, false, &last)); // only the process ended
  pretend_reboot(root);
  const auto since = session(root, true);
  REQUIRE(since);
  CHECK(*since >= with_margin(last.asked));
  CHECK(*since <= with_margin(last.done));
  // It is named until everything was compared, whatever happens in between.
  CHECK(session(root, true) == since);
  CHECK(session(root, false) == since);
  pretend_reboot(root);
  CHECK(session(root, true, true) == since);
  CHECK_FALSE(session(root, true));
}

TEST_CASE("sink-fs: a reboot after close makes nothing suspect") {
  const TemporaryDirectory directory;
  const std::string root = directory / "replica";
  session(root, true);
  pretend_reboot(root);
  CHECK_FALSE(session(root, true));
}

TEST_CASE("sink-fs: a damaged or missing mark makes everything suspect") {
  const TemporaryDirectory directory;
  const std::string root = directory / "replica";
  session(root, true);
  write_file(root + "/.osync/sync-mark", "not a mark, and longer than one: " + std::string(1000, 'x'));
  CHECK(session(root, true, true) == Timestamp{});
  CHECK_FALSE(session(root, true)); // and it has been made whole
  std::filesystem::remove(root + "/.osync/sync-mark");
  CHECK(session(root, true) == Timestamp{});
}
