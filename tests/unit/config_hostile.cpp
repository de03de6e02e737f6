// Files that are no pipeline files at all: none may crash, hang or take much memory, and each says what is
// wrong.
#include <catch2/catch.hpp>

#include <random>
#include <string>

#include "config/pipeline_file.h"
#include "config/yaml_tree.h"

using namespace osync::config;

namespace {

std::string mistakes_of(const std::string& text) {
  Mistakes mistakes;
  (void)read_pipeline(
      text, "f", [](const std::string&) { return std::nullopt; }, mistakes);
  return mistakes.to_string();
}

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

} // namespace

TEST_CASE("config hostile: files that hold no mapping") {
  CHECK(mistakes_of("") == "f:1:1: yaml: found an empty file, expected a pipeline file\n");
  CHECK(mistakes_of("# nothing\n") == "f:1:1: yaml: found an empty file, expected a pipeline file\n");
  CHECK_THAT(mistakes_of("hello\n"),
             Catch::StartsWith("f:1:1: yaml: found \"hello\", expected a pipeline file"));
  CHECK_THAT(mistakes_of("- a\n- b\n"),
             Catch::StartsWith("f:1:1: yaml: found a list, expected a pipeline file"));
  CHECK_THAT(mistakes_of("~\n"), Catch::Contains("found nothing, expected a pipeline file"));
}

TEST_CASE("config hostile: syntax errors have their place") {
  CHECK_THAT(mistakes_of("version: 1\npipeline: [a\n"),
             Catch::StartsWith("f:2:1: yaml: found \"end of sequence flow not found\""));
  CHECK_THAT(mistakes_of("version: 1\n  bad: 2\n"), Catch::StartsWith("f:2:6: yaml: found \""));
  // yaml-cpp itself takes this one for a value.
  CHECK(mistakes_of("version: 1\npipeline: \"p\nsource: {root: /s}\nsink: {root: /d}\n") ==
        "f:4:17: yaml: found \"illegal EOF in scalar\", expected YAML\n");
  CHECK_THAT(mistakes_of("a: *nobody\n"),
             Catch::StartsWith("f:1:4: yaml: found \"the referenced anchor is not defined"));
  CHECK_THAT(mistakes_of("a: {b: 1}}\n"), Catch::Contains("yaml: found "));
}

TEST_CASE("config hostile: binary data") {
  CHECK(mistakes_of(std::string("a: \0b\n", 6)) == "f:1:4: yaml: found the byte \"\\x00\", expected text\n");
  CHECK(mistakes_of("a: b\nc: \x04") == "f:2:4: yaml: found the byte \"\\x04\", expected text\n");
  CHECK(mistakes_of("\x7f"
                    "ELF") == "f:1:1: yaml: found the byte \"\\x7f\", expected text\n");
  CHECK(mistakes_of("\xff\xfe"
                    "a") == "f:1:1: yaml: found UTF-16, expected UTF-8\n");
  CHECK_THAT(mistakes_of("version: \"1\\0\"\n"), Catch::Contains("version: found \"1\\x00\""));
  CHECK_THAT(mistakes_of("\xc3\x28: \xa0\xa1\n"), Catch::Contains("\\xc3(: found an unknown key"));
}

TEST_CASE("config hostile: depth, number and length are bounded") {
  CHECK_THAT(mistakes_of(repeated("[", 200)), Catch::Contains("found more than 32 levels"));
  CHECK_THAT(mistakes_of(repeated("[", 500'000)), Catch::Contains("yaml: found "));
  CHECK_THAT(mistakes_of(repeated("{a: ", 200) + "x"), Catch::Contains("found more than 32 levels"));
  CHECK_THAT(mistakes_of(repeated("- ", 200'000)), Catch::Contains("yaml: found "));
  CHECK_THAT(mistakes_of("a: [" + repeated("x,", 30'000) + "]"),
             Catch::Contains("found more than 20000 values"));
  CHECK_THAT(mistakes_of("pipeline: " + std::string(100'000, 'x') + "\n"),
             Catch::Contains("pipeline: found a value of 100000 bytes, expected at most 65536"));
  CHECK_THAT(mistakes_of(std::string((1 << 20) + 1, '#')), Catch::Contains("more than 1048576 bytes"));
}

TEST_CASE("config hostile: aliases neither multiply nor loop") {
  CHECK_THAT(mistakes_of("a: &x [*x]\n"), Catch::Contains("found an alias inside of what it stands for"));
  CHECK_THAT(mistakes_of("a: &x {b: *x}\n"), Catch::Contains("found an alias inside of what it stands for"));
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 60; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb +=
        "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last + repeated(", " + last, 8) + "]\n";
  }
  CHECK_THAT(mistakes_of(bomb), Catch::Contains("a59: found an unknown key"));
}

TEST_CASE("config hostile: what ${...} brings in is bounded") {
  Mistakes mistakes;
  const std::string big(40'000, 'x');
  const auto expanded = expand(
      {"${A}${A}", "key", {"f", 1, 1}}, [&](const std::string&) { return std::optional(big); }, mistakes);
  CHECK_FALSE(expanded);
  CHECK_THAT(mistakes.to_string(), Catch::Contains("at most 65536 bytes"));
}

TEST_CASE("config hostile: more mistakes than anybody reads are counted") {
  std::string text = "version: 1\npipeline: p\nsource: {root: /s}\nsink: {root: /d}\n";
  for (int i = 0; i < 1500; ++i) text += "unknown" + std::to_string(i) + ": 1\n";
  CHECK_THAT(mistakes_of(text), Catch::EndsWith("... and 500 more mistakes\n"));
}

TEST_CASE("config hostile: random damage to a good file never ends the process") {
  const std::string good =
      "version: 1\npipeline: p\nsource:\n  root: /s\n  rules:\n    - {match: \"*.o\", exclude: true}\n"
      "replicas:\n  a: &x\n    sink: {root: /d}\n    transport: {listen: \"ipc:///x\"}\n  b: *x\n";
  const std::string pieces = "{}[]:,&*!|>'\"%@`#-? \n\t$0a\xff";
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    std::mt19937 random(seed);
    std::string text = good;
    for (unsigned i = 0, count = 1 + random() % 6; i < count; ++i) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
      case 0:
        text[at] = pieces[random() % pieces.size()];
        break;
      case 1:
        text.insert(at, 1, pieces[random() % pieces.size()]);
        break;
      default:
        text.erase(at, 1 + random() % 5);
        break;
      }
    }
    INFO("seed " << seed);
    const std::string mistakes = mistakes_of(text);
    CHECK((mistakes.empty() || (mistakes.starts_with("f:") && mistakes.ends_with('\n'))));
  }
}
