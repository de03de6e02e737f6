// Both decoders on any bytes: LLVMFuzzerTestOneInput, for libFuzzer or for driver.cpp.
//
// The input is a message (see wire_input.h). Whatever it is, decoding must neither crash nor take memory
// beyond its bounds; and what decodes must encode to something that decodes to the same again.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "fuzz/wire_input.h"
#include "support/random_messages.h"
#include "wire/codec.h"

namespace {

template <class Decode>
void check(const osync::Message& message, const char* side, Decode decode) {
  const auto first = decode(message);
  if (!first.ok()) return;
  const auto second = decode(osync::wire::encode(first.value()));
  const std::string difference =
      second.ok() ? osync::test::difference(first.value(), second.value()) : second.status().to_string();
  if (difference.empty()) return;
  std::fprintf(stderr, "a decoded %s message does not survive encoding: %s\n", side, difference.c_str());
  std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const osync::Message message = osync::test::message_of_input({data, size});
  check(message, "sink", osync::wire::decode_sink_message);
  check(message, "source", osync::wire::decode_source_message);
  return 0;
}
