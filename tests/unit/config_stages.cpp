// Options against option tables, plugins that cannot be had, and --set.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "config/pipeline_file.h"
#include "config/stages.h"
#include "config/values.h"

using namespace osync;
using namespace osync::config;

namespace {

const OptionSpec sink_table[] = {
    {"root", OptionType::path, "", nullptr, "", "where the replica lives"},
    {"workers", OptionType::integer, "threads", "4", "1..64", "threads"},
    {"buffer", OptionType::size, "bytes", "1MiB", "4KiB..1GiB", "buffer"},
    {"delay", OptionType::duration, "time", "5s", "..1h", "delay"},
    {"speed", OptionType::rate, "bytes a second", "50MiB/s", "1KiB/s..", "speed"},
    {"mode", OptionType::choice, "", "fast", "fast|safe", "mode"},
    {"sync", OptionType::boolean, "", "true", "", "sync"},
    {"label", OptionType::string, "", "", "", "label"},
    {"scratch", OptionType::path, "", "", "", "optional directory"},
};
const OptionSpec watcher_table[] = {{"queue", OptionType::integer, "events", "100", "1..1000", "queue"}};

Stage stage_with(std::vector<std::pair<std::string, std::string>> options) {
  Stage stage;
  stage.key = "sink";
  stage.place = {"f", 4, 1};
  stage.plugin = {"sink-fs", "sink.plugin", {"f", 4, 1}};
  std::uint32_t line = 10;
  for (auto& [name, text] : options)
    stage.options.push_back({name, {text, "sink." + name, {"f", line++, 3}}});
  return stage;
}

Result<std::span<const OptionSpec>> tables(PluginKind kind, const std::string& plugin) {
  if (kind == PluginKind::sink && plugin == "sink-fs") return std::span<const OptionSpec>(sink_table);
  if (kind == PluginKind::watcher && plugin == "watch-inotify")
    return std::span<const OptionSpec>(watcher_table);
  if (kind == PluginKind::policy && plugin == default_policy) return std::span<const OptionSpec>();
  if (kind == PluginKind::transport && plugin == default_transport) return std::span<const OptionSpec>();
  if (plugin == "watch-broken") return Status(Code::corrupt, "found garbage, expected a plugin");
  return Status(Code::not_found, "no such plugin; searched /a, /b");
}

Pipeline pipeline_of(const std::string& more) {
  Mistakes mistakes;
  Pipeline pipeline = read_pipeline(
      "version: 1\npipeline: p\nsource: {root: /s}\n" + more, "f",
      [](const std::string&) { return std::nullopt; }, mistakes);
  CHECK(mistakes.to_string() == "");
  return pipeline;
}

std::string stage_mistakes(const std::string& more) {
  Mistakes mistakes;
  validate_stages(pipeline_of(more), tables, mistakes);
  return mistakes.to_string();
}

} // namespace

TEST_CASE("config stages: options get their types and defaults") {
  Mistakes mistakes;
  const OptionValues values = validate_options(sink_table,
                                               stage_with({{"root", "/d"},
                                                           {"workers", "8"},
                                                           {"sync", "false"},
                                                           {"mode", "safe"},
                                                           {"delay", "0"},
                                                           {"label", "x y"}}),
                                               mistakes);
  CHECK(mistakes.to_string() == "");
  CHECK(values.text("root") == "/d");
  CHECK(values.integer("workers") == 8);
  CHECK(values.integer("buffer") == 1 << 20);
  CHECK(values.integer("delay") == 0);
  CHECK(values.integer("speed") == 50 << 20);
  CHECK(values.text("mode") == "safe");
  CHECK_FALSE(values.boolean("sync"));
  CHECK(values.text("label") == "x y");
  CHECK(values.text("scratch").empty());
  CHECK(values.all().size() == std::size(sink_table));
}

