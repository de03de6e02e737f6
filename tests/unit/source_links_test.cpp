// Files with several links: whose other names are read again when one of them changes, or goes.
#include "unit/source_driver.h"

using namespace osync;
using namespace osync::engine;
using namespace osync::test;

namespace {

using Names = std::vector<std::string>;

constexpr std::uint64_t written_inode = 500, other_inode = 600;
constexpr std::uint8_t moved_out = WatchEvent::existence;

EntryRead linked(const std::string& name, std::uint64_t inode, std::int64_t mtime = 1) {
  EntryRead read = Source::file(name, static_cast<std::uint64_t>(mtime));
  read.outcome = EntryRead::Outcome::linked;
  read.operation.attributes.inode = inode;
  read.operation.attributes.links = 2;
  read.id = {7, inode};
  return read;
}

EntryRead content(const std::string& name, std::uint64_t inode, std::int64_t mtime = 1) {
  EntryRead read = linked(name, inode, mtime);
  read.outcome = EntryRead::Outcome::ready;
  return read;
}

void acknowledge(Source& source) { source.applied(source.engine.status(source.now).sequence); }

/// The root with names `a` and `b` of one file and `c` and `d` of another; all of it is on the replica.
void begin(Source& source) {
  source.ready();
  source.scanned({content("a", written_inode), content("c", other_inode), linked("b", written_inode), linked("d", other_inode)});
  acknowledge(source);
  while (source.asks_for<ReadJob>()) { // the names that are to become links
    const ReadJob job = source.take<ReadJob>();
    ReadResult result;
    result.id = job.id;
    for (const std::string& name : job.names)
      result.entries.push_back(linked(name, name == "a" || name == "b" ? written_inode : other_inode));
    source.engine.job_done(std::move(result), source.now);
    source.pass();
    acknowledge(source);
  }
  source.messages.clear();
}

/// The names that are to be read again (not only for how many links they have), of all looks asked for within a second.
Names looks(Source& source) {
  source.pass(std::chrono::seconds(1));
  Names names;
  while (source.asks_for<ReadJob>()) {
    const ReadJob job = source.take<ReadJob>();
    if (!job.count_links) names.insert(names.end(), job.names.begin(), job.names.end());
  }
  return names;
}

void report(Source& source, const std::string& name, std::uint8_t hints, std::uint64_t cookie = 0) {
  WatchEvent event;
  event.directory = Source::root;
  event.name = name;
  event.hints = hints;
  event.token = cookie;
  source.engine.watched(event, source.now);
}

bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

} // namespace

TEST_CASE("source engine: a name that was written through, and is one of another group now, has its other names read",
          "[source_links]") {
  Source source;
  begin(source);
  report(source, "a", WatchEvent::content | WatchEvent::closed); // written; then unlinked, and `c` linked to its name
  report(source, "a", WatchEvent::existence);
  source.pass(std::chrono::seconds(1));
  EntryRead now_another = linked("a", other_inode);
  now_another.operation.attributes.links = 3;
  source.looked({now_another});
  CHECK(contains(looks(source), "b"));
}

TEST_CASE("source engine: a name that was written through and renamed out of the root has its other names read",
          "[source_links]") {
  Source source;
  begin(source);
  report(source, "a", WatchEvent::content | WatchEvent::closed);
  report(source, "a", moved_out, 77); // the kernel names another end also where nobody hears of it
  source.pass(std::chrono::seconds(1));
  source.looked({Source::absent("a")});
  CHECK(contains(looks(source), "b"));
  CHECK_FALSE(source.asks_for<ScanJob>()); // and no more than that
}

TEST_CASE("source engine: what is written after link and unlink between two looks is read by the new name", "[source_links]") {
  const bool new_name_first = GENERATE(true, false);
  Source source;
  source.ready();
  source.scanned({});
  report(source, "a", WatchEvent::existence | WatchEvent::content); // made, written, and not closed
  source.pass(std::chrono::seconds(1));
  EntryRead file = content("a", written_inode);
  file.operation.attributes.links = 1;
  source.looked({file});
  acknowledge(source);
  report(source, "b", WatchEvent::existence); // linked, and the first name unlinked at once
  report(source, "a", WatchEvent::existence);
  source.pass(std::chrono::seconds(1));
  file.operation.name = "b";
  const EntryRead gone = Source::absent("a");
  ReadResult result;
  result.id = source.take<ReadJob>().id;
  result.entries = new_name_first ? std::vector{file, gone} : std::vector{gone, file};
  source.engine.job_done(std::move(result), source.now);
  source.pass();
  acknowledge(source);
  REQUIRE(looks(source).empty());
  report(source, "a", WatchEvent::content);
  CHECK(contains(looks(source), "b"));
}
