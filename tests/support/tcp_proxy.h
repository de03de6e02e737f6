// A TCP forwarder on loopback between the two sides of a pipeline, to cut the connection or to make it slow.
//
// The sink connects to the proxy, the proxy connects to the source. One thread of its own; all functions may
// be called from any thread. Buffers are small (128 KiB a direction, small socket buffers), so that a rate
// means what it says.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace osync::test {

/// A TCP port on 127.0.0.1 that nobody listened on a moment ago.
[[nodiscard]] std::uint16_t free_port();

[[nodiscard]] std::string loopback_endpoint(std::uint16_t port);

class TcpProxy {
 public:
  /// Listens at once and forwards to `target` on 127.0.0.1. Throws std::system_error.
  explicit TcpProxy(std::uint16_t target);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Closes every connection; new ones are closed at once too until allow().
  void cut() { open_ = false; }
  void allow() { open_ = true; }
  /// Bytes a second in both directions together; 0: as fast as it goes.
  void limit(std::uint64_t bytes_a_second) { rate_ = bytes_a_second; }
  [[nodiscard]] std::uint64_t forwarded() const { return forwarded_; }
  [[nodiscard]] std::uint64_t connections() const { return connections_; }

 private:
  void serve();

  const std::uint16_t target_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<bool> open_{true};
  std::atomic<bool> ending_{false};
  std::atomic<std::uint64_t> rate_{0};
  std::atomic<std::uint64_t> forwarded_{0};
  std::atomic<std::uint64_t> connections_{0};
  std::thread thread_;
};

} // namespace osync::test
