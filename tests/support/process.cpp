#include "support/process.h"

#include "support/wait.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <sstream>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

extern char** environ;

namespace osync::test {
namespace {

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

/// "NAME=value" of the test's own environment with `changes` over it.
std::vector<std::string> merged_environment(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (changes.count(text.substr(0, text.find('='))) == 0) merged.push_back(text);
  }
  for (const auto& [name, value] : changes) merged.push_back(name + "=" + value);
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (auto& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

/// All that the child needs, made before fork(): after it only async-signal-safe calls are allowed.
struct ChildPlan {
  char* const* argv;
  char* const* envp;
  int input;
  int output;
  int error;
  bool terminal;
  std::optional<uid_t> user;
  pid_t parent;
};

[[noreturn]] void become(const ChildPlan& plan) {
  const bool own_group = plan.terminal ? setsid() >= 0 : setpgid(0, 0) == 0;
  if (!own_group || (plan.terminal && ioctl(plan.input, TIOCSCTTY, 0) != 0)) _exit(126);
  if (dup2(plan.input, 0) < 0 || dup2(plan.output, 1) < 0 || dup2(plan.error, 2) < 0) _exit(126);
  if (plan.user && (setgroups(0, nullptr) != 0 || setresgid(*plan.user, *plan.user, *plan.user) != 0 ||
                    setresuid(*plan.user, *plan.user, *plan.user) != 0))
    _exit(126);
  // After the change of user, which clears it. The parent may have died before, hence the second look.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != plan.parent) _exit(126);
  for (const int number : {SIGPIPE, SIGINT, SIGHUP, SIGTERM}) (void)::signal(number, SIG_DFL);
  execvpe(plan.argv[0], plan.argv, plan.envp);
  static constexpr char message[] = "cannot execute the command\n";
  (void)!write(2, message, sizeof message - 1);
  _exit(127);
}

int memory_file(const char* name) {
  const int file = memfd_create(name, MFD_CLOEXEC);
  if (file < 0) fail("memfd_create");
  return file;
}

std::string read_from(int file, std::size_t offset) {
  std::string text;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t got = pread(file, buffer.data(), buffer.size(), static_cast<off_t>(offset + text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

/// What a terminal's master side has; without waiting. EIO means that nobody holds the other side.
std::string read_terminal(int file) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t got = read(file, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

struct Terminal {
  int master;
  int slave;
};

Terminal open_terminal() {
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (master < 0) fail("posix_openpt");
  std::array<char, 128> name{};
  int slave = -1;
  if (grantpt(master) == 0 && unlockpt(master) == 0 && ptsname_r(master, name.data(), name.size()) == 0)
    slave = open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) {
    const int error = errno;
    close(master);
    errno = error;
    fail("opening a terminal");
  }
  return {master, slave};
}

/// The line `key` of /proc/PID/status, or nothing.
std::string status_line(pid_t pid, const std::string& key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(key + ":", 0) == 0) return line.substr(key.size() + 1);
  return {};
}

} // namespace

milliseconds scaled(milliseconds deadline) {
#if defined(__SANITIZE_THREAD__)
  return deadline * 6;
#elif defined(__SANITIZE_ADDRESS__)
  return deadline * 4;
#else
  static const int patience = [] {
    const char* said = std::getenv("OSYNC_TEST_PATIENCE");
    return said != nullptr ? std::clamp(std::atoi(said), 1, 100) : 1;
  }();
  return deadline * patience;
#endif
}

std::string describe(const Finished& finished) {
  std::ostringstream text;
  text << "exit code " << finished.exit_code << (finished.timed_out ? " (ran past its deadline)" : "")
       << "\n--- standard output\n"
       << finished.out << "\n--- standard error\n"
       << finished.err << "\n---";
  return std::move(text).str();
}

Process::Process(const Command& command) : terminal_(command.terminal) {
  auto arguments = command.argv;
  auto environment = merged_environment(command.environment);
  const auto argv = pointers(arguments);
  const auto envp = pointers(environment);

  int input = -1;
  int output = -1;
  int error = -1;
  if (terminal_) {
    const Terminal terminal = open_terminal();
    out_file_ = terminal.master;
    input = output = error = terminal.slave;
  } else {
    input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input < 0) fail("open /dev/null");
    output = out_file_ = memory_file("stdout");
    error = err_file_ = memory_file("stderr");
  }
  const ChildPlan plan{argv.data(), envp.data(), input, output, error, terminal_, command.user, getpid()};
  pid_ = fork();
  if (pid_ == 0) become(plan);
  const int fork_error = errno;
  close(input);
  if (pid_ < 0) {
    errno = fork_error;
    fail("fork");
  }
  if (!terminal_)
    (void)setpgid(pid_, pid_); // also from here, so that the group surely exists when it is to be killed
}

Process::~Process() {
  if (!exit_code_) {
    (void)kill(-pid_, SIGKILL);
    (void)kill(pid_, SIGKILL);
    reap(0);
  }
  if (out_file_ >= 0) close(out_file_);
  if (err_file_ >= 0) close(err_file_);
}

void Process::reap(int options) {
  if (exit_code_) return;
  int status = 0;
  pid_t got = 0;
  do got = waitpid(pid_, &status, options);
  while (got < 0 && errno == EINTR);
  if (got == pid_) exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (got < 0) exit_code_ = -1;
}

void Process::collect() {
  if (terminal_) {
    out_ += read_terminal(out_file_);
    return;
  }
  out_ += read_from(out_file_, out_.size());
  err_ += read_from(err_file_, err_.size());
}

std::string& Process::text(Stream stream) {
  collect();
  return stream == Stream::out ? out_ : err_;
}

std::string Process::out() { return text(Stream::out); }
std::string Process::err() { return text(Stream::err); }

std::optional<std::string> Process::read_line(Stream stream, milliseconds deadline) {
  std::size_t& from = next_line_[stream == Stream::out ? 0 : 1];
  std::size_t end = std::string::npos;
  (void)wait_until(
      [&] {
        const bool ended = !running();
        end = text(stream).find('\n', from);
        return ended || end != std::string::npos;
      },
      scaled(deadline));
  if (end == std::string::npos) return std::nullopt;
  std::string line = text(stream).substr(from, end - from);
  from = end + 1;
  if (!line.empty() && line.back() == '\r') line.pop_back(); // a terminal turns "\n" into "\r\n"
  return line;
}

bool Process::wait_for_text(const std::string& wanted, milliseconds deadline) {
  const auto there = [&] {
    collect();
    return out_.find(wanted) != std::string::npos || err_.find(wanted) != std::string::npos;
  };
  (void)wait_until(
      [&] {
        const bool ended = !running();
        return there() || ended;
      },
      scaled(deadline));
  return there();
}

void Process::send(int signal) {
  if (!exit_code_) (void)kill(pid_, signal);
}

bool Process::wait_signal_taken(int signal, milliseconds deadline) {
  const auto bit = std::uint64_t{1} << (signal - 1);
  return wait_until(
      [&] {
        if (!running()) return true;
        const std::string own = status_line(pid_, "SigPnd");
        const std::string shared = status_line(pid_, "ShdPnd");
        const auto pending =
            std::strtoull(own.c_str(), nullptr, 16) | std::strtoull(shared.c_str(), nullptr, 16);
        return (pending & bit) == 0;
      },
      scaled(deadline));
}

bool Process::running() {
  reap(WNOHANG);
  return !exit_code_;
}

std::optional<int> Process::wait_exit(milliseconds deadline) {
  (void)wait_until(
      [&] {
        if (terminal_) collect(); // a terminal holds a few KiB only: a child could wait for us
        return !running();
      },
      scaled(deadline));
  collect();
  return exit_code_;
}

Finished Process::finished() {
  const bool ended = !running();
  collect();
  return {ended ? exit_code_.value_or(-1) : -1, false, out_, err_};
}

std::size_t Process::peak_memory() const {
  return std::strtoull(status_line(pid_, "VmHWM").c_str(), nullptr, 10) * 1024;
}

Finished run(const Command& command, milliseconds deadline) {
  Process process(command);
  const bool ended = process.wait_exit(deadline).has_value();
  Finished finished = process.finished();
  finished.timed_out = !ended;
  return finished;
}

} // namespace osync::test
