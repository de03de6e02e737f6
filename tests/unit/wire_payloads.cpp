// Payload parts: small payloads share one, large ones are not copied, and receivers take no range twice.
#include <catch2/catch.hpp>

#include "support/random_messages.h"
#include "wire/codec.h"
#include "wire/payloads.h"

namespace osync {
namespace {

Buffer filled(std::size_t size, char with) { return Buffer::copy_of(std::string(size, with)); }

/// A frame of one put_file a payload.
engine::Frame frame_of(const std::vector<Buffer>& payloads) {
  engine::Frame frame;
  for (const Buffer& payload : payloads) {
    OperationGroup group;
    group.sequence = frame.items.size() + 1;
    group.payload = payload;
    Operation put;
    put.name = "f";
    put.attributes.type = FileType::regular;
    put.length = static_cast<std::uint32_t>(payload.size());
    group.operations.push_back(put);
    frame.items.emplace_back(std::move(group));
  }
  return frame;
}

} // namespace

TEST_CASE("wire: small payloads share one part in front, large ones are passed on without copying",
          "[wire]") {
  const Buffer large = filled(wire::merge_below_bytes, 'L');
  const engine::SourceMessage message = frame_of({filled(10, 'a'), large, Buffer(), filled(20, 'b')});
  const Message encoded = wire::encode(message);
  REQUIRE(encoded.payloads.size() == 2);
  CHECK(encoded.payloads[0].size() == 30);
  CHECK(encoded.payloads[1].data() == large.data());

  const Result<engine::SourceMessage> decoded = wire::decode_source_message(encoded);
  REQUIRE(decoded.ok());
  CHECK(test::difference(message, decoded.value()) == "");
  const auto& items = std::get<engine::Frame>(decoded.value()).items;
  CHECK(std::get<OperationGroup>(items[1]).payload.data() == large.data());
  CHECK(std::get<OperationGroup>(items[3]).payload.data() == encoded.payloads[0].data() + 10);
}

TEST_CASE("wire: a single small payload is not copied", "[wire]") {
  const Buffer small = filled(100, 's');
  const Message encoded = wire::encode(engine::SourceMessage(frame_of({small})));
  REQUIRE(encoded.payloads.size() == 1);
  CHECK(encoded.payloads[0].data() == small.data());
}

TEST_CASE("wire: shared parts are bounded, and a frame of only small payloads stays one message", "[wire]") {
  const std::vector<Buffer> payloads(25, filled(wire::merge_below_bytes - 1, 'x')); // 3.1 MiB
  const engine::SourceMessage message = frame_of(payloads);
  const Message encoded = wire::encode(message);
  CHECK(encoded.payloads.size() == 4);
  for (const Buffer& part : encoded.payloads) CHECK(part.size() <= wire::max_merged_bytes);
  const Result<engine::SourceMessage> decoded = wire::decode_source_message(encoded);
  REQUIRE(decoded.ok());
  CHECK(test::difference(message, decoded.value()) == "");
}

TEST_CASE("wire: a frame without payloads has no part", "[wire]") {
  CHECK(wire::encode(engine::SourceMessage(frame_of({Buffer(), Buffer()}))).payloads.empty());
}

TEST_CASE("wire: payload ranges fill their parts in order, once", "[wire]") {
  const std::vector<Buffer> parts = {filled(10, 'a'), filled(5, 'b')};
  SECTION("as they should") {
    wire::PayloadReader reader(parts);
    CHECK(reader.take({1, 0, 4}).ok());
    CHECK(reader.take({2, 0, 5}).ok());
    CHECK(reader.take({0, 0, 0}).ok());
    CHECK_FALSE(reader.finish().ok()); // six bytes belong to nobody
    CHECK(reader.take({1, 4, 6}).ok());
    CHECK(reader.finish().ok());
  }
  const auto refused = [&parts](wire::PayloadPlace place) {
    wire::PayloadReader reader(parts);
    const Result<Buffer> taken = reader.take({1, 0, 4});
    return taken.ok() && reader.take(place).status().code() == Code::corrupt;
  };
  CHECK(refused({1, 0, 4})); // again
  CHECK(refused({1, 3, 4})); // overlapping
  CHECK(refused({1, 5, 4})); // a gap
  CHECK(refused({1, 4, 7})); // beyond the end
  CHECK(refused({1, 4, 0xffffffff}));
  CHECK(refused({1, 4, 0})); // empty
  CHECK(refused({3, 0, 1})); // no such part
  CHECK(refused({0, 0, 1})); // no part
  CHECK(refused({0, 1, 0}));
}

TEST_CASE("wire: a part that is empty is refused", "[wire]") {
  const std::vector<Buffer> parts = {Buffer()};
  CHECK(wire::PayloadReader(parts).finish().code() == Code::corrupt);
}

TEST_CASE("wire: parts beyond their bounds are refused", "[wire]") {
  const auto refused = [](const engine::Frame& frame, const char* expected) {
    const Result<engine::SourceMessage> decoded =
        wire::decode_source_message(wire::encode(engine::SourceMessage(frame)));
    const std::string message(decoded.status().message());
    INFO(message);
    CHECK(decoded.status().code() == Code::corrupt);
    CHECK(message.find(expected) != std::string::npos);
  };
  refused(frame_of({filled(wire::max_part_bytes + 1, 'x')}),
          "payload part 1: 4194305 bytes, at most 4194304");
  const Buffer large = filled(3u << 20, 'x');
  refused(frame_of({large, large, large}), "payload parts together: 9437184 bytes, at most 8388608");
}

} // namespace osync
