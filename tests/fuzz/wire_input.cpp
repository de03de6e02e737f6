#include "fuzz/wire_input.h"

#include <algorithm>
#include <array>

#include "wire/header.h"

namespace osync::test {
namespace {

using Bytes = std::span<const std::uint8_t>;

/// Takes up to `count` bytes from the front.
Bytes take(Bytes& from, std::size_t count) {
  const Bytes taken = from.first(std::min(count, from.size()));
  from = from.subspan(taken.size());
  return taken;
}

std::uint32_t little_endian(Bytes bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | bytes[i];
  return value;
}

} // namespace

Message message_of_input(std::span<const std::uint8_t> input) {
  const Bytes front = take(input, 2);
  const std::uint8_t flags = front.empty() ? 0 : front[0];
  const std::size_t parts = front.size() < 2 ? 0 : front[1];
  std::vector<std::size_t> lengths;
  std::size_t together = 0;
  for (std::size_t i = 0; i < parts; ++i) {
    lengths.push_back(little_endian(take(input, 4)));
    together += lengths.back();
  }
  const Bytes header = take(input, input.size() - std::min(together, input.size()));
  Message message;
  message.header.assign(header.begin(), header.end());
  if ((flags & flag_seal) != 0) wire::seal(message.header);
  for (const std::size_t length : lengths)
    message.payloads.push_back(Buffer::copy_of(std::as_bytes(take(input, length))));
  return message;
}

std::vector<std::uint8_t> input_of_message(const Message& message) {
  std::vector<std::uint8_t> input = {flag_seal, static_cast<std::uint8_t>(message.payloads.size())};
  for (const Buffer& part : message.payloads)
    for (unsigned shift = 0; shift < 32; shift += 8)
      input.push_back(static_cast<std::uint8_t>(part.size() >> shift));
  input.insert(input.end(), message.header.begin(), message.header.end() - wire::checksum_bytes);
  for (const Buffer& part : message.payloads)
    for (const std::byte byte : part.bytes()) input.push_back(static_cast<std::uint8_t>(byte));
  return input;
}

} // namespace osync::test
