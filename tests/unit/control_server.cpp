// The control socket: who may use it, what it replaces, and what it leaves alone.
#include "config/paths.h"
#include "control/control_server.h"
#include "support/samples.h"
#include "support/skip.h"
#include "support/temporary.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace osync;
using osync::test::TemporaryDirectory;

namespace {

class Silent final : public Logger {
 public:
  void log(LogLevel, std::string_view) noexcept override {}
  bool enabled(LogLevel) const noexcept override { return false; }
};

mode_t mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(lstat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

/// Runs `work` as the user nobody in a process of its own; its exit code.
template <class Work>
int as_nobody(Work work) {
  const pid_t child = fork();
  if (child == 0) _exit(setgid(65534) == 0 && setuid(65534) == 0 ? work() : 99);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// A socket file that nobody listens at, as a killed process leaves it.
int leave_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

std::string echo(const std::string& request) { return request; }

} // namespace

TEST_CASE("control socket: mode 0600, in a directory that is left as it was") {
  const TemporaryDirectory directory;
  Silent logger;
  REQUIRE(chmod(directory.path().c_str(), 01777) == 0);
  const std::string path = directory / "osync.sock";
  REQUIRE(config::make_socket_directory(path).ok());
  control::ControlServer server(logger, echo);
  REQUIRE(server.start(path).ok());
  CHECK(mode_of(path) == 0600);
  CHECK(mode_of(directory.path()) == 01777);
  const Result<std::string> answer = control::ask(path, "{}", 5000);
  REQUIRE(answer.ok());
  CHECK(answer.value() == "{}");
}

TEST_CASE("control socket: a directory that is missing is made, for this user alone") {
  const TemporaryDirectory directory;
  REQUIRE(config::make_socket_directory(directory / "a/b/osync.sock").ok());
  CHECK(mode_of(directory / "a/b") == 0700);
  CHECK(config::make_socket_directory("/osync.sock").ok());
  CHECK(config::make_socket_directory("osync.sock").ok());
}

TEST_CASE("control socket: other users are not served, whatever the socket's mode") {
  OSYNC_NEEDS_ROOT();
  const TemporaryDirectory directory;
  Silent logger;
  const std::string path = directory / "osync.sock";
  control::ControlServer server(logger, echo);
  REQUIRE(server.start(path).ok());
  REQUIRE(chmod(directory.path().c_str(), 0755) == 0);
  const auto ask = [&] { return static_cast<int>(control::ask(path, "{}", 5000).status().code()); };
  CHECK(as_nobody(ask) == static_cast<int>(Code::denied));
  REQUIRE(chmod(path.c_str(), 0666) == 0); // somebody opened it; the kernel still says who asks
  CHECK(as_nobody(ask) == static_cast<int>(Code::closed));
}

TEST_CASE("control socket: root asks everybody's, and nobody else believes a stranger's") {
  OSYNC_NEEDS_ROOT();
  const TemporaryDirectory directory;
  REQUIRE(chmod(directory.path().c_str(), 01777) == 0);
  const std::string path = directory / "osync.sock";
  int ready[2], done[2];
  REQUIRE(pipe(ready) == 0);
  REQUIRE(pipe(done) == 0);
  const pid_t child = fork();
  if (child == 0) { // the user nobody's osync
    close(done[1]); // its end is the sign to end
    Silent logger;
    control::ControlServer server(logger, echo);
    char byte = setgid(65534) == 0 && setuid(65534) == 0 && server.start(path).ok() ? 'y' : 'n';
    if (write(ready[1], &byte, 1) == 1 && read(done[0], &byte, 1) >= 0) server.stop();
    _exit(0);
  }
  close(done[0]);
  char byte = 'n';
  REQUIRE(read(ready[0], &byte, 1) == 1);
  CHECK(byte == 'y');
  CHECK(control::ask(path, "{}", 5000).ok());
  REQUIRE(chmod(path.c_str(), 0666) == 0);
  const pid_t other = fork();
  if (other == 0) _exit(setuid(12345) == 0 ? static_cast<int>(control::ask(path, "{}", 5000).status().code()) : 99);
  int status = 0;
  waitpid(other, &status, 0);
  CHECK(WEXITSTATUS(status) == static_cast<int>(Code::denied));
  close(done[1]);
  waitpid(child, nullptr, 0);
}

TEST_CASE("control socket: what a dead process of this user left is replaced, anything else is not") {
  const TemporaryDirectory directory;
  Silent logger;
  const std::string path = directory / "osync.sock";
  REQUIRE(leave_socket(path) == 0);
  {
    control::ControlServer server(logger, echo);
    CHECK(server.start(path).ok());
    control::ControlServer second(logger, echo);
    CHECK(second.start(path).code() == Code::conflict);
  }
  CHECK_FALSE(std::filesystem::exists(path));
  osync::test::write_file(path, "a file");
  control::ControlServer server(logger, echo);
  CHECK(server.start(path).code() == Code::conflict);
  CHECK(std::filesystem::is_regular_file(path));
}

TEST_CASE("control socket: another user's socket is not replaced") {
  OSYNC_NEEDS_ROOT();
  const TemporaryDirectory directory;
  REQUIRE(chmod(directory.path().c_str(), 01777) == 0);
  const std::string path = directory / "osync.sock";
  REQUIRE(leave_socket(path) == 0);
  const auto start = [&] {
    Silent logger;
    control::ControlServer server(logger, echo);
    return static_cast<int>(server.start(path).code());
  };
  CHECK(as_nobody(start) == static_cast<int>(Code::conflict));
  CHECK(std::filesystem::exists(path));
}
