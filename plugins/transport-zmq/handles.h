// The libzmq objects that everything else stands on: the one context of the process, sockets that close
// themselves, and libzmq's errors as Status.
//
// The context is made at first use and never ended: ending it would wait for every lingering socket, and
// inproc endpoints meet only inside one context. fork(2) is not supported: a child has the context, but not
// its threads. Threads: zmq_context() any; a Socket belongs to one thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "osync/status.h"

namespace osync::transport_zmq {

/// The process's context with `io_threads` threads, if this call is the first; `asked_late` tells that it was
/// made with another number before. Throws std::bad_alloc.
[[nodiscard]] void* zmq_context(int io_threads, bool& asked_late);
/// The same where its threads do not matter any more.
[[nodiscard]] void* zmq_context();

/// A failed libzmq call: `error` is zmq_errno(), which knows values that errno(3) does not.
[[nodiscard]] Status zmq_failure(int error, std::string_view what, const std::string& endpoint = {});

class Socket {
 public:
  Socket() noexcept = default;
  /// `type` as for zmq_socket(3). Errors of making it are in status().
  explicit Socket(int type);
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Socket& operator=(Socket&& other) noexcept {
    if (this != &other) {
      close();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  [[nodiscard]] bool open() const noexcept { return handle_ != nullptr; }
  [[nodiscard]] void* get() const noexcept { return handle_; }

  /// Sets an option of type int. Errors: as zmq_setsockopt(3).
  Status set(int option, int value);
  Status set_size(int option, std::int64_t bytes);

  /// ZMQ_EVENTS: what can be done now. After it (and nothing else on the socket) descriptor() tells of
  /// changes; it is edge-triggered, as zmq_getsockopt(3) says of ZMQ_FD. 0 when the socket is not usable.
  [[nodiscard]] int events() const noexcept;
  [[nodiscard]] int descriptor() const noexcept;
  [[nodiscard]] std::string last_endpoint() const;

  /// Never waits; what lingers does so in the context's threads.
  void close() noexcept;

 private:
  void* handle_ = nullptr;
};

} // namespace osync::transport_zmq
