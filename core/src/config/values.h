// One value of the configuration, read from its text by type and range. The keys of the pipeline file and the
// options of plugins go through the same function, so that a size is a size everywhere. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/mistakes.h"
#include "osync/plugin.h"

namespace osync::config {

/// The value of `scalar`. `range` is that of OptionSpec: "MIN..MAX" in the notation of the type, either side
/// may be empty; "a|b|c" for choice; "" for any value. Paths are absolute, without NUL and at most 4095 bytes
/// (PATH_MAX). Nothing where it is not such a value; `mistakes` then says so.
[[nodiscard]] std::optional<OptionValue> read_value(OptionType type, std::string_view range,
                                                    const Scalar& scalar, Mistakes& mistakes);

/// What is expected of a value, for messages: "a size from 16MiB to 64GiB, for example 64MiB".
[[nodiscard]] std::string expected_value(OptionType type, std::string_view range);

/// The type's name as it stands in tables: "boolean", "integer", "size" ...
[[nodiscard]] std::string_view type_name(OptionType type);

/// Whether `name` may name a pipeline or a replica: 1 to 64 letters, digits, '-' and '_'. It becomes part of
/// paths.
[[nodiscard]] bool valid_instance_name(std::string_view name);

/// Whether `name` may name a plugin: 1 to 64 lower-case letters, digits, '-' and '_'.
[[nodiscard]] bool valid_plugin_name(std::string_view name);

} // namespace osync::config
