// The pipeline file: what is read, what the defaults are, the shorthands, and each mistake with its exact
// place.
#include <catch2/catch.hpp>

#include <map>
#include <string>
#include <vector>

#include "config/pipeline_file.h"
#include "support/temporary.h"

using namespace osync::config;

namespace {

const std::map<std::string, std::string> variables = {
    {"HOME_OF", "/home/x"}, {"EMPTY", ""}, {"DOLLAR", "${HOME_OF}"}};

std::optional<std::string> environment(const std::string& name) {
  const auto found = variables.find(name);
  return found == variables.end() ? std::nullopt : std::optional(found->second);
}

Pipeline read(const std::string& text, Mistakes& mistakes) {
  return read_pipeline(text, "f", environment, mistakes);
}

Pipeline read_good(const std::string& text) {
  Mistakes mistakes;
  Pipeline pipeline = read(text, mistakes);
  CHECK(mistakes.to_string() == "");
  return pipeline;
}

std::string mistakes_of(const std::string& text) {
  Mistakes mistakes;
  (void)read(text, mistakes);
  return mistakes.to_string();
}

const std::string minimal = "version: 1\n"
                            "pipeline: p\n"
                            "source: {root: /s}\n"
                            "sink: {root: /d}\n";

const std::string complete = R"(version: 1
pipeline: photos
source:
  root: /srv/photos
  one_file_system: false
  verify_every: 12h
  rules:
    - {match: "*.tmp", exclude: true}
    - {match: "keep.tmp", exclude: false}
  limits: {memory: 128MiB}
  control: {socket: /run/osync/photos/source.sock}
watcher: {plugin: watch-inotify, fallback: watch-poll, options: {queue: 5}}
policy: {plugin: policy-weighted, options: {max_staleness: 15min}}
replicas:
  mirror1:
    transport:
      plugin: transport-zmq
      listen: "tcp://127.0.0.1:5570"
      connect: "tcp://127.0.0.1:5570"
      insecure: true
      options: {threads: 2}
    sink: {plugin: sink-fs, options: {root: /backup/photos}}
    delete: {extra: true, excluded: true, hold_above: {percent: 7, entries: 70}}
    attributes: {owners: none, devices: false, setuid: false, xattrs: user}
    durability: {interval: 250ms}
    limits: {bandwidth: 50MiB/s}
    control: {socket: /run/osync/photos/sink.sock}
  mirror2:
    transport: {listen: "tcp://127.0.0.1:0"}
    sink: {root: /elsewhere}
stop_timeout: 1min
plugin_path: [/opt/plugins, /opt/more]
)";

} // namespace

TEST_CASE("config pipeline: every key is read") {
  const Pipeline pipeline = read_good(complete);
  CHECK(pipeline.name == "photos");
  CHECK(pipeline.source.root == "/srv/photos");
  CHECK(pipeline.source.root_place.line == 4);
  CHECK_FALSE(pipeline.source.one_file_system);
  CHECK(pipeline.source.verify_every == 12 * 3600 * second);
  REQUIRE(pipeline.source.rules.size() == 2);
  CHECK(pipeline.source.rules[0].pattern == "*.tmp");
  CHECK_FALSE(pipeline.source.rules[1].exclude);
  CHECK(pipeline.source.memory == 128 * mebibyte);
  CHECK(pipeline.source.control_socket == "/run/osync/photos/source.sock");
  CHECK(pipeline.watcher.plugin.text == "watch-inotify");
  CHECK(pipeline.watcher.fallback == "watch-poll");
  REQUIRE(pipeline.watcher.options.size() == 1);
  CHECK(pipeline.watcher.options[0].name == "queue");
  CHECK(pipeline.watcher.options[0].value.key == "watcher.options.queue");
  CHECK(pipeline.watcher.options[0].value.place.line == 12);
  CHECK(pipeline.watcher.options[0].value.place.column == 73);
  CHECK(pipeline.policy.plugin.text == "policy-weighted");
  CHECK(pipeline.stop_timeout == 60 * second);
  CHECK(pipeline.plugin_path == std::vector<std::string>{"/opt/plugins", "/opt/more"});
  REQUIRE(pipeline.replicas.size() == 2);
  const Replica& replica = pipeline.replicas.at("mirror1");
  CHECK(replica.transport.key == "replicas.mirror1.transport");
  CHECK(replica.transport.listen->text == "tcp://127.0.0.1:5570");
  CHECK(replica.transport.connect->text == "tcp://127.0.0.1:5570");
  CHECK(replica.transport.insecure);
  CHECK(replica.transport.options.at(0).value.text == "2");
  CHECK(replica.sink.options.at(0).value.text == "/backup/photos");
  CHECK(replica.deletion.extra == true);
  CHECK(replica.deletion.excluded);
  CHECK(replica.deletion.hold_percent == 7);
  CHECK(replica.deletion.hold_entries == 70);
  CHECK(replica.attributes.owners == Owners::none);
  CHECK_FALSE(replica.attributes.devices);
  CHECK_FALSE(replica.attributes.setuid);
  CHECK(replica.attributes.xattrs == Xattrs::user);
  CHECK(replica.durability_interval == second / 4);
  CHECK(replica.bandwidth == 50 * mebibyte);
  CHECK(replica.control_socket == "/run/osync/photos/sink.sock");
  CHECK_FALSE(replica.adopt);
  const Replica& other = pipeline.replicas.at("mirror2");
  CHECK_FALSE(other.transport.connect);
  CHECK(other.sink.options.at(0).value.key == "replicas.mirror2.sink.root");
}

