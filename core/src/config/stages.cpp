#include "config/stages.h"

#include <algorithm>
#include <set>

#include "config/values.h"

namespace osync::config {
namespace {

const OptionSpec* find_option(std::span<const OptionSpec> table, std::string_view name) {
  for (const OptionSpec& spec : table)
    if (spec.name == name) return &spec;
  return nullptr;
}

/// The keys that may stand in a stage beside its plugin's options, for the nearest known one.
std::vector<std::string_view> keys_of(const Stage& stage) {
  if (stage.key == "watcher") return {"plugin", "fallback", "options"};
  if (stage.key.ends_with("transport")) return {"plugin", "listen", "connect", "insecure", "options"};
  return {"plugin", "options"};
}

void report_unknown(const RawOption& option, const Stage& stage, std::span<const OptionSpec> table,
                    Mistakes& mistakes) {
  std::vector<std::string_view> known;
  for (const OptionSpec& spec : table) known.emplace_back(spec.name);
  std::string found = "an unknown option of " + stage.plugin.text;
  const std::vector<std::string_view> keys = keys_of(stage);
  std::string_view best = nearest(option.name, known);
  if (best.empty()) best = nearest(option.name, keys);
  mistakes.add(option.value.place, option.value.key, std::move(found),
               best.empty() ? expected_name(option.name, known) : std::string(best));
}

/// Reports the plugin as absent or refused, at the place where it is named.
void report_plugin(const Stage& stage, const Status& status, Mistakes& mistakes) {
  mistakes.add(stage.plugin.place, stage.plugin.key,
               quoted(stage.plugin.text) + " (" + status.to_string() + ")", "a plugin that can be loaded");
}

void validate_stage(const Stage& stage, PluginKind kind, const OptionTables& tables, Mistakes& mistakes) {
  const auto table = tables(kind, stage.plugin.text);
  if (!table.ok())
    report_plugin(stage, table.status(), mistakes);
  else
    (void)validate_options(table.value(), stage, mistakes);
}

void validate_automatic_watcher(const Watcher& watcher, const OptionTables& tables, Mistakes& mistakes) {
  std::vector<RawOption> unknown = watcher.options;
  std::optional<std::span<const OptionSpec>> first;
  Status last;
  for (const std::string& plugin : watcher_plugins(watcher)) {
    const auto table = tables(PluginKind::watcher, plugin);
    if (!table.ok()) {
      // One that is not installed is no mistake as long as another one is; one that is refused always is.
      if (table.status().code() != Code::not_found) report_plugin(watcher, table.status(), mistakes);
      last = table.status();
      continue;
    }
    if (!first) first = table.value();
    (void)validate_options(table.value(), watcher_stage(watcher, plugin, table.value()), mistakes);
    std::erase_if(
        unknown, [&](const RawOption& option) { return find_option(table.value(), option.name) != nullptr; });
  }
  if (!first)
    report_plugin(watcher, last, mistakes);
  else
    for (const RawOption& option : unknown) report_unknown(option, watcher, *first, mistakes);
}

/// The place in the pipeline that a setting's stage names; null and a mistake where there is none.
Stage* find_stage(Pipeline& pipeline, const Scalar& setting, std::string_view stage, Mistakes& mistakes) {
  if (stage == "watcher") return &pipeline.watcher;
  if (stage == "policy") return &pipeline.policy;
  const std::size_t dot = stage.rfind('.');
  const std::string_view part = dot == std::string_view::npos ? stage : stage.substr(dot + 1);
  Replica* replica = nullptr;
  if (dot == std::string_view::npos) {
    if (pipeline.replicas.size() == 1) replica = &pipeline.replicas.begin()->second;
  } else if (stage.starts_with("replicas.")) {
    const std::string_view prefix = "replicas.";
    const auto found = dot < prefix.size()
                           ? pipeline.replicas.end()
                           : pipeline.replicas.find(std::string(stage.substr(0, dot).substr(prefix.size())));
    if (found != pipeline.replicas.end()) replica = &found->second;
  }
  if (replica != nullptr && part == "transport") return &replica->transport;
  if (replica != nullptr && part == "sink") return &replica->sink;
  std::string expected = "watcher, policy";
  if (pipeline.replicas.size() == 1) expected += ", transport, sink";
  for (const auto& [name, unused] : pipeline.replicas)
    expected += ", replicas." + name + ".transport, replicas." + name + ".sink";
  mistakes.add(setting.place, setting.key, "an unknown stage " + quoted(stage), "one of " + expected);
  return nullptr;
}

/// Sets one of the stage's own keys; false where `name` is none of them.
bool set_own_key(Stage& stage, std::string_view name, const Scalar& value, Mistakes& mistakes) {
  const auto keys = keys_of(stage);
  if (name == "options" || std::find(keys.begin(), keys.end(), name) == keys.end()) return false;
  if (name == "plugin" || name == "fallback") {
    if (!valid_plugin_name(value.text))
      mistakes.add(value, "the name of a plugin");
    else if (name == "plugin")
      stage.plugin = value;
    else
      static_cast<Watcher&>(stage).fallback = value.text;
    return true;
  }
  auto& transport = static_cast<Transport&>(stage);
  if (name == "listen" || name == "connect") {
    if (value.text.find("://") == std::string::npos)
      mistakes.add(value, "an endpoint such as tcp://127.0.0.1:5570");
    else
      (name == "listen" ? transport.listen : transport.connect) = value;
  } else if (const auto read = read_value(OptionType::boolean, "", value, mistakes))
    transport.insecure = std::get<bool>(*read);
  return true;
}

} // namespace

OptionValues validate_options(std::span<const OptionSpec> table, const Stage& stage, Mistakes& mistakes) {
  OptionValues values;
  for (const RawOption& option : stage.options) {
    const OptionSpec* const spec = find_option(table, option.name);
    if (spec == nullptr)
      report_unknown(option, stage, table, mistakes);
    else if (auto value = read_value(spec->type, spec->range, option.value, mistakes))
      values.set(option.name, std::move(*value));
  }
  for (const OptionSpec& spec : table) {
    const auto given = [&](const RawOption& option) { return option.name == spec.name; };
    if (std::any_of(stage.options.begin(), stage.options.end(), given)) continue;
    const std::string key = stage.key + "." + spec.name;
    if (spec.default_value == nullptr) {
      mistakes.add(stage.place, key, "nothing",
                   expected_value(spec.type, spec.range) + " (" + spec.help + ")");
      continue;
    }
    const Scalar standard{spec.default_value, key, stage.place};
    // An empty text is the way to say that an optional path is not given.
    const bool not_given =
        standard.text.empty() && (spec.type == OptionType::path || spec.type == OptionType::choice);
    if (not_given)
      values.set(spec.name, std::string());
    else if (auto value = read_value(spec.type, spec.range, standard, mistakes))
      values.set(spec.name, std::move(*value));
  }
  return values;
}

std::string check_table(std::span<const OptionSpec> table) {
  std::set<std::string_view> names;
  for (const OptionSpec& spec : table) {
    if (spec.name == nullptr || spec.unit == nullptr || spec.range == nullptr || spec.help == nullptr)
      return "an option has a null text";
    const std::string_view name = spec.name;
    if (name.empty() ||
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string_view::npos)
      return "the option " + quoted(name) + " is not snake_case";
    if (!names.insert(name).second) return "the option " + quoted(name) + " stands twice";
    if (type_name(spec.type) == "unknown") return "the option " + quoted(name) + " is of no known type";
    if (spec.type == OptionType::choice && *spec.range == '\0')
      return "the choice " + quoted(name) + " has no range";
  }
  Mistakes mistakes;
  Stage stage;
  for (const OptionSpec& spec : table) // required ones are given by users; here only defaults count
    if (spec.default_value != nullptr) (void)validate_options(std::span(&spec, 1), stage, mistakes);
  return mistakes.empty() ? std::string() : "a default is wrong: " + mistakes.all().front().to_string();
}

std::vector<std::string> watcher_plugins(const Watcher& watcher) {
  if (watcher.plugin.text != automatic) return {watcher.plugin.text};
  return {"watch-fanotify", "watch-inotify"};
}

Stage watcher_stage(const Watcher& watcher, const std::string& plugin, std::span<const OptionSpec> table) {
  Stage stage = watcher;
  if (watcher.plugin.text != automatic) return stage;
  stage.plugin.text = plugin;
  std::erase_if(stage.options,
                [&](const RawOption& option) { return find_option(table, option.name) == nullptr; });
  return stage;
}

void validate_stages(const Pipeline& pipeline, const OptionTables& tables, Mistakes& mistakes) {
  if (pipeline.watcher.plugin.text == automatic)
    validate_automatic_watcher(pipeline.watcher, tables, mistakes);
  else
    validate_stage(pipeline.watcher, PluginKind::watcher, tables, mistakes);
  if (pipeline.watcher.fallback != no_fallback) {
    Stage fallback;
    fallback.plugin = {pipeline.watcher.fallback, "watcher.fallback", pipeline.watcher.place};
    if (const auto table = tables(PluginKind::watcher, pipeline.watcher.fallback); !table.ok())
      report_plugin(fallback, table.status(), mistakes);
  }
  validate_stage(pipeline.policy, PluginKind::policy, tables, mistakes);
  for (const auto& [name, replica] : pipeline.replicas) {
    validate_stage(replica.transport, PluginKind::transport, tables, mistakes);
    validate_stage(replica.sink, PluginKind::sink, tables, mistakes);
  }
}

void apply_setting(Pipeline& pipeline, const std::string& setting, Mistakes& mistakes) {
  const Place place{"--set", 0, 0};
  const std::size_t equals = setting.find('=');
  const std::size_t dot = setting.substr(0, equals).rfind('.');
  if (equals == std::string::npos || dot == std::string::npos || dot == 0 || dot + 1 == equals) {
    mistakes.add(place, "setting", quoted(setting),
                 "stage.option=value, for example policy.max_staleness=15min");
    return;
  }
  const Scalar value{setting.substr(equals + 1), setting.substr(0, equals), place};
  const std::string name = setting.substr(dot + 1, equals - dot - 1);
  Stage* const stage = find_stage(pipeline, value, std::string_view(setting).substr(0, dot), mistakes);
  if (stage == nullptr || set_own_key(*stage, name, value, mistakes)) return;
  std::erase_if(stage->options, [&](const RawOption& option) { return option.name == name; });
  stage->options.push_back({name, value});
}

} // namespace osync::config
