#include "cli/plugins_command.h"

#include <algorithm>
#include <ostream>
#include <string_view>
#include <vector>

#include "base/escape.h"
#include "cli/exit_codes.h"
#include "config/mistakes.h"
#include "config/values.h"
#include "loader/descriptor_check.h"

namespace osync::cli {
namespace {

using Row = std::vector<std::string>;

/// Rows in aligned columns, the last one as long as it likes.
void print_table(const std::vector<Row>& rows, std::ostream& out) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    out << line.substr(0, line.find_last_not_of(' ') + 1) << "\n";
  }
}

std::string searched(const loader::PluginLoader& loader) {
  std::string text = "searched ";
  for (const std::string& directory : loader.directories())
    text += (&directory == &loader.directories().front() ? "" : ", ") + escape_path(directory);
  return text;
}

std::string shown(const char* text) { return text == nullptr || *text == '\0' ? "-" : escape_path(text); }

Row option_row(const OptionSpec& spec) {
  return {shown(spec.name),  std::string(config::type_name(spec.type)),
          shown(spec.unit),  spec.default_value == nullptr ? "(required)" : shown(spec.default_value),
          shown(spec.range), shown(spec.help)};
}

} // namespace

int run_plugins_list(const loader::PluginLoader& loader, std::ostream& out, std::ostream& err) {
  std::vector<Row> rows = {{"NAME", "KIND", "VERSION", "FILE"}};
  for (const loader::FoundPlugin& found : loader.list()) {
    const std::string file =
        escape_path(found.file) + (found.shadowed ? " (not used: an earlier one has this name)" : "");
    if (!found.plugin.ok()) {
      rows.push_back(
          {found.name, "refused", "-", file + ": " + escape_path(found.plugin.status().message())});
      continue;
    }
    const PluginDescriptor& descriptor = *found.plugin.value().descriptor;
    rows.push_back({found.name, loader::kind_name(descriptor.kind), shown(descriptor.version), file});
  }
  if (rows.size() == 1)
    err << "no plugins found; " << searched(loader) << "\n";
  else
    print_table(rows, out);
  return exit_done;
}

int run_plugins_inspect(const loader::PluginLoader& loader, const std::string& name, std::ostream& out,
                        std::ostream& err) {
  const auto plugin = loader.find(name);
  if (!plugin.ok() && (plugin.status().code() == Code::not_found || !config::valid_plugin_name(name))) {
    const std::vector<std::string> names = loader.names();
    const std::vector<std::string_view> views(names.begin(), names.end());
    err << "plugins inspect: found no plugin " << config::quoted(name) << ", expected "
        << (names.empty() ? "one that is installed" : config::expected_name(name, views)) << "; "
        << searched(loader) << "\n";
    return exit_usage;
  }
  if (!plugin.ok()) {
    err << "plugins inspect: " << escape_path(plugin.status().to_string()) << "\n";
    return exit_usage;
  }
  const PluginDescriptor& descriptor = *plugin.value().descriptor;
  print_table({{"name", shown(descriptor.name)},
               {"kind", loader::kind_name(descriptor.kind)},
               {"version", shown(descriptor.version)},
               {"summary", shown(descriptor.summary)},
               {"file", escape_path(plugin.value().file)}},
              out);
  if (descriptor.option_count == 0) {
    out << "\nno options\n";
    return exit_done;
  }
  std::vector<Row> rows = {{"OPTION", "TYPE", "UNIT", "DEFAULT", "RANGE", "HELP"}};
  for (std::size_t i = 0; i < descriptor.option_count; ++i) rows.push_back(option_row(descriptor.options[i]));
  out << "\n";
  print_table(rows, out);
  return exit_done;
}

} // namespace osync::cli
