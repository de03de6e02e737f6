// Random identities of sources and replicas, and their text form.
#pragma once

#include <string>
#include <string_view>

#include "osync/sink.h"
#include "osync/status.h"

namespace osync {

/// A random UUID (version 4, RFC 9562) from getrandom(2). Any thread.
[[nodiscard]] Uuid random_uuid();

/// A random non-zero number for session and connection ids. Any thread.
[[nodiscard]] std::uint64_t random_number();

/// 8-4-4-4-12 hex digits in lower case.
[[nodiscard]] std::string to_text(const Uuid& uuid);

/// The reverse of to_text. Errors: invalid.
[[nodiscard]] Result<Uuid> parse_uuid(std::string_view text);

} // namespace osync
