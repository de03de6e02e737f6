// What encoding and decoding cost an operation and a listed entry. Hidden: run it by its tag, on a quiet
// machine, in a release build. It fails only far beyond the target (0.6 us each way), so that it can be
// trusted elsewhere.
#include <catch2/catch.hpp>

#include <chrono>

#include "wire/codec.h"

namespace osync {
namespace {

constexpr std::size_t records = 256;
constexpr int rounds = 400;

std::string name_of(std::size_t i) {
  return "IMG_2024_" + std::to_string(1'000'000 + i) + ".jpg";
} // 20 bytes

Attributes file_attributes() {
  Attributes a;
  a.type = FileType::regular;
  a.mode = 0644;
  a.uid = 1000;
  a.gid = 1000;
  a.size = 200;
  a.mtime = {1'700'000'000, 123'456'789};
  return a;
}

engine::SourceMessage files() {
  OperationGroup group;
  group.sequence = 1;
  group.directory = "photos/2024/11";
  group.payload = Buffer::copy_of(std::string(200 * records, 'x'));
  for (std::size_t i = 0; i < records; ++i) {
    Operation put;
    put.name = name_of(i);
    put.attributes = file_attributes();
    put.payload_offset = static_cast<std::uint32_t>(i * 200);
    put.length = 200;
    group.operations.push_back(put);
  }
  engine::Frame frame;
  frame.items.emplace_back(std::move(group));
  return frame;
}

engine::SourceMessage entries() {
  engine::ListingPiece piece;
  piece.sequence = 1;
  for (std::size_t i = 0; i < records; ++i) {
    engine::ListedEntry entry;
    entry.name = name_of(i);
    entry.attributes = file_attributes();
    piece.entries.push_back(entry);
  }
  engine::Frame frame;
  frame.items.emplace_back(std::move(piece));
  return frame;
}

/// Nanoseconds a record of the quickest round.
template <class Work>
double nanoseconds(Work work) {
  double best = 1e18;
  for (int i = 0; i < rounds; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count());
  }
  return best / records;
}

void measure(const char* what, const engine::SourceMessage& message) {
  const Message encoded = wire::encode(message);
  std::size_t bytes = 0;
  const double encode = nanoseconds([&] { bytes += wire::encode(message).header.size(); });
  std::size_t failed = 0;
  const double decode = nanoseconds([&] { failed += wire::decode_source_message(encoded).ok() ? 0 : 1; });
  WARN(what << ": encode " << encode << " ns, decode " << decode << " ns, "
            << static_cast<double>(encoded.header.size()) / records << " bytes of header");
  CHECK(failed == 0);
  CHECK(bytes > 0);
  CHECK(encode < 20'000);
  CHECK(decode < 20'000);
}

} // namespace

TEST_CASE("wire: cost of an operation and of a listed entry", "[.speed]") {
  measure("put_file with a name of 20 bytes", files());
  measure("listed entry with a name of 20 bytes", entries());
}

} // namespace osync
