// The commands that talk to a running osync: status, flush, stop, drain, pause, resume.
// Thread: main.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

namespace osync::cli {

/// Whom to talk to, as the user said it.
struct Target {
  std::string pipeline;        ///< --pipeline NAME
  std::string file_or_socket;  ///< FILE or the socket's path
  std::string state_directory; ///< --state-dir, as it was given to the running one
  std::string replica;         ///< --replica: its sink, not the source
};

struct StatusRequest {
  bool json = false;
  bool watch = false;
  bool check = false;
  std::optional<std::int64_t> max_lag_ns;
};

struct VerifyOptions {
  bool checksum = false;
  bool repair = false;
  bool raw_paths = false;
  std::optional<std::int64_t> timeout_ns;
};

/// All return the exit code; nobody there is 5.
int run_status(const Target& target, const StatusRequest& request, std::ostream& out, std::ostream& err);
int run_flush(const Target& target, std::optional<std::int64_t> timeout_ns, bool raw_paths, std::ostream& out,
              std::ostream& err);
/// `osync verify`: prints "differs: PATH: WHAT" for every difference, and exits 1 if there is any.
int run_verify(const Target& target, const VerifyOptions& options, std::ostream& out, std::ostream& err);
int run_stop(const Target& target, bool now, std::ostream& out, std::ostream& err);
int run_drain(const Target& target, std::ostream& out, std::ostream& err);
int run_pause(const Target& target, bool backlog, std::ostream& out, std::ostream& err);
int run_resume(const Target& target, bool accept_deletions, std::ostream& out, std::ostream& err);

} // namespace osync::cli
