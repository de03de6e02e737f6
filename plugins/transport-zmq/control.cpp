#include "control.h"

#include <algorithm>
#include <cstring>

namespace osync::transport_zmq {
namespace {

constexpr std::size_t head_size = 4;

bool has_nonce(Kind kind) { return kind == Kind::hello || kind == Kind::welcome; }

} // namespace

std::string encode(const Control& control) {
  std::string bytes = {'o', 'z', static_cast<char>(control_version), static_cast<char>(control.kind)};
  if (has_nonce(control.kind))
    for (const std::uint8_t byte : control.nonce) bytes.push_back(static_cast<char>(byte));
  if (control.kind == Kind::goodbye) bytes.append(control.reason, 0, max_reason);
  return bytes;
}

std::optional<Control> decode(std::span<const std::byte> bytes, std::string& wrong) {
  const auto byte_at = [bytes](std::size_t i) { return std::to_integer<std::uint8_t>(bytes[i]); };
  if (bytes.size() < head_size || byte_at(0) != 'o' || byte_at(1) != 'z') {
    wrong = "a message that is not osync's (its first part has " + std::to_string(bytes.size()) + " bytes)";
    return std::nullopt;
  }
  if (byte_at(2) != control_version) {
    wrong = "version " + std::to_string(byte_at(2)) + " of the transport's protocol; expected version " +
            std::to_string(control_version) + ": install the same osync on both sides";
    return std::nullopt;
  }
  const std::uint8_t number = byte_at(3);
  if (number < static_cast<std::uint8_t>(Kind::hello) || number > static_cast<std::uint8_t>(Kind::goodbye)) {
    wrong = "message kind " + std::to_string(number) + "; expected 1 to 5";
    return std::nullopt;
  }
  Control control;
  control.kind = static_cast<Kind>(number);
  const std::span<const std::byte> rest = bytes.subspan(head_size);
  const std::size_t least = has_nonce(control.kind) ? control.nonce.size() : 0;
  const std::size_t most = control.kind == Kind::goodbye ? max_reason : least;
  if (rest.size() < least || rest.size() > most) {
    wrong = "a control part of " + std::to_string(bytes.size()) + " bytes for message kind " +
            std::to_string(number) + "; expected at most " + std::to_string(head_size + most) +
            " and at least " + std::to_string(head_size + least);
    return std::nullopt;
  }
  if (has_nonce(control.kind)) std::memcpy(control.nonce.data(), rest.data(), control.nonce.size());
  if (control.kind == Kind::goodbye)
    std::transform(rest.begin(), rest.end(), std::back_inserter(control.reason),
                   [](std::byte b) { return static_cast<char>(b); });
  return control;
}

} // namespace osync::transport_zmq
