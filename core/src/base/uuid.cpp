#include "base/uuid.h"

#include <cstdlib>
#include <cstring>
#include <sys/random.h>

namespace osync {
namespace {

void fill_random(void* bytes, std::size_t size) {
  // getrandom(2) with up to 256 bytes and the pool initialised neither fails nor is interrupted.
  if (getrandom(bytes, size, 0) != static_cast<ssize_t>(size)) std::abort();
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

} // namespace

Uuid random_uuid() {
  Uuid uuid{};
  fill_random(uuid.data(), uuid.size());
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0f) | 0x40);
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

std::uint64_t random_number() {
  std::uint64_t number = 0;
  while (number == 0) fill_random(&number, sizeof number);
  return number;
}

std::string to_text(const Uuid& uuid) {
  constexpr char hex[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += hex[uuid[i] >> 4];
    text += hex[uuid[i] & 15];
  }
  return text;
}

Result<Uuid> parse_uuid(std::string_view text) {
  const Status bad(Code::invalid, "found \"" + std::string(text.substr(0, 64)) + "\", expected a UUID like "
                                      "01234567-89ab-4cde-8f01-23456789abcd");
  if (text.size() != 36) return bad;
  Uuid uuid{};
  std::size_t position = 0;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if ((i == 4 || i == 6 || i == 8 || i == 10) && text[position++] != '-') return bad;
    const int high = hex_value(text[position++]), low = hex_value(text[position++]);
    if (high < 0 || low < 0) return bad;
    uuid[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return uuid;
}

} // namespace osync
