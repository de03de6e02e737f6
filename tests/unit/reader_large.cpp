// OpenFileJob, ReadFileJob, CloseFileJob: large files in chunks, checked in the end.
#include "reader_fixture.h"

#include <sys/stat.h>
#include <xxhash.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace osync::source {
namespace {

namespace fs = std::filesystem;
using engine::FileChunk;
using engine::FileClosed;
using engine::FileOpened;
using test::TemporaryDirectory;
using test::write_file;

FileOpened open_file(ReaderOn& on, const std::string& name, const std::string& directory = {}) {
  return on.run<FileOpened>(engine::OpenFileJob{11, on.ref(directory), name});
}
FileClosed close_file(ReaderOn& on, engine::FileId file, bool check = true) {
  return on.run<FileClosed>(engine::CloseFileJob{13, file, check});
}
FileChunk read_chunk(ReaderOn& on, engine::FileId file, std::uint64_t offset,
                     std::uint32_t max_bytes = 1u << 20) {
  return on.run<FileChunk>(engine::ReadFileJob{12, file, offset, max_bytes});
}

struct WholeFile {
  std::string bytes; ///< as a sink would rebuild it
  std::string digested;
  std::size_t chunks = 0;
  std::uint64_t data = 0;
};

/// Reads to the end as the engine does, and keeps what the digest should cover.
WholeFile read_all(ReaderOn& on, engine::FileId file, std::uint64_t size, std::uint32_t max_bytes) {
  WholeFile whole;
  whole.bytes.resize(size);
  std::uint64_t offset = 0;
  while (true) {
    const FileChunk chunk = read_chunk(on, file, offset, max_bytes);
    REQUIRE(chunk.status.ok());
    REQUIRE(chunk.data.size() <= max_bytes);
    if (!chunk.data.empty()) {
      ++whole.chunks;
      whole.data += chunk.data.size();
      REQUIRE(chunk.offset >= offset);
      REQUIRE(chunk.offset + chunk.data.size() <= size);
      std::memcpy(whole.bytes.data() + chunk.offset, chunk.data.data(), chunk.data.size());
      for (int i = 0; i < 8; ++i) whole.digested.push_back(static_cast<char>(chunk.offset >> (8 * i)));
      whole.digested += text_of(chunk.data, 0, chunk.data.size());
      offset = chunk.offset + chunk.data.size();
    }
    if (chunk.end) return whole;
    REQUIRE_FALSE(chunk.data.empty());
  }
}

std::string numbers(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::to_string(i) + ",";
  return text;
}

} // namespace

TEST_CASE("reader: a large file in chunks has its bytes and the digest of the stages") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  const std::string content = numbers(300'000);
  write_file(directory / "sub/big", content);
  const auto opened = open_file(on, "big", "sub");
  REQUIRE(opened.status.ok());
  CHECK(opened.id == 11);
  CHECK(opened.attributes.size == content.size());
  CHECK(opened.attributes.has_xattrs);
  const auto whole = read_all(on, opened.file, content.size(), 100'000);
  CHECK(whole.bytes == content);
  CHECK(whole.chunks == (content.size() + 99'999) / 100'000);
  const auto closed = close_file(on, opened.file);
  CHECK(closed.status.ok());
  const XXH128_hash_t hash = XXH3_128bits(whole.digested.data(), whole.digested.size());
  CHECK(closed.digest == Digest{hash.high64, hash.low64});
  CHECK(on.reader().open_files() == 0);
  CHECK(close_file(on, opened.file).status.code() == Code::invalid);
  CHECK(read_chunk(on, opened.file, 0).status.code() == Code::invalid);
}

TEST_CASE("reader: chunks are at most one payload buffer") {
  TemporaryDirectory directory;
  ReaderLimits limits;
  limits.piece_bytes = limits.inline_bytes = 8192;
  ReaderOn on(directory.path().string(), true, limits);
  write_file(directory / "big", std::string(20'000, 'x'));
  const auto opened = open_file(on, "big");
  CHECK(read_chunk(on, opened.file, 0, 0xffffffff).data.size() == 8192);
  CHECK(read_chunk(on, opened.file, 8192, 0).data.size() == 1);
  CHECK(read_chunk(on, opened.file, 100).status.code() == Code::invalid); // offsets never go back
}

TEST_CASE("reader: holes of a sparse file are skipped") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  constexpr std::uint64_t size = 64u << 20;
  std::string expected(size, '\0');
  {
    const test::Descriptor file(
        test::must(::open((directory / "sparse").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600), "open"));
    test::must(ftruncate(file.get(), size), "ftruncate");
    for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{10u << 20}, size - (2u << 20)}) {
      const std::string data(5000, 'd');
      test::must(pwrite(file.get(), data.data(), data.size(), static_cast<off_t>(at)), "pwrite");
      expected.replace(at, data.size(), data);
    }
  }
  CHECK(on.read_one("sparse").outcome == engine::EntryRead::Outcome::large);
  const auto opened = open_file(on, "sparse");
  const auto whole = read_all(on, opened.file, size, 1u << 20);
  CHECK(whole.bytes == expected);
  CHECK(whole.data < 10u << 20); // tmpfs may back it by huge pages of 2 MiB
  CHECK(close_file(on, opened.file).status.ok());
}

TEST_CASE("reader: an empty file and one of a single hole end at once") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  write_file(directory / "hole", "");
  test::must(truncate((directory / "hole").c_str(), 1 << 20), "truncate");
  write_file(directory / "empty", "");
  const XXH128_hash_t nothing = XXH3_128bits("", 0);
  for (const char* name : {"hole", "empty"}) {
    const auto opened = open_file(on, name);
    const auto chunk = read_chunk(on, opened.file, 0);
    CHECK(chunk.end);
    CHECK(chunk.data.empty());
    const auto closed = close_file(on, opened.file);
    CHECK(closed.status.ok());
    CHECK(closed.digest == Digest{nothing.high64, nothing.low64});
  }
}

