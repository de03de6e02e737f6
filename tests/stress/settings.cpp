#include "stress/settings.h"

#include <CLI/CLI.hpp>

#include <sstream>

namespace osync::stress {
namespace {

struct Wanted {
  std::uint64_t seed = 1;
  std::uint64_t seeds = 1;
  Settings common;
  std::optional<std::string> processes;
  std::optional<std::string> start;
  std::optional<unsigned> queue_limit;
  std::optional<unsigned> watch_limit;
  std::optional<unsigned> rate;
};

Settings with_seed(const Wanted& wanted, std::uint64_t seed) {
  static const std::vector<std::string> processes = {"one", "ipc", "tcp"};
  static const std::vector<unsigned> rates = {1000, 4000, 300, 0};
  Settings settings = wanted.common;
  settings.seed = seed;
  settings.processes = wanted.processes.value_or(processes[seed % 3]);
  settings.start = wanted.start.value_or(seed % 2 == 0 ? "after" : "during");
  settings.queue_limit = wanted.queue_limit.value_or(seed % 4 == 1 ? 128 : 0);
  settings.watch_limit = wanted.watch_limit.value_or(seed % 8 == 2 ? 40 : 0);
  settings.rate = wanted.rate.value_or(rates[seed / 2 % rates.size()]);
  return settings;
}

} // namespace

std::string replay_arguments(const Settings& settings) {
  std::ostringstream text;
  text << "--seed " << settings.seed << " --file-system " << settings.file_system << " --seconds "
       << settings.seconds << " --writers " << settings.writers << " --rate " << settings.rate
       << " --processes " << settings.processes << " --start " << settings.start << " --queue-limit "
       << settings.queue_limit << " --watch-limit " << settings.watch_limit << " --small-files "
       << settings.small_files << (settings.deep ? "" : " --no-deep")
       << (settings.accept_deletions ? " --accept-deletions" : "");
  for (const std::string& kind : settings.without) text << " --without '" << kind << "'";
  return std::move(text).str();
}

Parsed parse(int argc, char** argv) {
  Wanted wanted;
  CommandLine command;
  command.output = ".";
  bool no_deep = false;
  CLI::App app(
      "Changes a tree in every way while osync mirrors it, then compares. What is not given follows from the "
      "seed. Needs root.\nExit codes: 0 all equal, 1 not, 2 wrong use, 77 cannot run here.",
      "stress");
  app.add_option("--seed", wanted.seed, "first seed (1)");
  app.add_option("--seeds", wanted.seeds, "how many, one after the other (1)");
  app.add_option("--file-system", wanted.common.file_system, "of source and replica, in memory (ext4)")
      ->check(CLI::IsMember({"ext4", "xfs", "btrfs", "tmpfs"}));
  app.add_option("--seconds", wanted.common.seconds, "of churn while osync runs (5)");
  app.add_option("--writers", wanted.common.writers, "threads that change the tree (2)")
      ->check(CLI::Range(1, 64));
  app.add_option("--rate", wanted.rate, "operations a second of each writer; 0: as many as go");
  app.add_option("--processes", wanted.processes, "one (mirror), or source and sink over ipc or tcp")
      ->check(CLI::IsMember({"one", "ipc", "tcp"}));
  app.add_option("--start", wanted.start, "churn begins during the first sync, or after it")
      ->check(CLI::IsMember({"during", "after"}));
  app.add_option("--queue-limit", wanted.queue_limit,
                 "fs.inotify.max_queued_events while osync starts; 0: as it is");
  app.add_option("--watch-limit", wanted.watch_limit,
                 "inotify watches that osync gets; 0: as many as there are");
  app.add_option("--small-files", wanted.common.small_files, "in the tree before osync starts (600)");
  app.add_flag("--no-deep", no_deep, "no paths beyond PATH_MAX");
  app.add_flag("--accept-deletions", wanted.common.accept_deletions,
               "let held deletions go on; otherwise only where a limit was lowered");
  app.add_option("--without", wanted.common.without,
                 "a kind of operation, as the figures name it; to narrow down");
  app.add_option("--output", command.output, "existing directory for the logs of failed runs (.)")
      ->check(CLI::ExistingDirectory);
  app.add_flag("--stop-at-failure", command.stop_at_failure, "do not go on with other seeds");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, app.exit(error) == 0 ? 0 : 2};
  }
  wanted.common.deep = !no_deep;
  for (std::uint64_t index = 0; index < wanted.seeds; ++index)
    command.runs.push_back(with_seed(wanted, wanted.seed + index));
  return {std::move(command), 0};
}

} // namespace osync::stress
