// The environment as a function, so that tests need not change the process's own, and ${NAME} in values.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "config/mistakes.h"

namespace osync::config {

/// The value of an environment variable, or nothing where it is unset.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// getenv(3). Any thread, as long as none changes the environment.
[[nodiscard]] Environment process_environment();

/// `scalar.text` with ${NAME} replaced by the variable's value (once: what comes in is not looked at again)
/// and $$ by a dollar. An unset variable, a malformed ${...}, a lone dollar and a result beyond
/// scalar_bytes_bound are mistakes: nothing is returned then. Pure.
[[nodiscard]] std::optional<std::string> expand(const Scalar& scalar, const Environment& environment,
                                                Mistakes& mistakes);

} // namespace osync::config