TEST_CASE("config pipeline: what is left out has its default") {
  const Pipeline pipeline = read_good(minimal);
  CHECK(pipeline.version == 1);
  CHECK(pipeline.source.one_file_system);
  CHECK(pipeline.source.rules.empty());
  CHECK(pipeline.source.memory == 64 * mebibyte);
  CHECK(pipeline.source.control_socket.empty());
  CHECK(pipeline.watcher.plugin.text == automatic);
  CHECK(pipeline.watcher.fallback == no_fallback);
  CHECK(pipeline.policy.plugin.text == default_policy);
  CHECK(pipeline.stop_timeout == 30 * second);
  CHECK(pipeline.plugin_path.empty());
  REQUIRE(pipeline.replicas.size() == 1);
  const Replica& replica = pipeline.replicas.at(shorthand_replica);
  CHECK(replica.transport.plugin.text == default_transport);
  CHECK_FALSE(replica.transport.listen);
  CHECK_FALSE(replica.transport.insecure);
  CHECK(replica.sink.plugin.text == default_sink);
  CHECK(replica.sink.key == "sink");
  CHECK_FALSE(replica.deletion.extra.has_value()); // "not written" is what keeps an adopted replica whole
  CHECK_FALSE(replica.deletion.excluded);
  CHECK(replica.deletion.hold_percent == 1);
  CHECK(replica.deletion.hold_entries == 1000);
  CHECK(replica.attributes.owners == Owners::numeric);
  CHECK(replica.attributes.devices);
  CHECK(replica.attributes.setuid);
  CHECK(replica.attributes.xattrs == Xattrs::all);
  CHECK(replica.durability_interval == 5 * second);
  CHECK(replica.bandwidth == 0);
}

TEST_CASE("config pipeline: one replica may stand at the top level, options beside plugin") {
  const Pipeline pipeline = read_good("version: 1\npipeline: p\nsource:\n  root: /s\n"
                                      "policy: {plugin: policy-weighted, max_staleness: 15min}\n"
                                      "transport: {listen: \"ipc:///run/x\", high_water: 3}\n"
                                      "sink: {plugin: sink-fs, root: /d, options: {workers: 2}}\n"
                                      "delete: {extra: false}\nattributes: {xattrs: none}\n"
                                      "durability: {interval: 1s}\nlimits: {bandwidth: 1MiB/s}\n"
                                      "control: {socket: /run/k}\n");
  const Replica& replica = pipeline.replicas.at(shorthand_replica);
  CHECK(pipeline.policy.options.at(0).name == "max_staleness");
  CHECK(replica.transport.options.at(0).name == "high_water");
  REQUIRE(replica.sink.options.size() == 2);
  CHECK(replica.deletion.extra == false);
  CHECK(replica.attributes.xattrs == Xattrs::none);
  CHECK(replica.bandwidth == mebibyte);
  CHECK(replica.control_socket == "/run/k");
}

