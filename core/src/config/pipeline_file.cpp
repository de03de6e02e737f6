#include "config/pipeline_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>

#include "config/paths.h"
#include "config/section.h"
#include "config/values.h"
#include "config/yaml_tree.h"

namespace osync::config {
namespace {

constexpr std::string_view replica_keys[] = {"transport",  "sink",   "delete", "attributes",
                                             "durability", "limits", "control"};

void read_name(Section& section, std::string_view key, std::string& name, Reading& reading) {
  constexpr std::string_view expected = "a name of at most 64 letters, digits, - and _";
  if (section.take(key) == nullptr) {
    reading.mistakes.add(section.place(), section.key_of(key), "nothing", std::string(expected));
    return;
  }
  const auto given = section.scalar(key, expected);
  if (!given) return;
  if (valid_instance_name(given->text))
    name = given->text;
  else
    reading.mistakes.add(*given, std::string(expected));
}

void read_control(Section& parent, std::string& socket, Place& place, Reading& reading) {
  Section control = parent.section("control");
  place = control.place_of("socket");
  control.text("socket", OptionType::path, "", socket);
  if (socket.size() > socket_path_bound)
    reading.mistakes.add(place, control.key_of("socket"),
                         "a path of " + std::to_string(socket.size()) + " bytes",
                         "at most " + std::to_string(socket_path_bound) + " (sun_path, unix(7))");
  control.refuse_rest();
}

/// Whether `text` may stand where a plugin is named.
bool check_plugin_name(const Scalar& given, std::string_view also, Reading& reading) {
  if (valid_plugin_name(given.text)) return true;
  reading.mistakes.add(given, "the name of a plugin (lower-case letters, digits and -)" + std::string(also));
  return false;
}

/// The plugin, `options:`, and the other keys as options. Keys of the stage's own are taken before.
void read_stage(Section& section, Stage& stage, std::string_view key, const char* default_plugin,
                Reading& reading) {
  stage.key = key;
  stage.place = section.place();
  stage.plugin = {default_plugin, section.key_of("plugin"), section.place()};
  if (auto plugin = section.scalar("plugin", "the name of a plugin");
      plugin && check_plugin_name(*plugin, "", reading))
    stage.plugin = std::move(*plugin);
  Section options = section.section("options");
  stage.options = options.rest_as_options();
  for (RawOption& option : section.rest_as_options()) {
    bool twice = false;
    for (const RawOption& other : stage.options) twice = twice || other.name == option.name;
    if (twice)
      reading.mistakes.add(section.place_of(option.name), option.value.key, "the option also below options",
                           "every option once");
    else
      stage.options.push_back(std::move(option));
  }
}

void read_watcher(Section& top, Watcher& watcher, Reading& reading) {
  Section section = top.section("watcher");
  if (auto fallback = section.scalar("fallback", "the name of a plugin, or none");
      fallback && check_plugin_name(*fallback, ", or none", reading))
    watcher.fallback = fallback->text;
  read_stage(section, watcher, "watcher", automatic, reading);
}

void read_endpoint(Section& section, std::string_view name, std::optional<Scalar>& endpoint,
                   Reading& reading) {
  endpoint = section.scalar(name, "an endpoint such as tcp://127.0.0.1:5570");
  if (endpoint && endpoint->text.find("://") == std::string::npos) {
    reading.mistakes.add(*endpoint, "an endpoint such as tcp://127.0.0.1:5570");
    endpoint.reset();
  }
}

void read_transport(Section& parent, Transport& transport, Reading& reading) {
  Section section = parent.section("transport");
  read_endpoint(section, "listen", transport.listen, reading);
  read_endpoint(section, "connect", transport.connect, reading);
  section.boolean("insecure", transport.insecure);
  read_stage(section, transport, parent.key_of("transport"), default_transport, reading);
}

void read_delete(Section& parent, Delete& deletion) {
  Section section = parent.section("delete");
  if (section.has("extra")) {
    bool extra = false;
    section.boolean("extra", extra);
    deletion.extra = extra;
  } else {
    section.take("extra");
  }
  section.boolean("excluded", deletion.excluded);
  Section hold = section.section("hold_above");
  hold.number("percent", OptionType::integer, "0..100", deletion.hold_percent);
  hold.number("entries", OptionType::integer, "0..", deletion.hold_entries);
  hold.refuse_rest();
  section.refuse_rest();
}

void read_attributes(Section& parent, ReplicaAttributes& attributes) {
  Section section = parent.section("attributes");
  std::string owners = "numeric";
  std::string xattrs = "all";
  section.text("owners", OptionType::choice, "numeric|none", owners);
  section.text("xattrs", OptionType::choice, "all|user|none", xattrs);
  section.boolean("devices", attributes.devices);
  section.boolean("setuid", attributes.setuid);
  section.refuse_rest();
  attributes.owners = owners == "none" ? Owners::none : Owners::numeric;
  attributes.xattrs = xattrs == "none" ? Xattrs::none : xattrs == "user" ? Xattrs::user : Xattrs::all;
}

/// `section` is the replica's own, or the top of the file (the shorthand for one replica).
void read_replica(Section& section, Replica& replica, Reading& reading) {
  read_transport(section, replica.transport, reading);
  Section sink = section.section("sink");
  read_stage(sink, replica.sink, section.key_of("sink"), default_sink, reading);
  read_delete(section, replica.deletion);
  read_attributes(section, replica.attributes);
  Section durability = section.section("durability");
  durability.number("interval", OptionType::duration, "10ms..1h", replica.durability_interval);
  durability.refuse_rest();
  Section limits = section.section("limits");
  limits.number("bandwidth", OptionType::rate, "1KiB/s..", replica.bandwidth);
  limits.refuse_rest();
  read_control(section, replica.control_socket, replica.control_place, reading);
}

void read_named_replicas(Section& top, Pipeline& pipeline, Reading& reading) {
  for (const std::string_view key : replica_keys)
    if (top.take(key) != nullptr)
      reading.mistakes.add(top.place_of(key), std::string(key), "the key beside replicas",
                           "it below replicas.NAME (or no replicas: at all, for one replica)");
  const Node* const node = top.take("replicas");
  Section replicas = top.section("replicas");
  if (node->kind == Node::Kind::mapping)
    for (const Node::Entry& entry : node->entries) {
      if (!valid_instance_name(entry.key)) {
        reading.mistakes.add(entry.place, replicas.key_of(entry.key), "the name " + quoted(entry.key),
                             "at most 64 letters, digits, - and _");
        continue;
      }
      Section section = replicas.section(entry.key);
      read_replica(section, pipeline.replicas[entry.key], reading);
      section.refuse_rest();
    }
  if (node->kind == Node::Kind::null || (node->kind == Node::Kind::mapping && node->entries.empty()))
    reading.mistakes.add(replicas.place(), "replicas", "nothing", "at least one replica");
}

void read_replicas(Section& top, Pipeline& pipeline, Reading& reading) {
  if (top.has("replicas")) {
    read_named_replicas(top, pipeline, reading);
    return;
  }
  top.take("replicas"); // known, for the nearest key
  if (!top.has("sink") && !top.has("transport"))
    reading.mistakes.add(top.place(), "replicas", "nothing", "at least one replica");
  read_replica(top, pipeline.replicas[shorthand_replica], reading);
}

void read_rules(Section& source, std::vector<engine::Rules::Rule>& rules, Reading& reading) {
  constexpr std::string_view expected = "a list of rules such as - {match: \"*.tmp\", exclude: true}";
  const Node* const list = source.take("rules");
  if (list == nullptr) return;
  if (list->kind != Node::Kind::sequence) {
    if (list->kind != Node::Kind::null)
      reading.mistakes.add(list->place, source.key_of("rules"), describe(*list), std::string(expected));
    return;
  }
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    const Node& item = *list->items[i];
    Section section(reading, &item, source.key_of("rules") + "[" + std::to_string(i) + "]", item.place);
    engine::Rules::Rule rule;
    section.boolean("exclude", rule.exclude);
    const auto pattern = section.scalar("match", "a gitignore pattern");
    section.refuse_rest();
    if (!pattern) {
      if (!section.has("match") && item.kind == Node::Kind::mapping)
        reading.mistakes.add(item.place, section.key_of("match"), "nothing", "a gitignore pattern");
      continue;
    }
    rule.pattern = pattern->text;
    if (const auto parsed = engine::Rules::parse({rule}); !parsed.ok())
      reading.mistakes.add(*pattern, "a gitignore pattern; " + std::string(parsed.status().message()));
    else
      rules.push_back(std::move(rule));
  }
}

void read_source(Section& top, Source& source, Reading& reading) {
  Section section = top.section("source");
  if (!section.has("root"))
    reading.mistakes.add(section.place(), section.key_of("root"), "nothing",
                         expected_value(OptionType::path, ""));
  section.text("root", OptionType::path, "", source.root);
  source.root_place = section.place_of("root");
  section.boolean("one_file_system", source.one_file_system);
  section.number("verify_every", OptionType::duration, "0..365d", source.verify_every);
  read_rules(section, source.rules, reading);
  Section limits = section.section("limits");
  limits.number("memory", OptionType::size, "16MiB..1024GiB", source.memory);
  limits.refuse_rest();
  read_control(section, source.control_socket, source.control_place, reading);
  section.refuse_rest();
}

void read_version(Section& top, Reading& reading) {
  constexpr std::string_view expected = "1 (the version of pipeline files that this osync knows)";
  const auto version = top.scalar("version", expected);
  if (version && version->text != "1") reading.mistakes.add(*version, std::string(expected));
  if (!top.has("version")) reading.mistakes.add(top.place(), "version", "nothing", std::string(expected));
}

void read_plugin_path(Section& top, std::vector<std::string>& directories, Reading& reading) {
  constexpr std::string_view expected = "a list of absolute directories";
  const Node* const list = top.take("plugin_path");
  if (list == nullptr || list->kind == Node::Kind::null) return;
  if (list->kind != Node::Kind::sequence) {
    reading.mistakes.add(list->place, "plugin_path", describe(*list), std::string(expected));
    return;
  }
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    const std::string key = "plugin_path[" + std::to_string(i) + "]";
    const auto text = scalar_text(reading, *list->items[i], key, list->place, "an absolute directory");
    if (!text) continue;
    if (const auto path = read_value(OptionType::path, "", *text, reading.mistakes))
      directories.push_back(std::get<std::string>(*path));
  }
}

