// A transport carries messages between one source and its sinks, whole and in order for each peer, or reports that the
// peer is gone. It neither looks into messages nor retries them: sequence numbers, credit and resumption are the
// engine's.
//
// Threads: one thread owns the object and makes all calls but wake(), which any thread may make at any time.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "osync/status.h"
#include "osync/types.h"

namespace osync {

/// One message: a small header and the payloads it speaks of, delivered all or not at all.
struct Message {
  std::string header;
  std::vector<Buffer> payloads;
};

/// A peer for as long as its connection lives. A peer that connects again is another one. On the connecting side there
/// is one peer, 1.
using PeerId = std::uint64_t;

struct TransportEvent {
  enum class Kind : std::uint8_t { connected, disconnected, message };
  Kind kind = Kind::message;
  PeerId peer = 0;
  Message message;
};

/// Bounds that a receiver imposes on what comes in; larger messages end the connection.
struct TransportLimits {
  std::uint64_t header_bytes = 4u << 20;
  std::uint64_t payload_bytes = 4u << 20; ///< each
  std::uint32_t payloads = 1024;          ///< in one message
};

class Transport {
 public:
  virtual ~Transport() = default;

  /// Binds (the source's side). `bound` is the endpoint with its actual port. Errors: invalid (endpoint's syntax),
  /// exists (in use), denied.
  virtual Status listen(const std::string& endpoint, const TransportLimits& limits, std::string& bound) noexcept = 0;

  /// Connects (the sink's side) and goes on trying in the background for as long as the object lives. Errors: invalid.
  virtual Status connect(const std::string& endpoint, const TransportLimits& limits) noexcept = 0;

  /// Hands over one message. would_block: nothing was taken, try again when writable; not_found: the peer is gone.
  /// `message` is consumed only on success. Never waits.
  virtual Status send(PeerId peer, Message& message) noexcept = 0;

  /// Waits at most `timeout` for events and appends them, at most about 64 at a time; returns ok also when there are
  /// none. A message of a peer never comes before its `connected` nor after its `disconnected`.
  virtual Status receive(std::chrono::milliseconds timeout, std::vector<TransportEvent>& events) noexcept = 0;

  /// Ends a receive() that waits, now or the next one, early with ok. Any thread.
  virtual void wake() noexcept = 0;

  /// Drops one peer: what was handed over is still delivered if that takes at most `linger`.
  virtual void disconnect(PeerId peer) noexcept = 0;

  /// Whether this endpoint stays on this host (loopback, ipc, inproc). Others need `insecure: true` until security
  /// lands. Errors: invalid. Any thread.
  [[nodiscard]] virtual Result<bool> is_local(const std::string& endpoint) const noexcept = 0;
};

} // namespace osync
