// Showing raw bytes to people: paths and names may hold anything but NUL and '/'.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace osync {

/// `bytes` with everything that does not print as `\xNN` (lower-case hex) and '\' as `\\`. Valid UTF-8 sequences of
/// printable characters stay as they are; control characters, DEL and malformed bytes are escaped.
[[nodiscard]] std::string escape_path(std::string_view bytes);

/// Whether `bytes` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF).
[[nodiscard]] bool is_utf8(std::string_view bytes);

/// RFC 4648 base64 with padding.
[[nodiscard]] std::string base64(std::string_view bytes);

/// The reverse; what is no base64 ends it.
[[nodiscard]] std::string from_base64(std::string_view text);

} // namespace osync
