#include "handles.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <new>
#include <zmq.h>

namespace osync::transport_zmq {
namespace {

constexpr int max_sockets =
    4096; ///< of the process; libzmq's default of 1023 is few for many replicas in one process

struct Process {
  std::mutex mutex;
  void* context = nullptr;
  int io_threads = 0;
};

Process& process() {
  static Process* const only = new Process; // lives for ever, so that no exit handler can be too early
  return *only;
}

} // namespace

void* zmq_context(int io_threads, bool& asked_late) {
  Process& here = process();
  const std::lock_guard lock(here.mutex);
  asked_late = here.context != nullptr && io_threads != 0 && here.io_threads != io_threads;
  if (here.context != nullptr) return here.context;
  void* const made = zmq_ctx_new();
  if (made == nullptr) throw std::bad_alloc();
  here.io_threads = io_threads == 0 ? 1 : io_threads;
  (void)zmq_ctx_set(made, ZMQ_IO_THREADS, here.io_threads); // in range by the option table: cannot fail
  (void)zmq_ctx_set(made, ZMQ_MAX_SOCKETS, max_sockets); // fails above the system's limit: the default stays
  return here.context = made;
}

void* zmq_context() {
  bool asked_late = false;
  return zmq_context(0, asked_late);
}

Status zmq_failure(int error, std::string_view what, const std::string& endpoint) {
  std::string message(what);
  message += ": ";
  message += zmq_strerror(error);
  return {code_of_errno(error), std::move(message), endpoint, error};
}

Socket::Socket(int type) : handle_(zmq_socket(zmq_context(), type)) {}

Status Socket::set(int option, int value) {
  if (zmq_setsockopt(handle_, option, &value, sizeof value) == 0) return {};
  return zmq_failure(zmq_errno(), "zmq_setsockopt, option " + std::to_string(option));
}

Status Socket::set_size(int option, std::int64_t bytes) {
  if (zmq_setsockopt(handle_, option, &bytes, sizeof bytes) == 0) return {};
  return zmq_failure(zmq_errno(), "zmq_setsockopt, option " + std::to_string(option));
}

int Socket::events() const noexcept {
  int value = 0;
  std::size_t size = sizeof value;
  int rc = -1;
  do rc = zmq_getsockopt(handle_, ZMQ_EVENTS, &value, &size);
  while (rc != 0 && zmq_errno() == EINTR);
  return rc == 0 ? value : 0;
}

int Socket::descriptor() const noexcept {
  int value = -1;
  std::size_t size = sizeof value;
  return zmq_getsockopt(handle_, ZMQ_FD, &value, &size) == 0 ? value : -1;
}

std::string Socket::last_endpoint() const {
  std::array<char, 512> text{};
  std::size_t size = text.size();
  if (zmq_getsockopt(handle_, ZMQ_LAST_ENDPOINT, text.data(), &size) != 0 || size == 0) return {};
  return {text.data(), size - 1};
}

void Socket::close() noexcept {
  if (handle_ != nullptr) (void)zmq_close(handle_); // fails only for what is no socket
  handle_ = nullptr;
}

} // namespace osync::transport_zmq
