// The options of a pipeline's stages against the option tables of their plugins, and changes from the command
// line. Pure but for what the given functions do; any thread.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "config/mistakes.h"
#include "config/pipeline.h"
#include "osync/plugin.h"
#include "osync/status.h"

namespace osync::config {

/// The options of `stage` with the table's defaults filled in. Unknown and required options, wrong types and
/// values out of range are mistakes at the option's place; the result must then not be used.
[[nodiscard]] OptionValues validate_options(std::span<const OptionSpec> table, const Stage& stage,
                                            Mistakes& mistakes);

/// What is wrong with a table itself (a default that does not fit its own type, a name twice); empty:
/// nothing.
[[nodiscard]] std::string check_table(std::span<const OptionSpec> table);

/// The option table of a plugin, or why there is none (not found, with where it was searched; refused by the
/// loader).
using OptionTables =
    std::function<Result<std::span<const OptionSpec>>(PluginKind kind, const std::string& plugin)>;

/// Validates all stages. A plugin that cannot be had is one more mistake. With the watcher `auto` an option
/// has to suit at least one of the watchers found, and one has to be found.
void validate_stages(const Pipeline& pipeline, const OptionTables& tables, Mistakes& mistakes);

/// The options of `watcher` that the watcher `plugin` knows: what validate_options is to be given once `auto`
/// is decided. Unchanged where the plugin was named.
[[nodiscard]] Stage watcher_stage(const Watcher& watcher, const std::string& plugin,
                                  std::span<const OptionSpec> table);

/// Applies one `--set stage.option=value`: stage is watcher, policy, replicas.NAME.transport or
/// replicas.NAME.sink, or transport or sink where there is one replica; option one of the plugin's, or
/// plugin, fallback, listen, connect, insecure. A malformed one is a mistake.
void apply_setting(Pipeline& pipeline, const std::string& setting, Mistakes& mistakes);

} // namespace osync::config
