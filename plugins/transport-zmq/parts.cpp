#include "parts.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

#include "control.h"

namespace osync::transport_zmq {
namespace {

/// libzmq passes messages from thread to thread safely, but the thread sanitizer cannot see how: libzmq is
/// not instrumented. These two say it in code that is; without the sanitizer they are nothing.
#if defined(__SANITIZE_THREAD__)
std::atomic<std::uint64_t> handovers{0};
void hand_over() noexcept { handovers.fetch_add(1, std::memory_order_release); }
void take_over() noexcept { (void)handovers.load(std::memory_order_acquire); }
#else
void hand_over() noexcept {}
void take_over() noexcept {}
#endif

/// Called by libzmq, in any of its threads, when nobody needs the bytes any more.
void release_buffer(void*, void* hint) {
  take_over();
  delete static_cast<Buffer*>(hint);
}

int receive_part(void* socket, zmq_msg_t* into) noexcept {
  int rc = -1;
  do rc = zmq_msg_recv(into, socket, ZMQ_DONTWAIT);
  while (rc < 0 && zmq_errno() == EINTR);
  if (rc >= 0) take_over();
  return rc;
}

/// Throws away what is left of a message of which a part was read. The rest is there already: libzmq delivers
/// whole messages only. Returns the number of parts.
std::size_t discard_rest(void* socket) noexcept {
  std::size_t discarded = 0;
  for (bool more = true; more; ++discarded) {
    zmq_msg_t part;
    (void)zmq_msg_init(&part);
    more = receive_part(socket, &part) >= 0 && zmq_msg_more(&part) != 0;
    (void)zmq_msg_close(&part);
  }
  return discarded;
}

void copy_into(zmq_msg_t* message, const void* data, std::size_t size) {
  if (zmq_msg_init_size(message, size) != 0) throw std::bad_alloc(); // ENOMEM is its only error
  if (size > 0) std::memcpy(zmq_msg_data(message), data, size);
}

Status beyond(std::string_view what, std::uint64_t found, std::uint64_t allowed, std::string_view unit) {
  return {Code::limit, "a message with " + std::string(what) + " of " + std::to_string(found) + " " +
                           std::string(unit) + "; at most " + std::to_string(allowed) + " are allowed"};
}

} // namespace

Part::Part(std::string_view bytes) { copy_into(&message_, bytes.data(), bytes.size()); }

Part::Part(const Buffer& payload) {
  if (payload.size() < share_from) {
    copy_into(&message_, payload.data(), payload.size());
    return;
  }
  auto held = std::make_unique<Buffer>(payload);
  // libzmq never writes to what it was given (zmq_msg_init_data(3) only lacks the const).
  void* const data = const_cast<std::byte*>(held->data());
  if (zmq_msg_init_data(&message_, data, held->size(), release_buffer, held.get()) != 0)
    throw std::bad_alloc();
  (void)held.release(); // now release_buffer's
}

Part::Part(Part&& other) noexcept {
  (void)zmq_msg_init(&message_);
  (void)zmq_msg_move(&message_, &other.message_); // EFAULT is its only error
}

Part& Part::operator=(Part&& other) noexcept {
  if (this != &other) (void)zmq_msg_move(&message_, &other.message_);
  return *this;
}

std::span<const std::byte> Part::bytes() const noexcept {
  return {static_cast<const std::byte*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
}

std::string_view Part::text() const noexcept {
  return {static_cast<const char*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
}

Buffer Part::take_buffer() {
  if (size() < share_from) return Buffer::copy_of(bytes());
  auto owner = std::make_shared<Part>(std::move(*this));
  const std::span<const std::byte> view = owner->bytes();
  return {std::move(owner), view.data(), view.size()};
}

int send_parts(void* socket, std::span<Part> parts) noexcept {
  hand_over();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const int flags = ZMQ_DONTWAIT | (i + 1 < parts.size() ? ZMQ_SNDMORE : 0);
    int rc = -1;
    do rc = zmq_msg_send(parts[i].raw(), socket, flags);
    while (rc < 0 && zmq_errno() == EINTR);
    // Once the first part is taken so are the others; a connection that dies in between swallows them.
    if (rc < 0) return zmq_errno();
  }
  return 0;
}

bool receive_parts(void* socket, std::size_t max_parts, Parts& parts, std::size_t& count) {
  parts.clear();
  count = 0;
  bool more = true;
  while (more) {
    Part part;
    if (receive_part(socket, part.raw()) < 0) return false; // EAGAIN, and only before the first part
    more = zmq_msg_more(part.raw()) != 0;
    ++count;
    if (count > max_parts) {
      if (more) count += discard_rest(socket);
      break;
    }
    try {
      parts.push_back(std::move(part));
    } catch (...) {
      if (more) (void)discard_rest(socket);
      throw;
    }
  }
  return true;
}

void append_message(const Message& message, Parts& parts) {
  parts.reserve(parts.size() + 1 + message.payloads.size());
  parts.emplace_back(std::string_view(message.header));
  for (const Buffer& payload : message.payloads) parts.emplace_back(payload);
}

Status take_message(Parts& parts, std::size_t first, std::size_t count, const TransportLimits& limits,
                    Message& message) {
  if (count <= first) return {Code::corrupt, "a message without a header"};
  const std::size_t payloads = count - first - 1;
  if (payloads > limits.payloads) return beyond("a number", payloads, limits.payloads, "payloads");
  if (parts[first].size() > limits.header_bytes)
    return beyond("a header", parts[first].size(), limits.header_bytes, "bytes");
  for (std::size_t i = first + 1; i < count; ++i)
    if (parts[i].size() > limits.payload_bytes)
      return beyond("a payload", parts[i].size(), limits.payload_bytes, "bytes");
  message.header = parts[first].text();
  message.payloads.clear();
  message.payloads.reserve(payloads);
  for (std::size_t i = first + 1; i < count; ++i) message.payloads.push_back(parts[i].take_buffer());
  return {};
}

std::int64_t largest_part(const TransportLimits& limits) noexcept {
  const std::uint64_t largest =
      std::max({limits.header_bytes, limits.payload_bytes, std::uint64_t{max_control}});
  return static_cast<std::int64_t>(
      std::min(largest, std::uint64_t{std::numeric_limits<std::int64_t>::max()}));
}

} // namespace osync::transport_zmq
