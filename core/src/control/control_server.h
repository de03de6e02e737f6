// The control service of a running osync: a unix socket where each connection asks one question and gets one answer.
//
// Requests and answers are one line of JSON each; what they mean is the caller's business (cli/control_commands.h).
// Access: the socket has mode 0600 from its first moment, and each side asks the kernel who the other one is (SO_PEERCRED,
// unix(7)): requests are taken from this process's user and root alone, answers from the asker's user and root alone,
// because the directory may be one where others can make sockets too.
// Thread-safety: the handler is called from several threads at once. Bounds: `connections_bound` at a time (more wait),
// requests of `request_bound` bytes, `read_timeout` for a request to arrive.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "osync/logger.h"
#include "osync/status.h"

namespace osync::control {

class ControlServer {
 public:
  static constexpr unsigned connections_bound = 16;
  static constexpr std::size_t request_bound = 64u << 10;

  /// Gets a request line, returns the answer line (both without newline). Must not throw.
  using Handler = std::function<std::string(const std::string&)>;

  ControlServer(Logger& logger, Handler handler);
  /// Stops and removes the socket. Handlers that run are waited for.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  /// Binds `path` (its directory exists) and begins to serve. A socket left by a process that is gone is replaced.
  /// Errors: conflict (somebody answers there, or what is there is no socket of this user), name_too_long, and those
  /// of bind(2).
  Status start(const std::string& path);

  /// Ends serving; answers under way are finished.
  void stop();

 private:
  void accept_connections();
  void serve(int connection);

  Logger& logger_;
  Handler handler_;
  std::string path_;
  int listener_ = -1;
  int wake_ = -1;
  std::thread acceptor_;
  std::mutex mutex_;
  std::condition_variable finished_;
  unsigned serving_ = 0;
  std::atomic<bool> stopping_{false};
};

/// Asks the osync at the socket `path` and returns its answer line. Errors: not_found (nothing there, or nobody behind
/// it), closed (it went away before it answered), timeout, denied (not allowed, or another user's process).
[[nodiscard]] Result<std::string> ask(const std::string& path, const std::string& request, int timeout_ms);

} // namespace osync::control
