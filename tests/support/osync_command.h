// Running osync itself from tests: a workspace, pipeline files, and a running osync that is spoken to by its
// commands.
#pragma once

#include "support/process.h"
#include "support/temporary.h"

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace osync::test {

using Arguments = std::vector<std::string>;

/// The command under test.
[[nodiscard]] std::string osync_binary();

[[nodiscard]] Arguments operator+(Arguments left, const Arguments& right);

/// A directory of its own for one test: source/, replica/, state/, run/, and an environment that keeps osync
/// in it.
class Workspace {
 public:
  /// source/ and replica/ exist and are empty. `parent`: another file system than memory.
  explicit Workspace(const std::string& parent = "/dev/shm");

  [[nodiscard]] std::string operator/(const std::string& name) const { return directory_ / name; }
  [[nodiscard]] std::string source() const { return directory_ / "source"; }
  [[nodiscard]] std::string replica() const { return directory_ / "replica"; }
  [[nodiscard]] std::string source(const std::string& name) const { return source() + "/" + name; }
  [[nodiscard]] std::string replica(const std::string& name) const { return replica() + "/" + name; }
  [[nodiscard]] std::string state() const { return directory_ / "state"; }

  /// `osync ARGUMENTS...` in this workspace's environment.
  [[nodiscard]] Command command(const Arguments& arguments) const;
  /// Runs it to its end.
  [[nodiscard]] Finished osync(const Arguments& arguments, milliseconds deadline = seconds(60)) const;
  /// `mirror --state-dir STATE OPTIONS... SOURCE REPLICA`.
  [[nodiscard]] Arguments mirror(const Arguments& options = {}) const;
  /// `mirror --once` with `options`, to its end.
  [[nodiscard]] Finished mirror_once(const Arguments& options = {}) const;
  /// Lets the user nobody work here: the workspace and all in it so far belong to it afterwards (needs root).
  void give_to(uid_t user) const;

 private:
  TemporaryDirectory directory_;
};

/// A pipeline file with one replica; everything has a default that lies in the workspace.
struct PipelineFile {
  explicit PipelineFile(const Workspace& workspace);

  std::string name;
  std::string source_root;
  std::string replica_root;
  std::string listen;  ///< an ipc endpoint in the workspace
  std::string connect; ///< the same
  std::string source_socket;
  std::string sink_socket;
  std::string in_source;    ///< further lines of YAML in `source:`, indented by two
  std::string in_transport; ///< in the replica's `transport:`, indented by six
  std::string in_replica;   ///< in the replica, indented by four
  std::string at_top;       ///< top-level lines

  /// Both endpoints at this port of 127.0.0.1.
  PipelineFile& over_tcp(std::uint16_t port);
  [[nodiscard]] std::string text() const;
  /// Writes the file; returns its path.
  std::string write(const std::string& path) const;
};

/// An osync that runs in the background, and what its commands are told to reach it.
class Running {
 public:
  /// `handle`: a pipeline file or a socket's path, or {"--pipeline", NAME}.
  Running(const Workspace& workspace, const Arguments& arguments, Arguments handle);
  /// `osync mirror` with a watch for the pipeline's name that it prints ("pipeline NAME").
  static std::unique_ptr<Running> mirror(const Workspace& workspace, const Arguments& options = {});

  [[nodiscard]] Process& process() { return process_; }
  /// Runs `osync COMMAND HANDLE MORE...`.
  [[nodiscard]] Finished tell(const std::string& command, const Arguments& more = {},
                              milliseconds deadline = seconds(60)) const;
  /// Waits until `status` answers with 0.
  [[nodiscard]] bool answers(milliseconds deadline = seconds(20));
  /// `flush --timeout 60s`; `flushed()` is its exit code being 0.
  [[nodiscard]] Finished flush() const;
  /// SIGTERM, then the exit code; -1 when it does not end.
  [[nodiscard]] int stop();
  /// Everything it printed, for INFO().
  [[nodiscard]] std::string log() { return describe(process_.finished()); }

 private:
  const Workspace& workspace_;
  Process process_;
  Arguments handle_;
  bool must_be_source_; // while it starts, its pipeline file leads to the sink
};

/// Whether what `finished` printed, on either stream, has a match of the regular expression `pattern`, case
/// aside.
[[nodiscard]] bool mentions(const Finished& finished, const std::string& pattern);

/// Source and sink of one pipeline file as two processes.
struct TwoProcesses {
  /// Starts both; the sink first, since neither may depend on the order.
  TwoProcesses(const Workspace& workspace, const std::string& file, const Arguments& source_options = {});
  void start_source(const Arguments& options = {});
  void start_sink();
  [[nodiscard]] std::string log();

  const Workspace& workspace;
  const std::string file;
  std::unique_ptr<Running> source;
  std::unique_ptr<Running> sink;
};

} // namespace osync::test