TEST_CASE("config stages: wrong options are mistakes at their places") {
  Mistakes mistakes;
  (void)validate_options(sink_table,
                         stage_with({{"worker", "8"},
                                     {"workers", "65"},
                                     {"buffer", "1KiB"},
                                     {"delay", "2h"},
                                     {"speed", "1B/s"},
                                     {"mode", "slow"},
                                     {"sync", "1"},
                                     {"scratch", "x"},
                                     {"plugn", "x"},
                                     {"unlikely", "x"}}),
                         mistakes);
  CHECK(mistakes.to_string() ==
        "f:4:1: sink.root: found nothing, expected an absolute path (where the replica lives)\n"
        "f:10:3: sink.worker: found an unknown option of sink-fs, expected workers\n"
        "f:11:3: sink.workers: found \"65\", expected a whole decimal number from 1 to 64\n"
        "f:12:3: sink.buffer: found \"1KiB\", expected a size such as 64MiB (B, KiB, MiB or GiB) from 4KiB "
        "to 1GiB\n"
        "f:13:3: sink.delay: found \"2h\", expected a time such as 15min (ms, s, min, h or d) of at most 1h\n"
        "f:14:3: sink.speed: found \"1B/s\", expected a rate such as 50MiB/s of at least 1KiB/s\n"
        "f:15:3: sink.mode: found \"slow\", expected one of fast, safe\n"
        "f:16:3: sink.sync: found \"1\", expected true or false\n"
        "f:17:3: sink.scratch: found \"x\", expected an absolute path\n"
        "f:18:3: sink.plugn: found an unknown option of sink-fs, expected plugin\n"
        "f:19:3: sink.unlikely: found an unknown option of sink-fs, expected one of root, workers, buffer, "
        "delay, speed, "
        "mode, sync, label, scratch\n");
}

TEST_CASE("config stages: option tables are checked themselves") {
  CHECK(check_table(sink_table) == "");
  const OptionSpec twice[] = {watcher_table[0], watcher_table[0]};
  CHECK_THAT(check_table(twice), Catch::Contains("twice"));
  const OptionSpec wrong_default[] = {{"a", OptionType::size, "", "5", "", "h"}};
  CHECK_THAT(check_table(wrong_default), Catch::Contains("default is wrong"));
  const OptionSpec out_of_range[] = {{"a", OptionType::integer, "", "5", "6..7", "h"}};
  CHECK_THAT(check_table(out_of_range), Catch::Contains("default is wrong"));
  const OptionSpec bad_name[] = {{"Max-Age", OptionType::size, "", "5B", "", "h"}};
  CHECK_THAT(check_table(bad_name), Catch::Contains("snake_case"));
  const OptionSpec null_text[] = {{"a", OptionType::size, nullptr, "5B", "", "h"}};
  CHECK_THAT(check_table(null_text), Catch::Contains("null"));
  const OptionSpec bad_type[] = {{"a", static_cast<OptionType>(77), "", nullptr, "", "h"}};
  CHECK_THAT(check_table(bad_type), Catch::Contains("type"));
  const OptionSpec no_choice[] = {{"a", OptionType::choice, "", nullptr, "", "h"}};
  CHECK_THAT(check_table(no_choice), Catch::Contains("range"));
}

TEST_CASE("config stages: a plugin that cannot be had is one more mistake") {
  CHECK(stage_mistakes("sink: {root: /d}\n") == "");
  CHECK(stage_mistakes("sink: {plugin: sink-s3, root: /d}\npolicy: {plugin: policy-x}\n") ==
        "f:4:16: sink.plugin: found \"sink-s3\" (no such plugin; searched /a, /b), expected a plugin that "
        "can be loaded\n"
        "f:5:18: policy.plugin: found \"policy-x\" (no such plugin; searched /a, /b), expected a plugin that "
        "can be "
        "loaded\n");
  CHECK_THAT(stage_mistakes("sink: {root: /d}\nwatcher: {fallback: watch-poll}\n"),
             Catch::StartsWith("f:5:1: watcher.fallback: found \"watch-poll\""));
}

