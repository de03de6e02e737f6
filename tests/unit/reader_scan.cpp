// SweepJob and ScanJob: directories watched, then listed, in pieces.
#include "reader_fixture.h"

#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <set>
#include <unordered_set>

namespace osync::source {
namespace {

namespace fs = std::filesystem;
using engine::EntryRead;
using engine::ListResult;
using engine::ReadResult;
using engine::ScanMode;
using engine::SweepResult;
using test::TemporaryDirectory;
using test::write_file;

void make_empty_files(const std::string& directory, int count) {
  const test::Descriptor at(test::must(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open"));
  for (int i = 0; i < count; ++i)
    test::must(mknodat(at.get(), ("entry-" + std::to_string(i)).c_str(), S_IFREG | 0600, 0), "mknodat");
}

} // namespace

TEST_CASE("reader: a sweep watches first, then names the subdirectories") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string(), true, {}, {{"build/", true}});
  for (const char* path : {"a", "b", "build", ".osync", "replica/.osync"})
    fs::create_directories(directory / path);
  write_file(directory / "replica/.osync/identity", "x");
  write_file(directory / "file", "x");
  fs::create_directory_symlink("a", directory / "link");
  on.watcher.on_watch = [&](int fd) { // what appears while the watch is being set is listed
    test::must(mkdirat(fd, "late", 0700), "mkdirat");
    return Status();
  };
  const auto result = on.run<SweepResult>(engine::SweepJob{5, on.ref()});
  CHECK(result.id == 5);
  REQUIRE(result.status.ok());
  CHECK(result.watch.ok());
  CHECK(on.watcher.watched == std::vector<ObjectId>{on.root().id()});
  REQUIRE(result.directories.size() == 3);
  for (const char* name : {"a", "b", "late"}) {
    const auto* found = find_entry(result.directories, name);
    REQUIRE(found != nullptr);
    CHECK(found->id == on.ref(name).id);
  }
  CHECK(result.mounts == std::vector<std::string>{"replica"});
}

TEST_CASE("reader: a directory that is not the one meant is neither watched nor listed") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  fs::create_directories(directory / "a");
  fs::create_directories(directory / "b");
  write_file(directory / "nested/.osync/identity", "x");
  auto wrong = on.ref("a");
  wrong.path = "b";
  CHECK(on.run<SweepResult>(engine::SweepJob{1, wrong}).status.code() == Code::stale);
  auto job = on.scan_job(wrong, ScanMode::transfer);
  job.watch = true;
  CHECK(on.run<ReadResult>(job).status.code() == Code::stale);
  job.directory = on.ref("nested"); // a replica of its own
  CHECK(on.run<ReadResult>(job).status.code() == Code::stale);
  job.directory = {"gone", wrong.id};
  job.mode = ScanMode::compare;
  CHECK(on.run<ListResult>(job).status.code() == Code::not_found);
  CHECK(on.watcher.watched.empty());
  CHECK(on.reader().open_cursors() == 0);
}

TEST_CASE("reader: a scan watches, reads the directory's attributes, and only then lists") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  const auto mode = GENERATE(ScanMode::transfer, ScanMode::compare);
  fs::create_directory(directory / "d");
  write_file(directory / "d/early", "1");
  on.watcher.on_watch = [](int fd) {
    const test::Descriptor file(
        test::must(openat(fd, "late", O_CREAT | O_WRONLY | O_CLOEXEC, 0600), "openat"));
    test::must(fchmod(fd, 0751), "fchmod");
    return Status(Code::limit, "no more watches");
  };
  auto job = on.scan_job(on.ref("d"), mode);
  job.watch = true;
  Status status, watch;
  Attributes attributes;
  std::set<std::string> names;
  bool end = false;
  if (mode == ScanMode::transfer) {
    const auto result = on.run<ReadResult>(job);
    std::tie(status, watch, attributes, end) =
        std::tuple(result.status, result.watch, result.directory_attributes, result.end);
    for (const auto& entry : result.entries) names.insert(entry.operation.name);
  } else {
    const auto result = on.run<ListResult>(job);
    std::tie(status, watch, attributes, end) =
        std::tuple(result.status, result.watch, result.directory_attributes, result.end);
    for (const auto& entry : result.entries) names.insert(entry.name);
  }
  CHECK(status.ok());
  CHECK(watch.code() == Code::limit); // not watched is no reason not to list
  CHECK(attributes.mode == 0751);
  CHECK(attributes.has_xattrs);
  CHECK(names == std::set<std::string>{"early", "late"});
  CHECK(end);
  CHECK(on.watcher.watched == std::vector<ObjectId>{on.ref("d").id});
}

