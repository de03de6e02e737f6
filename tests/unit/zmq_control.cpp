// transport-zmq: the control part of each message, and options that do not fit together.
#include <catch2/catch.hpp>

#include <random>
#include <span>
#include <string>

#include "transport-zmq/control.h"
#include "transport-zmq/options.h"

using namespace osync;
using namespace osync::transport_zmq;

namespace {

std::optional<Control> decode_text(const std::string& bytes, std::string& wrong) {
  return decode(std::as_bytes(std::span(bytes)), wrong);
}

Nonce some_nonce() {
  Nonce nonce{};
  for (std::size_t i = 0; i < nonce.size(); ++i) nonce[i] = static_cast<std::uint8_t>(250 + i);
  return nonce;
}

} // namespace

TEST_CASE("zmq control parts survive the wire", "[zmq]") {
  for (const Kind kind : {Kind::hello, Kind::welcome, Kind::data, Kind::keep_alive, Kind::goodbye}) {
    Control sent;
    sent.kind = kind;
    if (kind == Kind::hello || kind == Kind::welcome) sent.nonce = some_nonce();
    if (kind == Kind::goodbye) sent.reason = "a reason";
    const std::string bytes = encode(sent);
    REQUIRE(bytes.size() <= max_control);
    std::string wrong;
    const auto got = decode_text(bytes, wrong);
    INFO(wrong);
    REQUIRE(got.has_value());
    CHECK(got->kind == kind);
    CHECK(got->nonce == sent.nonce);
    CHECK(got->reason == sent.reason);
  }
}

TEST_CASE("zmq goodbyes are cut to their bound", "[zmq]") {
  std::string wrong;
  const auto got = decode_text(encode({Kind::goodbye, {}, std::string(5000, 'r')}), wrong);
  REQUIRE(got.has_value());
  CHECK(got->reason == std::string(max_reason, 'r'));
}

TEST_CASE("zmq control parts that are wrong are refused with what was found", "[zmq]") {
  std::string wrong;
  const std::string hello = encode({Kind::hello, some_nonce(), {}});
  for (std::size_t size = 0; size < hello.size(); ++size) {
    CAPTURE(size);
    wrong.clear();
    CHECK(!decode_text(hello.substr(0, size), wrong).has_value());
    CHECK(!wrong.empty());
  }
  CHECK(!decode_text(hello + "x", wrong).has_value());
  CHECK(!decode_text(encode({Kind::data, {}, {}}) + "x", wrong).has_value());
  CHECK(!decode_text(encode({Kind::goodbye, {}, std::string(max_reason, 'r')}) + "x", wrong).has_value());

  std::string other_version = hello;
  other_version[2] = 9;
  CHECK(!decode_text(other_version, wrong).has_value());
  CHECK(wrong.find("version 9") != std::string::npos);
  CHECK(wrong.find("expected version 1") != std::string::npos);
  std::string other_kind = hello;
  for (const char kind : {'\0', '\6', '\xff'}) {
    other_kind[3] = kind;
    CHECK(!decode_text(other_kind, wrong).has_value());
  }
}

TEST_CASE("zmq control parts of random bytes do no harm", "[zmq]") {
  std::mt19937 state(4711);
  std::string wrong;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes(state() % 230, '\0');
    for (char& c : bytes) c = static_cast<char>(state());
    if (i % 2 == 0 && bytes.size() >= 3) bytes.replace(0, 3, "oz\1");
    const auto got = decode_text(bytes, wrong);
    if (got && encode(*got) != bytes) FAIL("decoded to something else in round " << i);
  }
}

TEST_CASE("zmq options that do not fit together are refused", "[zmq]") {
  constexpr std::int64_t second = 1'000'000'000;
  OptionValues values = {{"io_threads", std::int64_t{1}},
                         {"heartbeat", 2 * second},
                         {"peer_timeout", 4 * second},
                         {"queue", std::int64_t{1000}},
                         {"linger", second}};
  const Result<Options> options = read_options(values);
  REQUIRE(options.ok());
  CHECK(options.value().heartbeat == milliseconds(2000));
  CHECK(options.value().peer_timeout == milliseconds(4000));
  CHECK(options.value().linger == milliseconds(1000));
  values.set("peer_timeout", 4 * second - 1'000'000);
  CHECK(read_options(values).status().code() == Code::invalid);
}
