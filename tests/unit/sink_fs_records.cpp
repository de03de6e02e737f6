// sink-fs: the text records in `.osync/`, and since when entries are suspect.
#include <catch2/catch.hpp>

#include "sink-fs/identity_file.h"
#include "sink-fs/sync_mark.h"
#include "support/random.h"
#include "support/temporary.h"

#include <fcntl.h>
#include <unistd.h>

using namespace osync;
using namespace osync::sink_fs;
using osync::test::Random;

namespace {

IdentityRecord some_record() {
  IdentityRecord record;
  for (std::size_t i = 0; i < 16; ++i) {
    record.identity.source[i] = static_cast<std::uint8_t>(i * 16 + 1);
    record.identity.replica[i] = static_cast<std::uint8_t>(255 - i);
  }
  record.identity.epoch = 18'446'744'073'709'551'615u;
  record.adopted = true;
  return record;
}

} // namespace

TEST_CASE("sink-fs identity: what is written is read again") {
  const IdentityRecord record = some_record();
  const auto read = parse_identity(format_identity(record));
  REQUIRE(read.ok());
  CHECK(read.value().identity.source == record.identity.source);
  CHECK(read.value().identity.replica == record.identity.replica);
  CHECK(read.value().identity.epoch == record.identity.epoch);
  CHECK(read.value().adopted);
  CHECK(format_identity({}).find("adopted no\n") != std::string::npos);
}

TEST_CASE("sink-fs identity: no damaged text is taken for an identity of other content") {
  const std::string good = format_identity(some_record());
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bad = good;
    const std::size_t at = random.below(bad.size());
    if (random.one_in(3))
      bad.resize(at);
    else if (random.one_in(2))
      bad.insert(at, 1, static_cast<char>(random.next()));
    else
      bad[at] = static_cast<char>(random.next());
    const auto read = parse_identity(bad);
    if (!read.ok())
      CHECK((read.status().code() == Code::corrupt || read.status().code() == Code::unsupported));
    // A changed digit is another valid identity (which the engine refuses); anything else is no identity.
    if (read.ok()) CHECK(bad.size() <= good.size() + 1);
  }
  CHECK(parse_identity("osync-replica 2\nnew things\n").status().code() == Code::unsupported);
  for (const std::string& bad : {good + "x", std::string(), good.substr(1), "\n" + good})
    CHECK(parse_identity(bad).status().code() == Code::corrupt);
}

TEST_CASE("sink-fs sync mark: what is written is read again, and nothing damaged is") {
  SyncMarkRecord record{
      "01234567-89ab-cdef-0123-456789abcdef", {1'700'000'000, 5}, false, Timestamp{-3, 999'999'999}};
  const std::string text = format_sync_mark(record);
  REQUIRE(text.size() == sync_mark_size);
  const auto read = parse_sync_mark(text);
  REQUIRE(read);
  CHECK(read->boot == record.boot);
  CHECK(read->synced == record.synced);
  CHECK_FALSE(read->closed);
  CHECK(read->suspect_since == record.suspect_since);
  record.closed = true;
  record.suspect_since.reset();
  const auto closed = parse_sync_mark(format_sync_mark(record));
  REQUIRE(closed);
  CHECK(closed->closed);
  CHECK_FALSE(closed->suspect_since);
  const std::size_t end = text.find("\n\n");
  for (std::size_t at = 0; at < end; ++at) {
    std::string bad = text;
    bad[at] ^= 1;
    CHECK_FALSE(parse_sync_mark(bad));
  }
  CHECK_FALSE(parse_sync_mark(text.substr(1)));
  CHECK_FALSE(parse_sync_mark(""));
}

TEST_CASE("sink-fs sync mark: since when entries are suspect") {
  const Timestamp synced{1000, 7};
  const Timestamp margin{998, 7};
  SyncMarkRecord record{"this", synced, false, {}};
  CHECK_FALSE(suspect_since(record, "this"));      // a killed process: the page cache has everything
  CHECK(suspect_since(record, "other") == margin); // a power loss, or a reboot without close
  CHECK(suspect_since(record, "") == margin);      // unknown boot: assume the worst
  record.closed = true;
  CHECK_FALSE(suspect_since(record, "other"));
  CHECK(suspect_since(std::nullopt, "this") == Timestamp{}); // unreadable: everything
  // What an earlier session left uncompared stays, and two unclean ends add up.
  record.suspect_since = Timestamp{500, 0};
  CHECK(suspect_since(record, "this") == Timestamp{500, 0});
  record.closed = false;
  CHECK(suspect_since(record, "other") == Timestamp{500, 0});
  record.suspect_since = Timestamp{2000, 0};
  CHECK(suspect_since(record, "other") == margin);
}

TEST_CASE("sink-fs sync mark: the file over a session") {
  const test::TemporaryDirectory directory;
  const int fd = open(directory.path().c_str(), O_RDONLY | O_DIRECTORY);
  REQUIRE(fd >= 0);
  CHECK_FALSE(SyncMark::read(fd));
  SyncMark mark;
  REQUIRE(mark.begin(fd, {"boot", {100, 0}, false, {}}).ok());
  CHECK(SyncMark::read(fd)->synced == Timestamp{100, 0});
  REQUIRE(mark.synced({200, 0}).ok());
  CHECK(SyncMark::read(fd)->synced == Timestamp{200, 0});
  REQUIRE(mark.sync_failed().ok()); // everything after the last good one is uncertain, for good
  REQUIRE(mark.synced({300, 0}).ok());
  CHECK(SyncMark::read(fd)->suspect_since == Timestamp{198, 0});
  REQUIRE(mark.closed_cleanly({400, 0}).ok());
  CHECK(SyncMark::read(fd)->closed);
  CHECK(SyncMark::read(fd)->suspect_since == Timestamp{198, 0});
  REQUIRE(mark.begin(fd, *SyncMark::read(fd)).ok());
  REQUIRE(mark.clear_suspicion().ok());
  CHECK_FALSE(SyncMark::read(fd)->suspect_since);
  // A file that somebody put there is not written to.
  mark.abandon();
  REQUIRE(link((directory / "sync-mark").c_str(), (directory / "another name").c_str()) == 0);
  CHECK(mark.begin(fd, {}).code() == Code::conflict);
  close(fd);
}