TEST_CASE("reader: a scan that is not asked to watch does not") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  CHECK(on.list(on.ref()).status.ok());
  CHECK(on.watcher.watched.empty());
}

TEST_CASE("reader: a transfer scan reads entries with their contents") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string(), true, {}, {{"*.o", true}});
  write_file(directory / "file", "content");
  write_file(directory / "left.o", "x");
  write_file(directory / ".osync/identity", "x");
  write_file(directory / "sub/below", "x");
  fs::create_symlink("file", directory / "link");
  write_file(directory / "big", std::string(300'000, 'b'));
  const auto result = on.run<ReadResult>(on.scan_job(on.ref(), ScanMode::transfer));
  REQUIRE(result.status.ok());
  CHECK(result.end);
  CHECK(result.cursor == 0);
  REQUIRE(result.entries.size() == 4);
  const auto* file = find_entry(result.entries, "file");
  REQUIRE(file != nullptr);
  CHECK(text_of(result.payload, file->operation) == "content");
  CHECK(find_entry(result.entries, "sub")->id == on.ref("sub").id);
  CHECK(find_entry(result.entries, "link")->operation.target == "file");
  CHECK(find_entry(result.entries, "big")->outcome == EntryRead::Outcome::large);
}

TEST_CASE("reader: a huge directory is a cursor: each of 100,000 names comes once") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  fs::create_directory(directory / "huge");
  make_empty_files(directory / "huge", 100'000);
  auto job = on.scan_job(on.ref("huge"), ScanMode::compare);
  job.max_entries = 1000;
  std::set<std::string> names;
  std::size_t entries = 0, pieces = 0;
  while (true) {
    auto result = on.run<ListResult>(job);
    REQUIRE(result.status.ok());
    REQUIRE(result.entries.size() <= 1000);
    REQUIRE(result.directory_attributes.type == FileType::directory);
    REQUIRE(result.end == (result.cursor == 0));
    ++pieces;
    entries += result.entries.size();
    for (auto& entry : result.entries) names.insert(std::move(entry.name));
    if (result.end) break;
    REQUIRE(on.reader().open_cursors() == 1);
    job.cursor = result.cursor;
  }
  CHECK(entries == 100'000);
  CHECK(names.size() == 100'000);
  CHECK(pieces == 100);
  CHECK(on.reader().open_cursors() == 0);
}

TEST_CASE("reader: pieces of a transfer scan end at the byte budget, and nothing is lost between them") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  for (int i = 0; i < 50; ++i) write_file(directory / ("f" + std::to_string(i)), std::string(1000 + i, 'a'));
  auto job = on.scan_job(on.ref(), ScanMode::transfer);
  job.max_bytes = 3500;
  std::set<std::string> names;
  std::size_t entries = 0;
  while (true) {
    const auto result = on.run<ReadResult>(job);
    REQUIRE(result.status.ok());
    REQUIRE(result.payload.size() <= 3500);
    REQUIRE_FALSE(result.entries.empty());
    for (const auto& entry : result.entries) {
      REQUIRE(entry.outcome == EntryRead::Outcome::ready);
      REQUIRE(text_of(result.payload, entry.operation) == std::string(entry.operation.attributes.size, 'a'));
      names.insert(entry.operation.name);
      ++entries;
    }
    if (result.end) break;
    job.cursor = result.cursor;
  }
  CHECK(entries == 50);
  CHECK(names.size() == 50);
  job.cursor = 0;
  job.max_bytes = 1; // one entry a piece
  const auto one = on.run<ReadResult>(job);
  CHECK(one.entries.size() == 1);
  CHECK(one.cursor != 0);
}

TEST_CASE("reader: a directory renamed between two pieces makes the cursor stale") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  fs::create_directory(directory / "d");
  make_empty_files(directory / "d", 10);
  auto job = on.scan_job(on.ref("d"), ScanMode::compare);
  job.max_entries = 4;
  auto result = on.run<ListResult>(job);
  REQUIRE(result.cursor != 0);
  job.cursor = result.cursor;
  fs::rename(directory / "d", directory / "elsewhere");

  SECTION("at its old path") {
    CHECK(on.run<ListResult>(job).status.code() == Code::not_found);
    CHECK(on.reader().open_cursors() == 0);
    CHECK(on.run<ListResult>(job).status.code() == Code::invalid); // the error closed it
  }
  SECTION("another directory at its old path") {
    fs::create_directory(directory / "d");
    CHECK(on.run<ListResult>(job).status.code() == Code::stale);
  }
  SECTION("asked for at its new path it goes on") {
    job.directory.path = "elsewhere";
    result = on.run<ListResult>(job);
    CHECK(result.status.ok());
    CHECK(result.entries.size() == 4);
  }
}

TEST_CASE("reader: a directory removed between two pieces is an error, never a short listing") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  fs::create_directory(directory / "d");
  make_empty_files(directory / "d", 10);
  auto job = on.scan_job(on.ref("d"), ScanMode::compare);
  job.max_entries = 4;
  job.cursor = on.run<ListResult>(job).cursor;
  fs::remove_all(directory / "d");
  const auto result = on.run<ListResult>(job);
  CHECK(result.status.code() == Code::not_found);
  CHECK(result.entries.empty());
}

