// A look at a shared object before the dynamic linker maps it.
// Thread-safety: any thread.
#pragma once

#include <string>

#include "osync/status.h"

namespace osync::loader {

/// Ok where `path` is an ELF shared object for this machine and as long as its program headers say. dlopen(3)
/// maps a file that was cut short (a copy that is still running, a full disk) without a look and ends the
/// process with SIGBUS. Errors: corrupt, saying what was found and expected; invalid (no regular file); those
/// of open(2) and pread(2).
[[nodiscard]] Status check_shared_object(const std::string& path);

} // namespace osync::loader
