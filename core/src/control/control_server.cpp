#include "control/control_server.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace osync::control {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int read_timeout_ms = 5000;

bool fill_address(const std::string& path, sockaddr_un& address) {
  if (path.size() >= sizeof address.sun_path) return false;
  address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return true;
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

/// Whether the process at the other end of `fd` may be dealt with: our own user's, or root's.
bool trusted_peer(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

/// Reads up to a newline, without it. Errors: closed (end, or too long), timeout.
Code read_line(int fd, std::size_t bound, int timeout_ms, std::string& line) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  line.clear();
  char buffer[4096];
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return Code::timeout;
    pollfd waiting{fd, POLLIN, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return Code::timeout;
    if (ready < 0) return Code::closed;
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Code::closed;
    line.append(buffer, static_cast<std::size_t>(got));
    if (const std::size_t end = line.find('\n'); end != std::string::npos) {
      line.resize(end);
      return Code::ok;
    }
    if (line.size() > bound) return Code::closed;
  }
}

bool write_line(int fd, std::string text) {
  text += '\n';
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = send(fd, text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += static_cast<std::size_t>(written);
  }
  return true;
}

} // namespace

ControlServer::ControlServer(Logger& logger, Handler handler) : logger_(logger), handler_(std::move(handler)) {}

ControlServer::~ControlServer() { stop(); }

Status ControlServer::start(const std::string& path) {
  sockaddr_un address{};
  if (!fill_address(path, address))
    return {Code::name_too_long, "the control socket's path is longer than 107 bytes; set control: {socket: ...}", path};
  const Result<std::string> other = ask(path, "{\"command\":\"ping\"}", 500);
  if (other.ok() || (other.status().code() != Code::not_found && other.status().code() != Code::denied))
    return {Code::conflict, "another osync serves this control socket; stop it first, or set control: {socket: ...}", path};
  struct stat present {};
  if (lstat(path.c_str(), &present) == 0) {
    if (!S_ISSOCK(present.st_mode))
      return {Code::conflict, "there is something else than a socket; set control: {socket: ...} to a path of its own", path};
    if (present.st_uid != geteuid() && geteuid() != 0)
      return {Code::conflict, "there is a socket of user " + std::to_string(present.st_uid) +
                                  "; set control: {socket: ...} to a path of its own", path};
    unlink(path.c_str()); // what is left of a process that is gone
  }
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (listener_ < 0 || wake_ < 0) return Status::from_errno(errno, "making the control socket", path);
  // Before bind(2), which makes the file with the mode that the socket has then: nobody else can ever connect.
  if (fchmod(listener_, 0600) != 0 || bind(listener_, generic(address), sizeof address) != 0 ||
      listen(listener_, 64) != 0)
    return Status::from_errno(errno, "binding the control socket", path);
  path_ = path;
  acceptor_ = std::thread([this] { accept_connections(); });
  return {};
}

void ControlServer::stop() {
  stopping_ = true;
  if (acceptor_.joinable()) {
    const std::uint64_t one = 1;
    static_cast<void>(!write(wake_, &one, sizeof one)); // an eventfd that is full wakes as well
    acceptor_.join();
  }
  {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] { return serving_ == 0; });
  }
  if (!path_.empty()) unlink(path_.c_str());
  path_.clear();
  if (listener_ >= 0) close(listener_);
  if (wake_ >= 0) close(wake_);
  listener_ = wake_ = -1;
}

void ControlServer::accept_connections() {
  pthread_setname_np(pthread_self(), "osync-control");
  while (!stopping_) {
    pollfd waiting[2] = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) {
      logger_.error("the control service ends: poll: " + std::string(std::strerror(errno)));
      return;
    }
    if (stopping_) return;
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    {
      std::unique_lock lock(mutex_);
      finished_.wait(lock, [&] { return serving_ < connections_bound || stopping_; });
      ++serving_;
    }
    std::thread([this, connection] {
      serve(connection);
      close(connection);
      // Notified with the lock held: stop() may destroy this object as soon as it sees the last one gone.
      const std::lock_guard lock(mutex_);
      --serving_;
      finished_.notify_all();
    }).detach();
  }
}

void ControlServer::serve(int connection) {
  std::string request;
  if (!trusted_peer(connection)) return;
  if (read_line(connection, request_bound, read_timeout_ms, request) == Code::ok)
    write_line(connection, handler_(request));
}

Result<std::string> ask(const std::string& path, const std::string& request, int timeout_ms) {
  sockaddr_un address{};
  if (!fill_address(path, address)) return Status(Code::name_too_long, "the socket's path is longer than 107 bytes", path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Status::from_errno(errno, "making a socket", path);
  Status status;
  std::string answer;
  if (connect(fd, generic(address), sizeof address) != 0) {
    const Code code = errno == EACCES || errno == EPERM ? Code::denied : Code::not_found;
    status = Status(code, "no osync answers here: " + std::string(std::strerror(errno)), path, errno);
  } else if (geteuid() != 0 && !trusted_peer(fd)) { // root may ask anybody's osync
    status = Status(Code::denied, "the process that answers here is another user's", path);
  } else if (!write_line(fd, request)) {
    status = Status(Code::closed, "the osync there went away", path);
  } else if (const Code code = read_line(fd, 64u << 20, timeout_ms, answer); code != Code::ok) {
    status = Status(code, code == Code::timeout ? "no answer in time" : "the osync there went away before it answered", path);
  }
  close(fd);
  if (!status.ok()) return status;
  return answer;
}

} // namespace osync::control