TEST_CASE("config pipeline: anchors and aliases stand for whole values") {
  const Pipeline pipeline = read_good("version: 1\npipeline: p\nsource: {root: /s}\nreplicas:\n"
                                      "  a: {sink: &s {root: /d}, durability: &d {interval: 2s}}\n"
                                      "  b: {sink: *s, durability: *d}\n");
  CHECK(pipeline.replicas.at("b").sink.options.at(0).value.text == "/d");
  CHECK(pipeline.replicas.at("b").durability_interval == 2 * second);
}

TEST_CASE("config pipeline: variables of the environment are put in once") {
  const Pipeline pipeline = read_good("version: 1\npipeline: p\nsource: {root: \"${HOME_OF}/a$$b${EMPTY}\"}\n"
                                      "sink: {root: '${HOME_OF}', other: \"${DOLLAR}\"}\n");
  CHECK(pipeline.source.root == "/home/x/a$b");
  const auto& options = pipeline.replicas.at(shorthand_replica).sink.options;
  CHECK(options.at(0).value.text == "/home/x"); // single quotes are YAML's business, not the shell's
  CHECK(options.at(1).value.text == "${HOME_OF}");
}

TEST_CASE("config pipeline: a mistake names its place, what was found and what is expected") {
  const struct {
    const char* text; ///< stands before the good rest, so that its lines count from 1
    const char* mistake;
  } cases[] = {
      {"version: 2\n",
       "f:1:10: version: found \"2\", expected 1 (the version of pipeline files that this osync knows)\n"},
      {"version: 01\n",
       "f:1:10: version: found \"01\", expected 1 (the version of pipeline files that this osync knows)\n"},
      {"version:\n",
       "f:1:1: version: found nothing, expected 1 (the version of pipeline files that this osync knows)\n"},
      {"version: [1]\n",
       "f:1:10: version: found a list, expected 1 (the version of pipeline files that this osync knows)\n"},
  };
  for (const auto& entry : cases)
    CHECK(mistakes_of(entry.text + minimal.substr(minimal.find('\n') + 1)) == entry.mistake);

  const struct {
    const char* text; ///< stands behind the minimal file: line 5 on
    const char* mistake;
  } more[] = {
      // keys
      {"polcy: {}\n", "f:5:1: polcy: found an unknown key, expected policy\n"},
      {"zzz: 1\n",
       "f:5:1: zzz: found an unknown key, expected one of attributes, control, delete, durability, limits, "
       "pipeline, plugin_path, policy, replicas, sink, source, stop_timeout, transport, version, watcher\n"},
      {"delete: {extra: true,\n  exluded: true}\n",
       "f:6:3: delete.exluded: found an unknown key, expected excluded\n"},
      {"sink: {root: /e}\n",
       "f:5:1: sink: found the key a second time (first on line 4), expected every key once\n"},
      {"limits:\n  bandwidth: 1MiB/s\n  bandwidth: 2MiB/s\n",
       "f:7:3: limits.bandwidth: found the key a second time (first on line 6), expected every key once\n"},
      {"<<: {}\n",
       "f:5:1: <<: found a merge key, expected the keys themselves (aliases stand for whole values only)\n"},
      {"[a]: b\n", "f:5:1: yaml: found a list as a key, expected a name\n"},
      {"replicas: {a: {sink: {root: /e}}}\n", "f:4:1: sink: found the key beside replicas, expected it below "
                                              "replicas.NAME (or no replicas: at all, for one "
                                              "replica)\n"},
      // types
      {"limits: 5\n", "f:5:9: limits: found \"5\", expected a mapping (key: value)\n"},
      {"delete: [extra]\n", "f:5:9: delete: found a list, expected a mapping (key: value)\n"},
      {"delete: {extra: yes}\n", "f:5:17: delete.extra: found \"yes\", expected true or false\n"},
      {"delete: {extra: on}\n", "f:5:17: delete.extra: found \"on\", expected true or false\n"},
      {"delete: {extra: True}\n", "f:5:17: delete.extra: found \"True\", expected true or false\n"},
      {"delete: {extra: }\n", "f:5:10: delete.extra: found nothing, expected true or false\n"},
      {"delete: {extra: ~}\n", "f:5:10: delete.extra: found nothing, expected true or false\n"},
      {"delete: {extra: {a: b}}\n", "f:5:17: delete.extra: found a mapping, expected true or false\n"},
      {"delete:\n  hold_above: {percent: 010}\n",
       "f:6:25: delete.hold_above.percent: found \"010\", expected a whole decimal number from 0 to 100\n"},
      {"stop_timeout: 30\n", "f:5:15: stop_timeout: found \"30\", expected a time such as 15min (ms, s, min, "
                             "h or d) from 0 to 1h\n"},
      {"limits: {bandwidth: 50MB/s}\n",
       "f:5:21: limits.bandwidth: found \"50MB/s\", expected a rate such as 50MiB/s of at least 1KiB/s\n"},
      {"policy: {plugin: ../evil}\n",
       "f:5:18: policy.plugin: found \"../evil\", expected the name of a plugin "
       "(lower-case letters, digits and -)\n"},
      {"policy: {plugin: policy-x, speed: [1]}\n",
       "f:5:35: policy.speed: found a list, expected a single value\n"},
      {"transport: {listen: 5570}\n",
       "f:5:21: transport.listen: found \"5570\", expected an endpoint such as tcp://127.0.0.1:5570\n"},
      {"attributes: {owners: names}\n",
       "f:5:22: attributes.owners: found \"names\", expected one of numeric, none\n"},
      {"control: {socket: run/x}\n", "f:5:19: control.socket: found \"run/x\", expected an absolute path\n"},
      {"plugin_path: /opt\n",
       "f:5:14: plugin_path: found \"/opt\", expected a list of absolute directories\n"},
      {"plugin_path: [/opt, opt]\n", "f:5:21: plugin_path[1]: found \"opt\", expected an absolute path\n"},
      {"stop_timeout: !!int 5s\n",
       "f:5:15: stop_timeout: found the tag \"tag:yaml.org,2002:int\", expected a plain value\n"},
      // ranges
      {"delete: {hold_above: {percent: 101}}\n",
       "f:5:32: delete.hold_above.percent: found \"101\", expected a whole decimal number from 0 to 100\n"},
      {"durability: {interval: 2h}\n",
       "f:5:24: durability.interval: found \"2h\", expected a time such as 15min (ms, s, "
       "min, h or d) from 10ms to 1h\n"},
      // plugin options
      {"policy: {speed: 1, options: {speed: 2}}\n",
       "f:5:10: policy.speed: found the option also below options, expected every option once\n"},
      // variables
      {"control: {socket: \"${NOBODY}/x\"}\n",
       "f:5:19: control.socket: found ${NOBODY}, which is not set, expected a variable of the environment\n"},
      {"control: {socket: /a$b}\n",
       "f:5:19: control.socket: found \"/a$b\", expected ${NAME} for an environment variable, "
       "or $$ for a dollar\n"},
      {"control: {socket: \"/a${b\"}\n",
       "f:5:19: control.socket: found \"/a${b\", expected ${NAME} for an environment "
       "variable, or $$ for a dollar\n"},
      {"control: {socket: \"/a${1}\"}\n",
       "f:5:19: control.socket: found \"/a${1}\", expected ${NAME} for an environment "
       "variable, or $$ for a dollar\n"},
      // documents
      {"---\na: b\n", "f:5:1: yaml: found more after the end of the document, expected one document\n"},
  };
  for (const auto& entry : more) {
    INFO(entry.text);
    CHECK(mistakes_of(minimal + entry.text) == entry.mistake);
  }
}

