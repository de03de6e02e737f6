// The plugin's own few bytes at the beginning of each message: what kind of message it is, and whose.
//
//   "oz" | version (1 byte) | kind (1 byte) | hello, welcome: nonce (16 bytes) | goodbye: reason (0 .. 200
//   bytes of text)
//
// A connection begins with hello (connecting side) and welcome (listening side, same nonce); nothing else
// counts before. Either side says keep_alive when it has sent nothing for a while, and goodbye as its last
// word.
//
// Pure; any thread. Every byte of what is decoded is taken as hostile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace osync::transport_zmq {

inline constexpr std::uint8_t control_version = 1;
inline constexpr std::size_t max_reason = 200;             ///< bytes of a goodbye's reason
inline constexpr std::size_t max_control = 4 + max_reason; ///< bytes of the longest control part

enum class Kind : std::uint8_t { hello = 1, welcome = 2, data = 3, keep_alive = 4, goodbye = 5 };

using Nonce = std::array<std::uint8_t, 16>; ///< random; names one connection

struct Control {
  Kind kind = Kind::keep_alive;
  Nonce nonce{};      ///< of hello and welcome
  std::string reason; ///< of goodbye; empty: an ordinary end
};

/// `control` as bytes; a reason is cut at max_reason.
[[nodiscard]] std::string encode(const Control& control);

/// What `bytes` say. None where they are not a control part of this version; `wrong` then tells what was
/// found and what was expected.
[[nodiscard]] std::optional<Control> decode(std::span<const std::byte> bytes, std::string& wrong);

} // namespace osync::transport_zmq