TEST_CASE("config stages: the automatic watcher takes options of any watcher that is installed") {
  CHECK(stage_mistakes("sink: {root: /d}\nwatcher: {queue: 5}\n") == "");
  CHECK(stage_mistakes("sink: {root: /d}\nwatcher: {queue: 5000}\n") ==
        "f:5:18: watcher.queue: found \"5000\", expected a whole decimal number from 1 to 1000\n");
  CHECK(stage_mistakes("sink: {root: /d}\nwatcher: {queu: 5}\n") ==
        "f:5:17: watcher.queu: found an unknown option of auto, expected queue\n");
  Mistakes none_installed;
  validate_stages(
      pipeline_of("sink: {root: /d}\n"),
      [](PluginKind kind, const std::string& plugin) -> Result<std::span<const OptionSpec>> {
        if (kind == PluginKind::watcher) return Status(Code::not_found, "no such plugin");
        return tables(kind, plugin);
      },
      none_installed);
  CHECK(none_installed.to_string() ==
        "f:1:1: watcher.plugin: found \"auto\" (no such plugin), expected a plugin that can be loaded\n");

  const Pipeline pipeline = pipeline_of("sink: {root: /d}\nwatcher: {queue: 5, other: 1}\n");
  const Stage stage = watcher_stage(pipeline.watcher, "watch-inotify", watcher_table);
  CHECK(stage.plugin.text == "watch-inotify");
  REQUIRE(stage.options.size() == 1);
  CHECK(stage.options[0].name == "queue");
}

TEST_CASE("config stages: --set changes stages") {
  Pipeline pipeline = pipeline_of("sink: {root: /d}\n");
  Mistakes mistakes;
  apply_setting(pipeline, "watcher.queue=5", mistakes);
  apply_setting(pipeline, "policy.plugin=policy-weighted", mistakes);
  apply_setting(pipeline, "sink.root=/other=x", mistakes);
  apply_setting(pipeline, "transport.listen=tcp://127.0.0.1:0", mistakes);
  apply_setting(pipeline, "replicas.replica.transport.insecure=true", mistakes);
  apply_setting(pipeline, "replicas.replica.sink.workers=", mistakes);
  apply_setting(pipeline, "watcher.fallback=watch-poll", mistakes);
  CHECK(mistakes.to_string() == "");
  CHECK(pipeline.watcher.options.at(0).value.text == "5");
  CHECK(pipeline.watcher.fallback == "watch-poll");
  CHECK(pipeline.policy.plugin.text == "policy-weighted");
  const Replica& replica = pipeline.replicas.begin()->second;
  REQUIRE(replica.sink.options.size() == 2);
  CHECK(replica.sink.options[0].value.text == "/other=x"); // replaced, not added
  CHECK(replica.sink.options[1].value.text.empty());
  CHECK(replica.transport.listen->text == "tcp://127.0.0.1:0");
  CHECK(replica.transport.insecure);
}

TEST_CASE("config stages: a malformed --set is a mistake") {
  const struct {
    const char* setting;
    const char* mistake;
  } cases[] = {
      {"x",
       "--set: setting: found \"x\", expected stage.option=value, for example policy.max_staleness=15min\n"},
      {"sink=5", "--set: setting: found \"sink=5\", expected stage.option=value, for example "
                 "policy.max_staleness=15min\n"},
      {".a=5", "--set: setting: found \".a=5\", expected stage.option=value, for example "
               "policy.max_staleness=15min\n"},
      {"sink.=5", "--set: setting: found \"sink.=5\", expected stage.option=value, for example "
                  "policy.max_staleness=15min\n"},
      {"snk.a=5",
       "--set: snk.a: found an unknown stage \"snk\", expected one of watcher, policy, transport, sink, "
       "replicas.replica.transport, replicas.replica.sink\n"},
      {"replicas.sink.a=5",
       "--set: replicas.sink.a: found an unknown stage \"replicas.sink\", expected one of watcher, "
       "policy, transport, sink, replicas.replica.transport, replicas.replica.sink\n"},
      {"policy.plugin=../x", "--set: policy.plugin: found \"../x\", expected the name of a plugin\n"},
      {"transport.insecure=yes", "--set: transport.insecure: found \"yes\", expected true or false\n"},
      {"transport.connect=x",
       "--set: transport.connect: found \"x\", expected an endpoint such as tcp://127.0.0.1:5570\n"},
  };
  for (const auto& entry : cases) {
    Pipeline pipeline = pipeline_of("sink: {root: /d}\n");
    Mistakes mistakes;
    apply_setting(pipeline, entry.setting, mistakes);
    CHECK(mistakes.to_string() == entry.mistake);
  }
  // Which of two sinks is meant has to be said.
  Pipeline two = pipeline_of("replicas: {a: {sink: {root: /d}}, b: {sink: {root: /e}}}\n");
  Mistakes mistakes;
  apply_setting(two, "sink.root=/x", mistakes);
  CHECK_THAT(mistakes.to_string(), Catch::Contains("replicas.b.sink"));
}
