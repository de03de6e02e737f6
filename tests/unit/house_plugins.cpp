// The shape of every plugin folder, its README's option table against its descriptor, and the pipelines in
// config/.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "cli/check_command.h"
#include "config/pipeline_file.h"
#include "config/stages.h"
#include "config/values.h"
#include "loader/plugin_loader.h"
#include "support/paths.h"
#include "support/temporary.h"

using namespace osync;
namespace fs = std::filesystem;

namespace {

using Row = std::vector<std::string>;

const fs::path plugins = fs::path(test::source_directory()) / "plugins";

std::vector<std::string> plugin_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(plugins))
    if (fs::exists(entry.path() / "CMakeLists.txt")) names.push_back(entry.path().filename().string());
  return names;
}

/// A table cell without its Markdown: code marks, quoted bars, a lone dash for nothing.
std::string plain(std::string cell) {
  std::string text;
  for (std::size_t i = 0; i < cell.size(); ++i) {
    if (cell[i] == '`') continue;
    if (cell[i] == '\\' && i + 1 < cell.size() && cell[i + 1] == '|') continue;
    text += cell[i];
  }
  const std::size_t begin = text.find_first_not_of(' ');
  text = begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
  if (text.ends_with('.')) text.pop_back();
  return text == "-" ? "" : text;
}

/// The cells of one line of a Markdown table; none for any other line.
Row cells_of(const std::string& line) {
  Row cells;
  if (!line.starts_with("|")) return cells;
  std::string cell;
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] != '|' || line[i - 1] == '\\') {
      cell += line[i];
      continue;
    }
    cells.push_back(plain(cell));
    cell.clear();
  }
  return cells;
}

/// The rows of the README's table that begins with the column "option".
std::vector<Row> readme_table(const std::string& readme) {
  std::vector<Row> rows;
  std::istringstream lines(readme);
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    const Row cells = cells_of(line);
    if (cells.empty()) {
      inside = false;
    } else if (cells == Row{"option", "type", "unit", "default", "range", "help"}) {
      inside = true;
      std::getline(lines, line); // the line of dashes
    } else if (inside) {
      rows.push_back(cells);
    }
  }
  return rows;
}

std::vector<Row> descriptor_table(const PluginDescriptor& descriptor) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < descriptor.option_count; ++i) {
    const OptionSpec& spec = descriptor.options[i];
    rows.push_back({spec.name, std::string(config::type_name(spec.type)), plain(spec.unit),
                    spec.default_value == nullptr ? "required" : plain(spec.default_value), plain(spec.range),
                    plain(spec.help)});
  }
  return rows;
}

std::string text_of(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) {
    for (const std::string& cell : row) text += "| " + cell + " ";
    text += "|\n";
  }
  return text;
}

} // namespace

TEST_CASE("house: every plugin folder has the one shape, and its README tells its options") {
  const loader::PluginLoader loader({test::binary_directory() + "/plugins"}, false);
  const std::vector<std::string> names = plugin_names();
  CHECK_FALSE(names.empty());
  for (const std::string& name : names) {
    INFO("plugins/" << name);
    CHECK(fs::exists(plugins / name / "plugin.cpp"));
    REQUIRE(fs::exists(plugins / name / "README.md"));
    const auto plugin = loader.find(name);
    INFO(plugin.status().to_string());
    REQUIRE(plugin.ok());
    const PluginDescriptor& descriptor = *plugin.value().descriptor;
    CHECK(config::check_table({descriptor.options, descriptor.option_count}) == "");
    CHECK(text_of(readme_table(test::read_file(plugins / name / "README.md"))) ==
          text_of(descriptor_table(descriptor)));
  }
}

TEST_CASE("house: README tables are read as Markdown") {
  const auto rows = readme_table(
      "# x\n\n| option | type | unit | default | range | help |\n| --- | --- | --- | --- | --- | --- |\n"
      "| `mode` | choice | - | `fast` | `fast\\|safe` | How it works. |\n\n| other | table |\n");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0] == Row{"mode", "choice", "", "fast", "fast|safe", "How it works"});
}

TEST_CASE("house: every pipeline in config/ is right") {
  const char* const before = std::getenv("OSYNC_PLUGIN_PATH");
  const std::string restore = before == nullptr ? "" : before;
  setenv("OSYNC_PLUGIN_PATH", (test::binary_directory() + "/plugins").c_str(), 1);
  const auto environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "OSYNC_SOURCE") return "/srv/photos";
    if (name == "OSYNC_REPLICA") return "/backup/photos";
    return std::nullopt;
  };
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(test::source_directory()) / "config")) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    const cli::CheckedPipeline checked = cli::check_pipeline_file(entry.path(), {}, environment);
    CHECK(checked.mistakes.to_string() == "");
    CHECK(checked.insecure.to_string() == "");
  }
  CHECK(files >= 2);
  if (before == nullptr)
    unsetenv("OSYNC_PLUGIN_PATH");
  else
    setenv("OSYNC_PLUGIN_PATH", restore.c_str(), 1);
}
