// Running commands from tests: captured output, deadlines, signals, and nothing left behind.
//
// A command is an argument vector, never a shell line. Its output goes into memory files, so that a child
// never blocks on a test that does not read. Every child leads a process group of its own, which is killed
// when the Process object goes or the test executable dies. A Process belongs to one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace osync::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// `deadline` for this build: sanitizers slow everything down, so that deadlines grow with them. Where only the osync under
/// test has them ($OSYNC_TEST_BUILD), $OSYNC_TEST_PATIENCE is the factor.
[[nodiscard]] milliseconds scaled(milliseconds deadline);

struct Command {
  std::vector<std::string> argv;                       ///< argv[0] is looked up in PATH
  std::map<std::string, std::string> environment = {}; ///< beside and over the test's own
  std::optional<uid_t> user = {};                      ///< as this user and group alone (needs root)
  bool terminal =
      false; ///< standard input, output and error are a new controlling terminal (out and err as one: `out`)
};

/// How a command ended.
struct Finished {
  int exit_code =
      -1; ///< as a shell says it: 128 + signal when killed by one; -1 when it ran past its deadline
  bool timed_out = false;
  std::string out;
  std::string err;
};

/// Everything about `finished`, for INFO().
[[nodiscard]] std::string describe(const Finished& finished);

class Process {
 public:
  enum class Stream { out, err };

  /// Starts `command`. Throws std::system_error when it cannot; a command that cannot be executed exits with
  /// 127.
  explicit Process(const Command& command);
  /// Kills the whole process group with SIGKILL and reaps the child, unless that already happened.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Everything written so far.
  [[nodiscard]] std::string out();
  [[nodiscard]] std::string err();

  /// The next whole line of `stream` without its newline; nothing when none comes before the deadline, or
  /// before the process ends.
  [[nodiscard]] std::optional<std::string> read_line(Stream stream, milliseconds deadline = seconds(20));
  /// Waits until `text` stands in what was written to either stream. False at the deadline, or when the
  /// process ended without writing it.
  [[nodiscard]] bool wait_for_text(const std::string& text, milliseconds deadline = seconds(20));

  /// Sends `signal` to the process, not to its group. Nothing happens when it was reaped already.
  void send(int signal);
  /// Waits until no copy of `signal` is pending for the process, so that the next one is not merged with the
  /// last.
  [[nodiscard]] bool wait_signal_taken(int signal, milliseconds deadline = seconds(10));
  [[nodiscard]] bool running();
  /// Waits for the end; the exit code as in Finished, nothing at the deadline.
  [[nodiscard]] std::optional<int> wait_exit(milliseconds deadline = seconds(30));
  /// Output and exit code so far.
  [[nodiscard]] Finished finished();
  /// VmHWM, the greatest resident memory so far, in bytes; 0 when the process is gone.
  [[nodiscard]] std::size_t peak_memory() const;

 private:
  std::string& text(Stream stream);
  void collect();
  void reap(int options);

  pid_t pid_ = -1;
  std::optional<int> exit_code_;
  int out_file_ = -1; // memory file, or the master side of the terminal
  int err_file_ = -1;
  bool terminal_ = false;
  std::string out_;
  std::string err_;
  std::size_t next_line_[2] = {0, 0};
};

/// Runs `command` to its end; kills it at the deadline (then `timed_out`).
[[nodiscard]] Finished run(const Command& command, milliseconds deadline = seconds(60));

} // namespace osync::test
