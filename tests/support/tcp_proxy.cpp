#include "support/tcp_proxy.h"

#include "support/descriptor.h"

#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <fcntl.h>
#include <list>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <vector>

namespace osync::test {
namespace {

using Clock = std::chrono::steady_clock;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// A listening or bound socket, and the port that it got.
Descriptor bound_socket(std::uint16_t port, std::uint16_t& got) {
  Descriptor socket(must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
  sockaddr_in address = loopback(port);
  must(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
  socklen_t size = sizeof address;
  must(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  got = ntohs(address.sin_port);
  return socket;
}

void make_small(int socket) {
  const int size = 64 * 1024;
  const int on = 1;
  (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  (void)setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// What may be sent now at `rate` bytes a second, with at most 20 ms saved up.
class Allowance {
 public:
  std::size_t take(std::uint64_t rate, std::size_t wanted) {
    if (rate == 0) return wanted;
    const auto now = Clock::now();
    const double most = std::max(4096.0, static_cast<double>(rate) * 0.02);
    saved_ = std::min(most, saved_ + std::chrono::duration<double>(now - last_).count() *
                                         static_cast<double>(rate));
    last_ = now;
    const std::size_t granted = std::min(wanted, static_cast<std::size_t>(saved_));
    saved_ -= static_cast<double>(granted);
    return granted;
  }
  void give_back(std::size_t bytes) { saved_ += static_cast<double>(bytes); }

 private:
  double saved_ = 0;
  Clock::time_point last_ = Clock::now();
};

/// One direction of one connection.
struct Direction {
  int from;
  int to;
  std::vector<char> buffer = std::vector<char>(128 * 1024);
  std::size_t begin = 0;
  std::size_t end = 0;
  bool ended = false;

  [[nodiscard]] bool can_read() const { return !ended && end == begin; }

  /// False when the connection is over.
  bool read_some() {
    const ssize_t got = recv(from, buffer.data(), buffer.size(), 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) ended = true;
    begin = 0;
    end = static_cast<std::size_t>(got);
    return true;
  }
  /// False when the connection is over.
  bool write_some(Allowance& allowance, std::uint64_t rate, std::atomic<std::uint64_t>& forwarded) {
    if (begin == end) return !ended;
    const std::size_t granted = allowance.take(rate, end - begin);
    if (granted == 0) return true;
    const ssize_t sent = send(to, buffer.data() + begin, granted, MSG_NOSIGNAL);
    allowance.give_back(granted - (sent > 0 ? static_cast<std::size_t>(sent) : 0));
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    begin += static_cast<std::size_t>(sent);
    forwarded += static_cast<std::uint64_t>(sent);
    return true;
  }
};

struct Connection {
  Descriptor client;
  Descriptor server;
  Direction up{client.get(), server.get()};
  Direction down{server.get(), client.get()};
};

void wait_for_work(int listener, std::list<Connection>& connections, bool limited) {
  std::vector<pollfd> waiting = {{listener, POLLIN, 0}};
  for (auto& connection : connections)
    for (Direction* direction : {&connection.up, &connection.down}) {
      if (direction->can_read())
        waiting.push_back({direction->from, POLLIN, 0});
      else if (!limited)
        waiting.push_back({direction->to, POLLOUT, 0}); // limited: the allowance says when
    }
  (void)poll(waiting.data(), waiting.size(), limited ? 1 : 5);
}

} // namespace

std::uint16_t free_port() {
  std::uint16_t port = 0;
  (void)bound_socket(0, port);
  return port;
}

std::string loopback_endpoint(std::uint16_t port) { return "tcp://127.0.0.1:" + std::to_string(port); }

TcpProxy::TcpProxy(std::uint16_t target) : target_(target) {
  Descriptor listener = bound_socket(0, port_);
  make_small(listener.get()); // inherited by what is accepted
  must(listen(listener.get(), 16), "listen");
  listener_ = must(fcntl(listener.get(), F_DUPFD_CLOEXEC, 0), "dup");
  thread_ = std::thread([this] { serve(); });
}

TcpProxy::~TcpProxy() {
  ending_ = true;
  thread_.join();
  close(listener_);
}

void TcpProxy::serve() {
  std::list<Connection> connections;
  Allowance allowance;
  while (!ending_) {
    wait_for_work(listener_, connections, rate_ != 0);
    Descriptor client(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!open_) {
      connections.clear();
      continue;
    }
    if (client.valid()) {
      const sockaddr_in address = loopback(target_);
      Descriptor server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      make_small(server.get());
      make_small(client.get());
      // Blocking, on loopback: connected or refused at once. Refused: the client sees its connection closed.
      if (connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
          fcntl(server.get(), F_SETFL, O_NONBLOCK) == 0) {
        connections.push_back({std::move(client), std::move(server)});
        ++connections_;
      }
    }
    connections.remove_if([&](Connection& connection) {
      for (Direction* direction : {&connection.up, &connection.down}) {
        if (direction->can_read() && !direction->read_some()) return true;
        if (!direction->write_some(allowance, rate_, forwarded_)) return true;
      }
      return false;
    });
  }
}

} // namespace osync::test