TEST_CASE("reader: the names of inodes are found by listing, without opening anything") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string(), true, {}, {{"*.tmp", true}});
  write_file(directory / "d/one", "1");
  write_file(directory / "d/two", "2");
  write_file(directory / "d/three", "3");
  fs::create_hard_link(directory / "d/one", directory / "d/other");
  fs::create_hard_link(directory / "d/one", directory / "d/left.tmp");
  fs::create_hard_link(directory / "d/one", directory / "elsewhere");
  std::unordered_set<std::uint64_t> inodes;
  for (const char* name : {"d", "d/one", "d/three"}) {
    struct stat status;
    test::must(stat((directory / name).c_str(), &status), "stat");
    inodes.insert(status.st_ino);
  }
  engine::FindLinksJob job{9, on.ref("d"), std::make_shared<const std::unordered_set<std::uint64_t>>(inodes)};
  auto result = on.run<engine::LinksFound>(job);
  CHECK(result.id == 9);
  REQUIRE(result.status.ok());
  CHECK(std::set<std::string>(result.names.begin(), result.names.end()) ==
        std::set<std::string>{"one", "other", "three"});
  CHECK(on.watcher.watched.empty());
  job.directory.path = "none";
  result = on.run<engine::LinksFound>(job);
  CHECK(result.status.code() == Code::not_found);
  CHECK(result.names.empty());
}

TEST_CASE("reader: cursors are bounded, closed on demand, and never confused") {
  TemporaryDirectory directory;
  ReaderLimits limits;
  limits.max_cursors = 2;
  ReaderOn on(directory.path().string(), true, limits);
  make_empty_files(directory.path().string(), 5);
  auto job = on.scan_job(on.ref(), ScanMode::compare);
  job.max_entries = 2;
  const auto first = on.run<ListResult>(job);
  const auto second = on.run<ListResult>(job);
  CHECK(first.cursor != second.cursor);
  CHECK(on.run<ListResult>(job).status.code() == Code::limit);
  CHECK_FALSE(on.reader().run(engine::CloseCursorJob{first.cursor}).has_value());
  CHECK_FALSE(on.reader().run(engine::CloseCursorJob{first.cursor}).has_value());
  CHECK(on.reader().open_cursors() == 1);
  const auto third = on.run<ListResult>(job);
  CHECK(third.status.ok());
  CHECK(third.cursor != first.cursor);
  job.cursor = first.cursor;
  CHECK(on.run<ListResult>(job).status.code() == Code::invalid);
  job.cursor = second.cursor;
  CHECK(on.run<ListResult>(job).entries.size() == 2);
}

TEST_CASE("reader: an interrupted reader ends scans with `closed`") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  write_file(directory / "f", "x");
  on.reader().interrupt();
  CHECK(on.list(on.ref(), {}).status.code() == Code::closed);
  CHECK(on.run<ReadResult>(on.scan_job(on.ref(), ScanMode::transfer)).status.code() == Code::closed);
  CHECK(on.run<SweepResult>(engine::SweepJob{1, on.ref()}).status.code() == Code::closed);
}

} // namespace osync::source
