// Damage on the way: every bit and every length is covered by a checksum, and the error says what is lost.
#include <catch2/catch.hpp>

#include "support/random_messages.h"
#include "wire/codec.h"
#include "wire/header.h"

namespace osync {
namespace {

using test::RandomMessages;

std::string resealed(std::string header) {
  header.resize(header.size() - wire::checksum_bytes);
  wire::seal(header);
  return header;
}

bool refused(const Message& message) {
  return !wire::decode_sink_message(message).ok() && !wire::decode_source_message(message).ok();
}

/// Decodes in both directions; what decodes must be valid enough to travel again.
void decode_again(const Message& message) {
  const Result<engine::SinkMessage> sink = wire::decode_sink_message(message);
  if (sink.ok()) {
    const auto again = wire::decode_sink_message(wire::encode(sink.value()));
    REQUIRE(again.ok());
    REQUIRE(test::difference(sink.value(), again.value()) == "");
  }
  const Result<engine::SourceMessage> source = wire::decode_source_message(message);
  if (source.ok()) {
    const auto again = wire::decode_source_message(wire::encode(source.value()));
    REQUIRE(again.ok());
    REQUIRE(test::difference(source.value(), again.value()) == "");
  }
}

/// One small message of each kind; a frame with groups and a listing among them.
std::vector<Message> samples() {
  std::vector<Message> list;
  RandomMessages random(5);
  for (std::size_t kind = 0; kind < std::variant_size_v<engine::SinkMessage>; ++kind)
    list.push_back(wire::encode(random.sink_message(kind)));
  for (std::size_t kind = 0; kind < std::variant_size_v<engine::SourceMessage>; ++kind)
    if (kind != 2) list.push_back(wire::encode(random.source_message(kind)));
  for (int frames = 0; frames < 3;) {
    Message frame = wire::encode(engine::SourceMessage(random.frame()));
    if (frame.payloads.empty() || frame.header.size() > 4000 || frame.payloads[0].size() > 4000) continue;
    list.push_back(std::move(frame));
    ++frames;
  }
  return list;
}

std::string flipped(std::string bytes, std::size_t bit) {
  bytes[bit / 8] = static_cast<char>(static_cast<unsigned char>(bytes[bit / 8]) ^ (1u << bit % 8));
  return bytes;
}

std::string text_of(const Buffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

} // namespace

TEST_CASE("wire: every flipped bit and every truncation of a header is refused", "[wire]") {
  for (const Message& sample : samples()) {
    Message damaged = sample;
    for (std::size_t bit = 0; bit < sample.header.size() * 8; ++bit) {
      damaged.header = flipped(sample.header, bit);
      if (!refused(damaged)) FAIL("bit " << bit << " of a header of " << sample.header.size() << " bytes");
    }
    for (std::size_t size = 0; size < sample.header.size(); ++size) {
      damaged.header = sample.header.substr(0, size);
      if (!refused(damaged)) FAIL("cut to " << size << " of " << sample.header.size() << " bytes");
    }
    damaged.header = sample.header + '\0';
    CHECK(refused(damaged));
  }
}

TEST_CASE("wire: flipped bits and truncations under a right checksum are refused or another valid message",
          "[wire]") {
  for (const Message& sample : samples()) {
    Message damaged = sample;
    const std::size_t body = sample.header.size() - wire::checksum_bytes;
    for (std::size_t bit = 0; bit < body * 8; ++bit) {
      damaged.header = resealed(flipped(sample.header, bit));
      decode_again(damaged);
    }
    for (std::size_t size = 0; size < body; ++size) {
      damaged.header = sample.header.substr(0, size);
      wire::seal(damaged.header);
      decode_again(damaged);
    }
  }
}

TEST_CASE("wire: every flipped bit and every truncation of a payload is refused", "[wire]") {
  for (const Message& sample : samples())
    for (std::size_t part = 0; part < sample.payloads.size(); ++part) {
      const std::string whole = text_of(sample.payloads[part]);
      if (whole.size() > 4000) continue;
      Message damaged = sample;
      for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        damaged.payloads[part] = Buffer::copy_of(flipped(whole, bit));
        if (!refused(damaged)) FAIL("bit " << bit << " of payload part " << part + 1);
      }
      for (std::size_t size = 0; size < whole.size(); ++size) {
        damaged.payloads[part] = Buffer::copy_of(std::string_view(whole).substr(0, size));
        if (!refused(damaged)) FAIL("payload part " << part + 1 << " cut to " << size);
      }
    }
}

TEST_CASE("wire: a damaged payload names the sequence numbers that it held", "[wire]") {
  engine::Frame frame;
  for (std::uint64_t sequence = 41; sequence < 44; ++sequence) {
    OperationGroup group;
    group.sequence = sequence;
    group.payload = Buffer::copy_of("payload " + std::to_string(sequence));
    frame.items.emplace_back(std::move(group));
  }
  Message message = wire::encode(engine::SourceMessage(frame));
  REQUIRE(message.payloads.size() == 1);
  message.payloads[0] = Buffer::copy_of(flipped(text_of(message.payloads[0]), 3));
  const Status status = wire::decode_source_message(message).status();
  CHECK(status.code() == Code::corrupt);
  CHECK(status.message() ==
        "frame: payload: checksum (XXH3-64) of part 1 does not match: sequences 41 to 43 damaged on the way");
}

TEST_CASE("wire: missing, added and swapped payload parts are refused", "[wire]") {
  engine::Frame frame;
  for (std::uint64_t sequence = 1; sequence < 3; ++sequence) {
    OperationGroup group;
    group.sequence = sequence;
    group.payload = Buffer::copy_of(std::string(wire::merge_below_bytes, static_cast<char>('a' + sequence)));
    frame.items.emplace_back(std::move(group));
  }
  const Message message = wire::encode(engine::SourceMessage(frame));
  REQUIRE(message.payloads.size() == 2);
  Message damaged = message;
  damaged.payloads.pop_back();
  CHECK(refused(damaged));
  damaged = message;
  damaged.payloads.push_back(message.payloads[0]);
  CHECK(refused(damaged));
  damaged = message;
  std::swap(damaged.payloads[0], damaged.payloads[1]);
  CHECK(refused(damaged));
  damaged = wire::encode(engine::SourceMessage(engine::SyncRequest{1, 2}));
  damaged.payloads.push_back(message.payloads[0]);
  CHECK(refused(damaged));
}

} // namespace osync