TEST_CASE("config pipeline: mistakes in the source and in replicas") {
  const std::string head = "version: 1\npipeline: p\n";
  CHECK(mistakes_of(head + "sink: {root: /d}\n") ==
        "f:1:1: source.root: found nothing, expected an absolute path\n");
  CHECK(mistakes_of(head + "source:\nsink: {root: /d}\n") ==
        "f:3:1: source.root: found nothing, expected an absolute path\n");
  CHECK(mistakes_of(head + "source: {root: srv}\nsink: {root: /d}\n") ==
        "f:3:16: source.root: found \"srv\", expected an absolute path\n");
  CHECK(mistakes_of(
            head + "source: {root: /s, rules: [{match: \"a[\"}, {exclude: false}, x]}\nsink: {root: /d}\n") ==
        "f:3:36: source.rules[0].match: found \"a[\", expected a gitignore pattern; the pattern has a '[' "
        "that is not closed "
        "(write '\\[' for the bracket itself)\n"
        "f:3:43: source.rules[1].match: found nothing, expected a gitignore pattern\n"
        "f:3:61: source.rules[2]: found \"x\", expected a mapping (key: value)\n");
  CHECK(mistakes_of(head + "source: {root: /s}\n") ==
        "f:1:1: replicas: found nothing, expected at least one replica\n");
  CHECK(mistakes_of(head + "source: {root: /s}\nreplicas: {}\n") ==
        "f:4:1: replicas: found nothing, expected at least one replica\n");
  CHECK(mistakes_of(head + "source: {root: /s}\nreplicas: {\"a/b\": {}}\n") ==
        "f:4:12: replicas.a/b: found the name \"a/b\", expected at most 64 letters, digits, - and _\n");
  CHECK(mistakes_of("version: 1\npipeline: a b\nsource: {root: /s}\nsink: {root: /d}\n") ==
        "f:2:11: pipeline: found \"a b\", expected a name of at most 64 letters, digits, - and _\n");
  CHECK(mistakes_of(minimal + "control: {socket: /" + std::string(107, 'x') + "}\n") ==
        "f:5:11: control.socket: found a path of 108 bytes, expected at most 107 (sun_path, unix(7))\n");
  CHECK(mistakes_of(head +
                    "source: {root: /s}\nreplicas:\n"
                    "  a: {transport: {listen: \"ipc:///x\"}, control: {socket: /k}}\n"
                    "  b: {transport: {listen: \"ipc:///x\"}, control: {socket: /k}, sink: {root: /d}}\n") ==
        "f:6:27: replicas.b.transport.listen: found \"ipc:///x\", which is that of "
        "replicas.a.transport.listen, expected one "
        "of its own\n"
        "f:6:50: replicas.b.control.socket: found \"/k\", which is that of replicas.a.control.socket, "
        "expected one of its "
        "own\n");
}

