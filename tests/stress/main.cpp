// The stress against the real kernel: see --help, and docs/consistency.md for what is promised.
#include "stress/settings.h"
#include "stress/stress_run.h"
#include "support/file_systems.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <sched.h>
#include <sstream>
#include <sys/mount.h>
#include <unistd.h>

namespace {

using namespace osync::stress;

constexpr int skipped = 77;

void on_signal(int) { interrupted = true; }

/// Why it cannot run here; empty when it can.
std::string missing(const Settings& settings) {
  if (geteuid() != 0) return "needs root (mounts, owners, device nodes)";
  return osync::test::file_system_missing(settings.file_system).value_or("");
}

/// Whatever happens, no mount of ours outlives this process.
bool enter_private_mounts() {
  return unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

/// Long paths are in the report; on the screen they hide the rest.
std::string shortened(const std::string& text) {
  constexpr std::size_t most = 220;
  std::string result;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    result += (line.size() <= most ? line
                                   : line.substr(0, most / 2) + "..." + line.substr(line.size() - most / 2)) +
              "\n";
  return result;
}

bool run_and_tell(const Settings& settings, const std::string& output) {
  std::printf("seed %lu: %s\n", static_cast<unsigned long>(settings.seed),
              replay_arguments(settings).c_str());
  std::fflush(stdout);
  const auto began = std::chrono::steady_clock::now();
  const Outcome outcome = run(settings, output);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::printf("%s%sseed %lu: %s (%.1f s)\n", outcome.figures.c_str(), shortened(outcome.failure).c_str(),
              static_cast<unsigned long>(settings.seed), outcome.equal ? "equal" : "FAILED", took.count());
  if (!outcome.equal) std::printf("replay: script/stress %s\n", replay_arguments(settings).c_str());
  std::fflush(stdout);
  return outcome.equal;
}

} // namespace

int main(int argc, char** argv) {
  const Parsed parsed = parse(argc, argv);
  if (!parsed.command) return parsed.exit_code;
  for (const Settings& settings : parsed.command->runs)
    if (const std::string why = missing(settings); !why.empty()) {
      std::printf("skipped: %s\n", why.c_str());
      return skipped;
    }
  if (!enter_private_mounts()) {
    std::printf("skipped: no mount namespace of its own\n");
    return skipped;
  }
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) (void)std::signal(number, on_signal);
  std::string failed;
  std::size_t done = 0;
  for (const Settings& settings : parsed.command->runs) {
    if (interrupted || (!failed.empty() && parsed.command->stop_at_failure)) break;
    ++done;
    if (!run_and_tell(settings, parsed.command->output)) failed += " " + std::to_string(settings.seed);
  }
  std::printf("%zu runs, failed seeds:%s\n", done, failed.empty() ? " none" : failed.c_str());
  return failed.empty() && !interrupted ? 0 : 1;
}
