// Pipeline files with mistakes: all are found at once, each with file, line and column, and exit 2.
#include "support/osync_command.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <regex>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

/// A mistake that `osync check` must print: "FILE:LINE:COLUMN: ... word ...".
struct Mistake {
  int line;          ///< 0: any
  std::string key;   ///< its last component
  std::string words; ///< regular expression of what else the message says
};

std::string all_output(const Finished& finished) { return finished.out + finished.err; }

bool printed(const std::string& output, const std::string& file, const Mistake& mistake) {
  const std::string place = file + ":";
  const std::string number = mistake.line == 0 ? "[1-9][0-9]*" : std::to_string(mistake.line);
  const std::regex line_and_column(number + ":[1-9][0-9]*: .*");
  const std::regex words(mistake.words, std::regex::ECMAScript | std::regex::icase);
  std::size_t begin = 0;
  while (begin < output.size()) {
    const std::size_t end = std::min(output.find('\n', begin), output.size());
    const std::string line = output.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t at = line.find(place);
    if (at == std::string::npos) continue;
    const std::string rest = line.substr(at + place.size());
    if (std::regex_match(rest, line_and_column) && rest.find(mistake.key) != std::string::npos &&
        std::regex_search(rest, words))
      return true;
  }
  return false;
}

std::string pipeline_text(const Workspace& workspace) { return PipelineFile(workspace).text(); }

/// `check` of `text` exits with 2 and prints `mistake`.
void check_mistake(const Workspace& workspace, const std::string& text, const Mistake& mistake) {
  const std::string file = workspace / "pipeline.yaml";
  write_file(file, text);
  const Finished finished = workspace.osync({"check", file});
  INFO(text << "\n" << describe(finished));
  CHECK(finished.exit_code == 2);
  CHECK(printed(all_output(finished), file, mistake));
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

} // namespace

TEST_CASE("check: a good file is accepted, in full, in the shorthand, and with variables") {
  const Workspace workspace;
  const std::string file = PipelineFile(workspace).write(workspace / "full.yaml");
  const Finished full = workspace.osync({"check", file});
  INFO(describe(full));
  CHECK(full.exit_code == 0);

  write_file(workspace / "short.yaml",
             "version: 1\n"
             "pipeline: short\n"
             "source: {root: \"" +
                 workspace.source() +
                 "\"}\n"
                 "policy: {plugin: policy-live-first}\n"
                 "transport: {plugin: transport-zmq, listen: \"tcp://127.0.0.1:5570\", "
                 "connect: \"tcp://127.0.0.1:5570\"}\n"
                 "sink: {plugin: sink-fs, root: \"" +
                 workspace.replica() +
                 "\"}\n"
                 "delete: {hold_above: {percent: 2, entries: 5000}}\n"
                 "durability: {interval: 5s}\n");
  const Finished shorthand = workspace.osync({"check", workspace / "short.yaml"});
  INFO(describe(shorthand));
  CHECK(shorthand.exit_code == 0);

  PipelineFile pipeline(workspace);
  pipeline.source_root = "${OSYNC_TEST_ROOT}/so$$urce";
  fs::create_directory(workspace / "so$urce");
  write_file(workspace / "so$urce/file", "content");
  Command command = workspace.command(
      {"run", "--once", "--state-dir", workspace.state(), pipeline.write(workspace / "variables.yaml")});
  command.environment["OSYNC_TEST_ROOT"] = fs::path(workspace.source()).parent_path().string();
  const Finished expanded = run(command);
  INFO(describe(expanded));
  CHECK(expanded.exit_code == 0);
  CHECK(fs::exists(workspace.replica("file")));
}

