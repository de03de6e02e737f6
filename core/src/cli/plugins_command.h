// `osync plugins` and `osync plugins inspect NAME`: what is found, where, and what it can be told.
// One thread; loads every plugin that it shows.
#pragma once

#include <iosfwd>
#include <string>

#include "loader/plugin_loader.h"

namespace osync::cli {

/// Prints one line a plugin file of the search path: name, kind, version, file; for one that is refused, why.
/// Where nothing is found `err` says where it was searched. Returns 0.
[[nodiscard]] int run_plugins_list(const loader::PluginLoader& loader, std::ostream& out, std::ostream& err);

/// Prints what the plugin says about itself and its option table. Returns 0; 2 for a plugin that is not found
/// (with where it was searched and the nearest name) or is refused.
[[nodiscard]] int run_plugins_inspect(const loader::PluginLoader& loader, const std::string& name,
                                      std::ostream& out, std::ostream& err);

} // namespace osync::cli
