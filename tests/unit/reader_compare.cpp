// ScanJob in mode compare: attributes of all entries, digests of those that changed since.
#include "reader_fixture.h"

#include <sys/stat.h>
#include <xxhash.h>

#include <filesystem>

namespace osync::source {
namespace {

namespace fs = std::filesystem;
using test::TemporaryDirectory;
using test::write_file;

Digest digest_of(const std::string& content) {
  const XXH128_hash_t hash = XXH3_128bits(content.data(), content.size());
  return {hash.high64, hash.low64};
}

Timestamp ctime_of(const std::string& path) {
  struct stat status;
  test::must(lstat(path.c_str(), &status), "lstat");
  return {status.st_ctim.tv_sec, static_cast<std::uint32_t>(status.st_ctim.tv_nsec)};
}

} // namespace

TEST_CASE("reader: a listing holds attributes, targets and identities, and opens nothing") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string(), true, {}, {{"*.tmp", true}, {"cache/", true}});
  write_file(directory / "file", "content");
  write_file(directory / ".osync/x", "x");
  write_file(directory / "a.tmp", "x");
  write_file(directory / "cache/x", "x");
  write_file(directory / "nested/.osync/identity", "x");
  fs::create_directory(directory / "sub");
  fs::create_symlink("some/where", directory / "link");
  test::must(mkfifo((directory / "fifo").c_str(), 0600), "mkfifo");
  const auto result = on.list(on.ref());
  REQUIRE(result.status.ok());
  CHECK(result.end);
  CHECK(result.entries.size() == 5);
  const auto* file = find_entry(result.entries, "file");
  REQUIRE(file != nullptr);
  CHECK(file->attributes.size == 7);
  CHECK_FALSE(file->has_digest);
  CHECK_FALSE(file->attributes.has_xattrs);
  CHECK(file->attributes.ctime == ctime_of(directory / "file"));
  CHECK(find_entry(result.entries, "link")->target == "some/where");
  CHECK(find_entry(result.entries, "sub")->id == on.ref("sub").id);
  CHECK_FALSE(find_entry(result.entries, "sub")->mount);
  CHECK(find_entry(result.entries, "nested")->mount);
  CHECK(find_entry(result.entries, "fifo")->attributes.type == FileType::fifo);
}

TEST_CASE("reader: entries changed at or after `since` come with digest and extended attributes") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  for (const char* name : {"a", "b", "c"}) write_file(directory / name, std::string("content of ") + name);
  const Timestamp since = ctime_of(directory / "b");
  const auto result = on.list(on.ref(), since);
  REQUIRE(result.entries.size() == 3);
  for (const auto& entry : result.entries) {
    INFO(entry.name);
    const bool changed = ctime_of(directory / entry.name) >= since;
    CHECK(entry.has_digest == changed);
    CHECK(entry.attributes.has_xattrs == changed);
    CHECK(entry.digest == (changed ? digest_of("content of " + entry.name) : Digest{}));
  }
  CHECK(find_entry(result.entries, "b")->has_digest);
}

TEST_CASE("reader: a digest covers the whole content, holes as zeros, other names alike") {
  TemporaryDirectory directory;
  ReaderLimits limits;
  limits.piece_bytes = 4096; // many reads a file
  limits.inline_bytes = 4096;
  ReaderOn on(directory.path().string(), true, limits);
  std::string big;
  for (int i = 0; i < 30'000; ++i) big += std::to_string(i);
  write_file(directory / "big", big);
  write_file(directory / "exact", std::string(8192, 'e'));
  write_file(directory / "empty", "");
  write_file(directory / "sparse", "head");
  test::must(truncate((directory / "sparse").c_str(), 100'000), "truncate");
  fs::create_hard_link(directory / "big", directory / "linked");
  fs::create_symlink("big", directory / "link");
  fs::create_directory(directory / "sub");
  const auto result = on.list(on.ref(), {});
  REQUIRE(result.entries.size() == 7);
  for (const auto& entry : result.entries) CHECK(entry.has_digest);
  CHECK(find_entry(result.entries, "big")->digest == digest_of(big));
  CHECK(find_entry(result.entries, "linked")->digest == digest_of(big));
  CHECK(find_entry(result.entries, "exact")->digest == digest_of(std::string(8192, 'e')));
  CHECK(find_entry(result.entries, "empty")->digest == digest_of(""));
  CHECK(find_entry(result.entries, "sparse")->digest == digest_of("head" + std::string(99'996, '\0')));
  CHECK(find_entry(result.entries, "link")->digest == Digest{});
  CHECK(find_entry(result.entries, "link")->attributes.has_xattrs);
  CHECK(find_entry(result.entries, "sub")->id == on.ref("sub").id);
  CHECK(on.reader().idle_buffers() == 1); // the scratch buffer came back
}

TEST_CASE("reader: a compare piece ends once many bytes were digested") {
  TemporaryDirectory directory;
  ReaderLimits limits;
  limits.digest_bytes = 5'000;
  ReaderOn on(directory.path().string(), true, limits);
  for (int i = 0; i < 10; ++i) write_file(directory / std::to_string(i), std::string(2'000, 'x'));
  auto job = on.scan_job(on.ref(), engine::ScanMode::compare);
  job.since = {};
  std::size_t entries = 0;
  while (true) {
    const auto result = on.run<engine::ListResult>(job);
    REQUIRE(result.status.ok());
    CHECK(result.entries.size() <= 3);
    entries += result.entries.size();
    if (result.end) break;
    job.cursor = result.cursor;
  }
  CHECK(entries == 10);
}

} // namespace osync::source
