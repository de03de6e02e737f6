// Decoding of inotify's records: recorded bytes, every way of cutting them off, and random bytes.
#include "watch-inotify/inotify_decode.h"

#include <sys/inotify.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "inotify_recorded.h"

using namespace osync::inotify;

namespace {

struct Seen {
  std::uint32_t mask;
  std::string name;
  bool cookie;
  friend bool operator==(const Seen&, const Seen&) = default;
};

std::string record_bytes(std::int32_t wd, std::uint32_t mask, std::uint32_t cookie,
                         const std::string& padded_name) {
  struct inotify_event header = {};
  header.wd = wd;
  header.mask = mask;
  header.cookie = cookie;
  header.len = static_cast<std::uint32_t>(padded_name.size());
  std::string bytes(record_header_bytes, '\0');
  std::memcpy(bytes.data(), &header, record_header_bytes);
  return bytes + padded_name;
}

/// The first record of `bytes`; its name is kept apart, because it lives only as long as they do.
struct First {
  Decoded outcome;
  std::string name;
  std::size_t size = 0;

  explicit First(const std::string& bytes) {
    RawRecord record;
    outcome = decode_record(std::as_bytes(std::span(bytes)), record, size);
    name = record.name;
  }
};

/// Decodes everything from a block of exactly this length (so that a sanitizer sees any byte read beyond it)
/// and checks what must hold for any input. Returns the outcome that ended it.
Decoded decode_all(const std::byte* data, std::size_t length, std::size_t& records) {
  const auto block = std::make_unique<std::byte[]>(length);
  if (length > 0) std::memcpy(block.get(), data, length);
  std::span<const std::byte> rest(block.get(), length);
  while (true) {
    RawRecord record;
    std::size_t size = 0;
    const Decoded outcome = decode_record(rest, record, size);
    if (outcome != Decoded::record) return outcome;
    const auto* first = reinterpret_cast<const char*>(rest.data());
    const bool inside = record.name.empty() || (record.name.data() >= first &&
                                                record.name.data() + record.name.size() < first + size);
    if (size < record_header_bytes || size > rest.size() || !inside ||
        record.name.find('\0') != std::string_view::npos)
      throw std::logic_error("a record reaches outside of its bytes");
    rest = rest.subspan(size);
    ++records;
  }
}

} // namespace

TEST_CASE("inotify decode: a recorded session") {
  std::vector<Seen> seen;
  std::span<const std::byte> rest = osync::test::recorded_bytes();
  RawRecord record;
  std::size_t size = 0;
  while (decode_record(rest, record, size) == Decoded::record) {
    CHECK(record.wd == 1);
    seen.push_back({record.mask, std::string(record.name), record.cookie != 0});
    rest = rest.subspan(size);
  }
  CHECK(rest.empty());
  const std::string moved = "a-name-of-17-byt";
  const std::vector<Seen> expected = {
      {IN_CREATE | IN_ISDIR, "sub", false}, {IN_CREATE, "a", false},    {IN_MODIFY, "a", false},
      {IN_CLOSE_WRITE, "a", false},         {IN_MOVED_FROM, "a", true}, {IN_MOVED_TO, moved, true},
      {IN_ATTRIB | IN_ISDIR, "", false},    {IN_DELETE, moved, false},  {IN_DELETE | IN_ISDIR, "sub", false},
      {IN_DELETE_SELF, "", false},          {IN_IGNORED, "", false}};
  CHECK(seen == expected);
}

TEST_CASE("inotify decode: a session cut off anywhere yields whole records only") {
  const auto bytes = osync::test::recorded_bytes();
  std::size_t before = 0;
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    std::size_t records = 0;
    const Decoded outcome = decode_all(bytes.data(), length, records);
    INFO("length " << length);
    REQUIRE(records >= before);
    REQUIRE(records <= 11);
    if (outcome == Decoded::end)
      REQUIRE((length == 0 || records == before + 1));
    else
      REQUIRE(outcome == Decoded::malformed);
    before = records;
  }
  CHECK(before == 11);
}

TEST_CASE("inotify decode: names") {
  SECTION("255 bytes of any value but NUL") {
    std::string name(255, '\xff');
    name[0] = '\n';
    const First first(record_bytes(7, IN_CREATE, 0, name + '\0'));
    CHECK(first.outcome == Decoded::record);
    CHECK(first.name == name);
    CHECK(first.size == record_max_bytes);
  }
  SECTION("the name ends at the first NUL, whatever follows") {
    const First first(record_bytes(7, IN_CREATE, 0, std::string("ab\0cd\0\0\0", 8)));
    CHECK(first.outcome == Decoded::record);
    CHECK(first.name == "ab");
    CHECK(first.size == record_header_bytes + 8);
  }
  SECTION("padding alone is no name") {
    const First first(record_bytes(7, IN_ATTRIB, 0, std::string(16, '\0')));
    CHECK(first.outcome == Decoded::record);
    CHECK(first.name.empty());
  }
  SECTION("without a NUL it is refused, also where one stands right behind it") {
    const std::string bytes = record_bytes(7, IN_CREATE, 0, std::string(16, 'x'));
    CHECK(First(bytes).outcome == Decoded::malformed);
    CHECK(First(bytes + std::string(16, '\0')).outcome == Decoded::malformed);
  }
  SECTION("a length that does not fit into the rest, up to the largest") {
    for (const std::uint32_t length : {1u, 17u, 0x7fffffffu, 0x80000000u, 0xfffffff0u, 0xffffffffu}) {
      std::string bytes = record_bytes(7, IN_CREATE, 0, "");
      std::memcpy(bytes.data() + 12, &length, sizeof(length));
      CHECK(First(bytes).outcome == Decoded::malformed);
      if (length > 16) CHECK(First(bytes + std::string(16, '\0')).outcome == Decoded::malformed);
    }
  }
}

TEST_CASE("inotify decode: random and damaged bytes") {
  const auto recorded = osync::test::recorded_bytes();
  for (std::uint32_t seed = 1; seed <= 3000; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    std::vector<std::byte> bytes(recorded.begin(), recorded.end());
    if (seed % 3 == 0) {
      bytes.resize(random() % 600);
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % (seed % 2 == 0 ? 4 : 256));
    } else {
      for (unsigned i = 0; i <= seed % 7; ++i)
        bytes[random() % bytes.size()] = static_cast<std::byte>(random());
      if (seed % 3 == 1) bytes.resize(random() % bytes.size());
    }
    std::size_t records = 0;
    REQUIRE_NOTHROW(decode_all(bytes.data(), bytes.size(), records));
    REQUIRE(records <= bytes.size() / record_header_bytes);
  }
}