TEST_CASE("reader: closing says whether the file is still the one that was read") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  const std::string content(300'000, 'c');
  write_file(directory / "d/big", content);
  const auto opened = open_file(on, "big", "d");
  REQUIRE(read_chunk(on, opened.file, 0, 100'000).data.size() == 100'000);
  Code expected = Code::stale;

  SECTION("written to") {
    std::fstream file(directory / "d/big", std::ios::in | std::ios::out);
    file << "X";
  }
  SECTION("grown") { test::must(truncate((directory / "d/big").c_str(), 400'000), "truncate"); }
  SECTION("shortened, and the data ends early") {
    test::must(truncate((directory / "d/big").c_str(), 150'000), "truncate");
    const auto chunk = read_chunk(on, opened.file, 100'000, 100'000);
    CHECK(chunk.status.ok());
    CHECK(chunk.data.size() == 50'000);
    CHECK(read_chunk(on, opened.file, 150'000).end);
    test::must(truncate((directory / "d/big").c_str(), 300'000), "truncate");
  }
  SECTION("shortened before the next chunk") {
    test::must(truncate((directory / "d/big").c_str(), 50'000), "truncate");
    const auto chunk = read_chunk(on, opened.file, 100'000, 100'000);
    CHECK(chunk.status.ok());
    CHECK(chunk.end);
    CHECK(chunk.data.empty());
  }
  SECTION("removed") { fs::remove(directory / "d/big"); }
  SECTION("replaced by a file of the same size") {
    write_file(directory / "d/new", content);
    fs::rename(directory / "d/new", directory / "d/big");
  }
  SECTION("its directory moved: nothing of it is wrong") {
    fs::rename(directory / "d", directory / "e");
    expected = Code::ok;
  }
  SECTION("unchanged") { expected = Code::ok; }
  CHECK(close_file(on, opened.file).status.code() == expected);
}

TEST_CASE("reader: a close without check asks nothing") {
  TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  write_file(directory / "big", "x");
  const auto opened = open_file(on, "big");
  fs::remove(directory / "big");
  CHECK(close_file(on, opened.file, false).status.ok());
}

TEST_CASE("reader: only regular files are opened, of the right directory, and a bounded number") {
  TemporaryDirectory directory;
  ReaderLimits limits;
  limits.max_open_files = 2;
  ReaderOn on(directory.path().string(), true, limits);
  write_file(directory / "f", "x");
  write_file(directory / ".osync/f", "x");
  fs::create_symlink("f", directory / "link");
  fs::create_directory(directory / "d");
  test::must(mkfifo((directory / "fifo").c_str(), 0600), "mkfifo");
  CHECK(open_file(on, "gone").status.code() == Code::not_found);
  for (const char* name : {"link", "d", "fifo"}) CHECK(open_file(on, name).status.code() == Code::stale);
  for (const char* name : {".osync", "../f", "", "."})
    CHECK(open_file(on, name).status.code() == Code::invalid);
  CHECK(on.run<FileOpened>(engine::OpenFileJob{1, {"d", on.root().id()}, "f"}).status.code() == Code::stale);
  const auto first = open_file(on, "f");
  REQUIRE(open_file(on, "f").status.ok());
  CHECK(open_file(on, "f").status.code() == Code::limit);
  CHECK(close_file(on, first.file).status.ok());
  CHECK(open_file(on, "f").status.ok());
}

} // namespace osync::source