/// Two stages with one endpoint or one socket: the second would fail late, and an ipc endpoint is taken over
/// silently.
void check_shared_names(const Pipeline& pipeline, Reading& reading) {
  std::map<std::string, std::string> sockets;
  std::map<std::string, std::string> endpoints;
  const auto check = [&](std::map<std::string, std::string>& seen, const std::string& name,
                         const std::string& key, const Place& place) {
    if (name.empty()) return;
    if (const auto [first, fresh] = seen.try_emplace(name, key); !fresh)
      reading.mistakes.add(place, key, quoted(name) + ", which is that of " + first->second,
                           "one of its own");
  };
  check(sockets, pipeline.source.control_socket, "source.control.socket", pipeline.source.control_place);
  for (const auto& [name, replica] : pipeline.replicas) {
    const std::string prefix = replica.sink.key.substr(0, replica.sink.key.size() - std::strlen("sink"));
    check(sockets, replica.control_socket, prefix + "control.socket", replica.control_place);
    if (const auto& listen = replica.transport.listen; listen && !listen->text.ends_with(":0"))
      check(endpoints, listen->text, listen->key, listen->place);
  }
}

} // namespace

Pipeline read_pipeline(std::string_view text, const std::string& origin, const Environment& environment,
                       Mistakes& mistakes) {
  Pipeline pipeline;
  pipeline.origin = origin;
  const std::shared_ptr<const Node> root = parse_yaml(text, origin, mistakes);
  if (root == nullptr) return pipeline;
  if (root->kind != Node::Kind::mapping) {
    mistakes.add(root->place, "yaml", describe(*root), "a pipeline file (version: 1, pipeline: NAME, ...)");
    return pipeline;
  }
  Reading reading{environment, mistakes};
  Section top(reading, root.get(), "", Place{origin, 1, 1});
  read_version(top, reading);
  read_name(top, "pipeline", pipeline.name, reading);
  read_source(top, pipeline.source, reading);
  read_watcher(top, pipeline.watcher, reading);
  Section policy = top.section("policy");
  read_stage(policy, pipeline.policy, "policy", default_policy, reading);
  read_replicas(top, pipeline, reading);
  top.number("stop_timeout", OptionType::duration, "0..1h", pipeline.stop_timeout);
  read_plugin_path(top, pipeline.plugin_path, reading);
  top.refuse_rest();
  check_shared_names(pipeline, reading);
  return pipeline;
}

Pipeline load_pipeline(const std::string& path, const Environment& environment, Mistakes& mistakes) {
  const auto unreadable = [&] {
    mistakes.add({path, 0, 0}, "file", quoted(std::strerror(errno)), "a pipeline file that can be read");
    Pipeline pipeline;
    pipeline.origin = path;
    return pipeline;
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (file == nullptr) return unreadable();
  std::string text(yaml_bytes_bound + 1,
                   '\0'); // one more than allowed, so that too long a file is seen as such
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return unreadable();
  return read_pipeline(text, path, environment, mistakes);
}

} // namespace osync::config