TEST_CASE("check: every mistake at once, each with file, line and column") {
  const Workspace workspace;
  const std::string file = workspace / "wrong.yaml";
  write_file(file, "version: 1\n"                 // 1
                   "pipeline: \"no such/name\"\n" // 2
                   "source:\n"                    // 3
                   "  root: \"" +
                       workspace.source() +
                       "\"\n"                                                          // 4
                       "  rulez: []\n"                                                 // 5
                       "  one_file_system: perhaps\n"                                  // 6
                       "  limits: {memory: 64XiB}\n"                                   // 7
                       "watcher: {plugin: no-such-watcher}\n"                          // 8
                       "policy: {plugin: policy-live-first, options: {nonsense: 1}}\n" // 9
                       "replicas:\n"                                                   // 10
                       "  copy:\n"                                                     // 11
                       "    transport:\n"                                              // 12
                       "      plugin: transport-zmq\n"                                 // 13
                       "      listen: \"tcp://127.0.0.1:5570\"\n"                      // 14
                       "      connect: \"tcp://127.0.0.1:5570\"\n"                     // 15
                       "      connect: \"tcp://127.0.0.1:5571\"\n"                     // 16
                       "    sink: {plugin: sink-fs, options: {root: \"" +
                       workspace.replica() +
                       "\"}}\n"                                     // 17
                       "    durability: {interval: 5 parsecs}\n"    // 18
                       "    delete: {hold_above: {percent: 400}}\n" // 19
                       "    limits: {bandwidth: fast}\n");          // 20
  const std::vector<Mistake> mistakes = {{2, "pipeline", "found.*expected"},
                                         {5, "rulez", "rules"},
                                         {6, "one_file_system", "perhaps.*expected"},
                                         {7, "memory", "64XiB.*expected"},
                                         {8, "plugin", "no-such-watcher"},
                                         {9, "nonsense", "."},
                                         {16, "connect", "."},
                                         {18, "interval", "5 parsecs.*expected"},
                                         {19, "percent", "400.*expected"},
                                         {20, "bandwidth", "fast.*expected"}};
  const Finished finished = workspace.osync({"check", file});
  INFO(describe(finished));
  CHECK(finished.exit_code == 2);
  for (const Mistake& mistake : mistakes) {
    INFO("line " << mistake.line << ", " << mistake.key);
    CHECK(printed(all_output(finished), file, mistake));
  }
  for (const char* command : {"run", "source", "sink"}) {
    const Finished refused = workspace.osync({command, file});
    INFO(command << "\n" << describe(refused));
    CHECK(refused.exit_code == 2);
    CHECK(printed(all_output(refused), file, mistakes.front()));
  }
  CHECK(fs::is_empty(workspace.replica()));
}

TEST_CASE("check: single mistakes") {
  const Workspace workspace;
  const std::string good = pipeline_text(workspace);
  const std::string pipeline_line =
      good.substr(good.find("pipeline:"), good.find("source:") - good.find("pipeline:"));
  check_mistake(workspace, replaced(good, "version: 1", "version: 2"), {1, "version", "found \"?2"});
  check_mistake(workspace, replaced(good, "version: 1", "version: 010"), {1, "version", "expected 1"});
  check_mistake(workspace, replaced(good, pipeline_line, "pipeline: [a, list]\n"),
                {2, "pipeline", "expected"});
  check_mistake(workspace, replaced(good, workspace.source(), "/x/${OSYNC_TEST_UNSET}"),
                {4, "", "OSYNC_TEST_UNSET"});
  check_mistake(workspace, replaced(good, workspace.source(), "/x/${OSYNC"), {4, "", "."});
  check_mistake(workspace, replaced(good, "transport-zmq", "transport-zmqq"), {9, "plugin", "transport-zmq"});
  check_mistake(workspace, replaced(good, "plugin: sink-fs", "plugin: watch-inotify"),
                {12, "plugin", "sink|kind"});
  const std::string sink_line = good.substr(
      good.find("    sink:"), good.find("    control: {", good.find("    sink:")) - good.find("    sink:"));
  check_mistake(workspace, replaced(good, sink_line, ""),
                {0, "sink", "."}); // at `copy` or where its value begins
  check_mistake(workspace, replaced(good, "version: 1\n", "version: 1\nwatchre: {plugin: auto}\n"),
                {2, "watchre", "watcher"});
  check_mistake(workspace, good + "    attributes: {owners: numeric, owners: numeric}\n",
                {14, "owners", "."});
}

TEST_CASE("check: files that are no YAML, no map, empty or not there") {
  const Workspace workspace;
  const std::string file = workspace / "bad.yaml";
  for (const std::string& text :
       {std::string("version: 1\nsource: {root: [\n"), std::string("version: 1\n\tpipeline: x\n"),
        std::string("- a\n- list\n"), std::string(), std::string("just text\n"), std::string("a: &x [*x]\n"),
        std::string("\xff\xfe\0\1", 4)}) {
    write_file(file, text);
    const Finished finished = workspace.osync({"check", file});
    INFO(text << "\n" << describe(finished));
    CHECK(finished.exit_code == 2);
    CHECK(all_output(finished).find(file) != std::string::npos);
  }
  const Finished missing = workspace.osync({"check", workspace / "nowhere.yaml"});
  CHECK(missing.exit_code == 2);
  CHECK(mentions(missing, "nowhere.yaml"));
}

TEST_CASE("check: deeply nested YAML is refused, not a crash") {
  const Workspace workspace;
  write_file(workspace / "deep.yaml", std::string(200000, '['));
  const Finished finished = workspace.osync({"check", workspace / "deep.yaml"});
  CHECK(finished.exit_code == 2);
}
