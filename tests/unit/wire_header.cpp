// The header around the envelope: magic, checksum, version, and the walk that counts objects.
#include <catch2/catch.hpp>

#include "wire/codec.h"
#include "wire/header.h"
#include "wire/shape.h"

namespace osync {
namespace {

using namespace std::string_literals;

Message sealed(const std::string& envelope) {
  Message message;
  message.header = std::string(wire::magic) + envelope;
  wire::seal(message.header);
  return message;
}

} // namespace

TEST_CASE("wire header: the layout is fixed", "[wire]") {
  const std::string header = wire::encode(engine::SourceMessage(engine::SyncRequest{5, 6})).header;
  // "OSY1", version 1, field 11 of 4 bytes: session 5, sequence 6; XXH3-64.
  CHECK(header.substr(0, 4) == "OSY1");
  CHECK(header.substr(4, header.size() - 12) == "\x08\x01\x5a\x04\x08\x05\x10\x06"s);
  CHECK(header.size() == 20);
  const auto opened = wire::unseal(header);
  REQUIRE(opened.ok());
  CHECK(opened.value().data() == header.data() + 4);
  CHECK(wire::checksum({}) == 0x2d06800538d394c2u); // XXH3-64 of nothing, as its specification has it
}

TEST_CASE("wire header: what is no header is refused with the reason", "[wire]") {
  CHECK(wire::unseal("").status().code() == Code::corrupt);
  CHECK(wire::unseal("OSY1").status().code() == Code::corrupt);
  CHECK(wire::unseal("HTTP/1.1 200 OK").status().message().find("the peer is no osync") !=
        std::string_view::npos);
  CHECK(wire::unseal("OSY1........").status().message().find("checksum") != std::string_view::npos);
  const std::string huge(wire::max_header_bytes + 1, 'x');
  CHECK(wire::unseal(huge).status().message().find("4194305 bytes, expected 12 to 4194304") !=
        std::string_view::npos);
}

TEST_CASE("wire header: another protocol version is unsupported, and both are named", "[wire]") {
  engine::Register registration;
  registration.version = 2;
  const Status status = wire::decode_sink_message(wire::encode(engine::SinkMessage(registration))).status();
  CHECK(status.code() == Code::unsupported);
  CHECK(status.message() ==
        "the peer speaks protocol version 2, this osync 1: install the same release on both hosts");
  engine::Welcome welcome;
  welcome.version = 700;
  CHECK(wire::decode_source_message(wire::encode(engine::SourceMessage(welcome))).status().code() ==
        Code::unsupported);
  // Whatever follows the version need not be of this version's schema, nor protobuf at all.
  CHECK(wire::decode_sink_message(sealed("\x08\x02\xff\xff\xff"s)).status().code() == Code::unsupported);
  CHECK(wire::decode_source_message(sealed("\x08\x02"s)).status().code() == Code::unsupported);
}

TEST_CASE("wire header: a version that is missing, zero, too large or given twice is corrupt", "[wire]") {
  for (const std::string& envelope : {""s, "\x08"s, "\x08\x80"s, "\x08\x00"s, "\x10\x01"s,
                                      "\x08\x80\x80\x80\x80\x10"s, "\x08\x01\x08\x02\x3a\x00"s}) {
    CHECK(wire::decode_sink_message(sealed(envelope)).status().code() == Code::corrupt);
    CHECK(wire::decode_source_message(sealed(envelope)).status().code() == Code::corrupt);
  }
  CHECK(wire::decode_sink_message(sealed("\x08\x01\x3a\x00"s)).ok()); // an Unregister, for comparison
}

TEST_CASE("wire header: fields that this version does not know are passed over", "[wire]") {
  // Unregister with an unknown varint field 9 and unknown bytes in field 15 of the envelope.
  CHECK(wire::decode_sink_message(sealed("\x08\x01\x3a\x02\x48\x01\x7a\x03xyz"s)).ok());
}

TEST_CASE("wire header: the walk refuses what does not end within its object", "[wire]") {
  CHECK(wire::check_shape("").ok());
  CHECK(wire::check_shape("\x08\x01\x52\x04\x1a\x02\x0a\x00"s).ok()); // frame { item { group {} } }
  for (const std::string& envelope :
       {"\x08"s,                                             // a varint without its byte
        "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"s, // a varint of 11 bytes
        "\x09\x01\x02"s,                                     // 3 of 8 fixed bytes
        "\x0d\x01"s,                                         // 1 of 4 fixed bytes
        "\x52\x05\x1a"s,                                     // 1 of 5 bytes
        "\x52\x02\x1a\x02\x0a\x00"s,                         // an item that reaches beyond its frame
        "\x52\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,     // a length of 2^64 - 1
        "\x53\x54"s})                                        // a group of proto2
    CHECK(wire::check_shape(envelope).code() == Code::corrupt);
}

} // namespace osync
