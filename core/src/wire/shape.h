// Counts the objects in an envelope before protobuf allocates them: two hostile bytes can ask for an object
// of well over a hundred, so the size of the header alone is no bound on memory. Thread-safety: stateless.
// Bounds: max_object_bytes; depth is that of the schema.
#pragma once

#include <string_view>

#include "osync/status.h"

namespace osync::wire {

/// Walks the envelope's fields without allocating. Errors: corrupt (malformed, or objects beyond max_object_bytes).
[[nodiscard]] Status check_shape(std::string_view envelope);

} // namespace osync::wire
