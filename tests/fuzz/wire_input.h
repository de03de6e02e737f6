// A message as one string of bytes, so that a fuzzer can change it:
//
//   1 byte of flags | 1 byte: number of payload parts | each part's length, 4 bytes little-endian | header |
//   parts
//
// The header is without its checksum where `flag_seal` is set: a right one is then added, so that damage gets
// past it. Lengths that do not fit are cut to what is left; every input is some message. Thread-safety:
// stateless. Bounds: at most 255 parts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "osync/transport.h"

namespace osync::test {

inline constexpr std::uint8_t flag_seal = 1;

/// The message that `input` stands for.
Message message_of_input(std::span<const std::uint8_t> input);

/// An input that stands for `message`, sealed anew.
std::vector<std::uint8_t> input_of_message(const Message& message);

} // namespace osync::test
