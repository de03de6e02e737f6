#include "cli/check_command.h"

#include <optional>
#include <ostream>
#include <span>
#include <string_view>

#include "base/escape.h"
#include "cli/exit_codes.h"
#include "config/pipeline_file.h"
#include "config/stages.h"
#include "loader/plugin_object.h"
#include "osync/policy.h"
#include "osync/transport.h"

namespace osync::cli {
namespace {

/// For objects that are only asked a question: what they say while they are made comes again when the
/// pipeline runs.
class SilentLogger final : public Logger {
 public:
  void log(LogLevel, std::string_view) noexcept override {}
  [[nodiscard]] bool enabled(LogLevel) const noexcept override { return false; }
};

std::span<const OptionSpec> table_of(const loader::LoadedPlugin& plugin) {
  return {plugin.descriptor->options, plugin.descriptor->option_count};
}

/// The option table of a plugin; an absent one comes with the nearest name that there is.
Result<std::span<const OptionSpec>> find_table(const loader::PluginLoader& loader, PluginKind kind,
                                               const std::string& name) {
  const auto plugin = loader.find(name, kind);
  if (!plugin.ok() && plugin.status().code() == Code::not_found) {
    const std::vector<std::string> names = loader.names();
    const std::vector<std::string_view> views(names.begin(), names.end());
    const std::string_view near = config::nearest(name, views);
    if (!near.empty())
      return Status(Code::not_found,
                    std::string(plugin.status().message()) + "; the nearest name is " + std::string(near));
  }
  if (!plugin.ok()) return plugin.status();
  const auto table = table_of(plugin.value());
  if (const std::string problem = config::check_table(table); !problem.empty())
    return Status(Code::invalid, "its option table is wrong: " + problem, plugin.value().file);
  return table;
}

/// Makes an object of a stage that is valid so far, since some rules tie several options together and only
/// the plugin knows them. Empty where it cannot be made; a mistake then says why, unless one was reported
/// before.
template <class Interface>
loader::PluginObject<Interface> try_stage(const config::Stage& stage, CheckedPipeline& checked,
                                          Logger& logger) {
  const auto plugin = checked.loader->find(stage.plugin.text, loader::kind_of<Interface>);
  if (!plugin.ok() || !config::check_table(table_of(plugin.value())).empty()) return {};
  config::Mistakes reported_before;
  const OptionValues options = config::validate_options(table_of(plugin.value()), stage, reported_before);
  if (!reported_before.empty()) return {};
  const PluginContext context{&logger, &options, stage.key.c_str()};
  auto made = loader::PluginObject<Interface>::create(*plugin.value().descriptor, context);
  if (made.ok()) return std::move(made).value();
  checked.mistakes.add(stage.place, stage.key, config::quoted(made.status().to_string()),
                       "options that " + stage.plugin.text + " accepts together");
  return {};
}

void check_endpoint(const Transport& transport, const config::Transport& stage,
                    const std::optional<config::Scalar>& endpoint, CheckedPipeline& checked) {
  if (!endpoint) return;
  const Result<bool> local = transport.is_local(endpoint->text);
  if (!local.ok())
    checked.mistakes.add(*endpoint, "an endpoint of " + stage.plugin.text + " (" +
                                        escape_path(local.status().to_string()) + ")");
  else if (!local.value() && !stage.insecure)
    checked.insecure.add(endpoint->place, endpoint->key,
                         config::quoted(endpoint->text) + ", which leaves this host",
                         "a loopback, ipc or inproc endpoint, or insecure: true (nothing is encrypted yet)");
}

void check_objects(CheckedPipeline& checked) {
  SilentLogger logger;
  (void)try_stage<Policy>(checked.pipeline.policy, checked, logger);
  for (const auto& [name, replica] : checked.pipeline.replicas) {
    const auto transport = try_stage<Transport>(replica.transport, checked, logger);
    if (!transport) continue;
    check_endpoint(*transport, replica.transport, replica.transport.listen, checked);
    check_endpoint(*transport, replica.transport, replica.transport.connect, checked);
  }
}

void check_stages(CheckedPipeline& checked, const std::vector<std::string>& settings) {
  for (const std::string& setting : settings)
    config::apply_setting(checked.pipeline, setting, checked.mistakes);
  checked.loader =
      std::make_unique<loader::PluginLoader>(loader::PluginLoader::search_path(checked.pipeline.plugin_path));
  config::validate_stages(
      checked.pipeline,
      [&](PluginKind kind, const std::string& name) { return find_table(*checked.loader, kind, name); },
      checked.mistakes);
  check_objects(checked);
}

} // namespace

CheckedPipeline check_pipeline(config::Pipeline pipeline, const std::vector<std::string>& settings) {
  CheckedPipeline checked;
  checked.pipeline = std::move(pipeline);
  check_stages(checked, settings);
  return checked;
}

CheckedPipeline check_pipeline_file(const std::string& file, const std::vector<std::string>& settings,
                                    const config::Environment& environment) {
  CheckedPipeline checked;
  checked.pipeline = config::load_pipeline(file, environment, checked.mistakes);
  // Without any replica the file was too broken for its stages to mean anything.
  if (checked.pipeline.replicas.empty() && !checked.mistakes.empty()) {
    checked.loader = std::make_unique<loader::PluginLoader>(loader::PluginLoader::search_path());
    return checked;
  }
  check_stages(checked, settings);
  return checked;
}

int run_check(const std::string& file, const std::vector<std::string>& settings,
              const config::Environment& environment, std::ostream& out) {
  CheckedPipeline checked = check_pipeline_file(file, settings, environment);
  for (const config::Mistake& mistake : checked.insecure.all())
    checked.mistakes.add(mistake.place, mistake.key, mistake.found, mistake.expected);
  if (!checked.mistakes.empty()) {
    out << checked.mistakes.to_string();
    return exit_usage;
  }
  out << escape_path(file) << ": ok\n";
  return exit_done;
}

} // namespace osync::cli