TEST_CASE("config pipeline: all mistakes are reported at once, in the order of the file") {
  CHECK(mistakes_of("pipelin: p\nsource: {root: s, one_file_system: 1}\nsink: {root: /d}\ndelete: {extra: 2, "
                    "extra: 3}\n") ==
        "f:1:1: version: found nothing, expected 1 (the version of pipeline files that this osync knows)\n"
        "f:1:1: pipeline: found nothing, expected a name of at most 64 letters, digits, - and _\n"
        "f:1:1: pipelin: found an unknown key, expected pipeline\n"
        "f:2:16: source.root: found \"s\", expected an absolute path\n"
        "f:2:36: source.one_file_system: found \"1\", expected true or false\n"
        "f:4:17: delete.extra: found \"2\", expected true or false\n"
        "f:4:20: delete.extra: found the key a second time (first on line 4), expected every key once\n");
}

TEST_CASE("config pipeline: a file that cannot be read is a mistake") {
  const osync::test::TemporaryDirectory directory;
  Mistakes missing;
  (void)load_pipeline(directory / "none.yaml", environment, missing);
  CHECK(missing.to_string() ==
        directory / "none.yaml" +
            ": file: found \"No such file or directory\", expected a pipeline file that can be read\n");
  Mistakes is_directory;
  (void)load_pipeline(directory.path(), environment, is_directory);
  CHECK_THAT(is_directory.to_string(), Catch::Contains("Is a directory"));
  osync::test::write_file(directory / "good.yaml", minimal);
  Mistakes none;
  CHECK(load_pipeline(directory / "good.yaml", environment, none).name == "p");
  CHECK(none.empty());
  Mistakes endless;
  (void)load_pipeline("/dev/zero", environment, endless);
  CHECK_THAT(endless.to_string(), Catch::Contains("more than 1048576 bytes"));
}
