#include "inotify_decode.h"

#include <sys/inotify.h>

#include <cstring>

namespace osync::inotify {

static_assert(sizeof(struct inotify_event) == record_header_bytes);

Decoded decode_record(std::span<const std::byte> bytes, RawRecord& record, std::size_t& size) noexcept {
  if (bytes.empty()) return Decoded::end;
  if (bytes.size() < record_header_bytes) return Decoded::malformed;
  struct inotify_event header;
  std::memcpy(&header, bytes.data(), record_header_bytes); // the bytes may stand at any alignment

  const std::span<const std::byte> rest = bytes.subspan(record_header_bytes);
  if (header.len > rest.size()) return Decoded::malformed;
  std::string_view name;
  if (header.len > 0) {
    const auto* text = reinterpret_cast<const char*>(rest.data());
    const void* nul = std::memchr(text, '\0', header.len);
    if (nul == nullptr) return Decoded::malformed;
    name = {text, static_cast<std::size_t>(static_cast<const char*>(nul) - text)};
  }
  record = {header.wd, header.mask, header.cookie, name};
  size = record_header_bytes + header.len;
  return Decoded::record;
}

} // namespace osync::inotify
