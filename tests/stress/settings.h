// One run of the stress: what is under test and how hard. What is not asked for follows from the seed, so
// that a range of seeds covers the combinations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace osync::stress {

struct Settings {
  std::uint64_t seed = 1;
  std::string file_system = "ext4";
  unsigned seconds = 5;             ///< of churn while osync runs
  unsigned writers = 2;             ///< threads
  unsigned rate = 0;                ///< operations a second and writer; 0: as many as go
  std::string processes;            ///< "one" (osync mirror), or source and sink over "ipc" or "tcp"
  std::string start;                ///< churn begins "during" the first sync or "after" it
  unsigned queue_limit = 0;         ///< fs.inotify.max_queued_events while osync starts; 0: as it is
  unsigned watch_limit = 0;         ///< watches that osync gets; 0: as many as the host has
  unsigned small_files = 600;       ///< in the tree that is there before
  bool deep = true;                 ///< paths beyond PATH_MAX
  bool accept_deletions = false;    ///< held deletions are accepted, also where no limit was lowered
  std::vector<std::string> without; ///< kinds of operations that are left out
};

/// The same as arguments of the command.
[[nodiscard]] std::string replay_arguments(const Settings& settings);

struct CommandLine {
  std::vector<Settings> runs;
  std::string output; ///< where the logs of failed runs go
  bool stop_at_failure = false;
};

/// What the command line asks for. An exit code instead when it is wrong, or only asks for help.
struct Parsed {
  std::optional<CommandLine> command;
  int exit_code = 0;
};
[[nodiscard]] Parsed parse(int argc, char** argv);

} // namespace osync::stress
