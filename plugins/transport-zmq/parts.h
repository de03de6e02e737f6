// Messages as libzmq carries them: several parts that arrive all or not at all. Payloads from share_from
// bytes on are not copied, neither way: libzmq holds the Buffer until it is sent, and a received Buffer holds
// libzmq's message.
//
// Threads: everything belongs to the socket's thread, but a Buffer made here may be released by any, and a
// Buffer that was sent is released by one of libzmq's.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include <zmq.h>

#include "osync/transport.h"

namespace osync::transport_zmq {

/// Smaller payloads are copied: below it a copy costs less than counting references across threads, and a
/// small part that was received would keep the 8 KiB block alive into which libzmq read it.
inline constexpr std::size_t share_from = 4096;

class Part {
 public:
  Part() noexcept { (void)zmq_msg_init(&message_); } // always 0, zmq_msg_init(3)
  /// A copy of `bytes`. Throws std::bad_alloc.
  explicit Part(std::string_view bytes);
  /// The bytes of `payload`, shared or copied. Throws std::bad_alloc.
  explicit Part(const Buffer& payload);
  ~Part() { (void)zmq_msg_close(&message_); }
  Part(Part&& other) noexcept;
  Part& operator=(Part&& other) noexcept;
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept;
  [[nodiscard]] std::string_view text() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return zmq_msg_size(&message_); }
  [[nodiscard]] zmq_msg_t* raw() noexcept { return &message_; }

  /// The bytes as a Buffer, shared or copied; the part is empty afterwards. Throws std::bad_alloc.
  [[nodiscard]] Buffer take_buffer();

 private:
  mutable zmq_msg_t message_; // libzmq's readers take it without const
};

using Parts = std::vector<Part>;

/// Sends all of `parts` as one message, without waiting. 0, or the errno with which the first part was
/// refused: EAGAIN (nothing was taken) or EHOSTUNREACH (ROUTER: nobody there).
[[nodiscard]] int send_parts(void* socket, std::span<Part> parts) noexcept;

/// Reads one message without waiting into `parts` (cleared first). False when there is none. `count` is the
/// number of its parts; only the first `max_parts` are kept, so that nobody can fill the memory with more.
/// Throws std::bad_alloc, then the whole message is gone.
[[nodiscard]] bool receive_parts(void* socket, std::size_t max_parts, Parts& parts, std::size_t& count);

/// Appends `message` as parts: header, payloads. `message` stays as it is. Throws std::bad_alloc.
void append_message(const Message& message, Parts& parts);

/// Makes `message` from what begins at `parts[first]`. `count` as from receive_parts. Errors: limit, with
/// what was found and what is allowed. Throws std::bad_alloc.
Status take_message(Parts& parts, std::size_t first, std::size_t count, const TransportLimits& limits,
                    Message& message);

/// ZMQ_MAXMSGSIZE for `limits`: the largest part that can be right.
[[nodiscard]] std::int64_t largest_part(const TransportLimits& limits) noexcept;

} // namespace osync::transport_zmq
