// Whether a descriptor found in a shared object is one that this osync can use.
// Pure; any thread.
#pragma once

#include <cstddef>
#include <string>

#include "osync/plugin.h"
#include "osync/status.h"

namespace osync::loader {

/// Checks magic, version, size, fingerprint, kind, name and the rest, in this order, reading of the `bytes`
/// bytes at `descriptor` only what the checks before have shown to be there. `file` goes into messages; the
/// name has to be that of the file. Errors: corrupt (no descriptor), unsupported (built for another osync),
/// invalid (a wrong field); each says what was found, what is expected and what to do.
[[nodiscard]] Status check_descriptor(const PluginDescriptor* descriptor, std::size_t bytes,
                                      const std::string& file);

/// "watcher", "policy", "transport" or "sink"; "unknown" for anything else.
[[nodiscard]] const char* kind_name(PluginKind kind);

} // namespace osync::loader
