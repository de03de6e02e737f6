// The listening side: one ROUTER socket, and the peers that have said hello on it.
//
// libzmq gives each connection a routing id of its own, so a peer is a routing id that said hello; anything
// else from an unknown one is answered with goodbye. A peer ends with its goodbye, when ROUTER_MANDATORY says
// that it cannot be reached, when nothing was heard of it for peer_timeout, or when it breaks the rules.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "control.h"
#include "ipc_path.h"
#include "monitor.h"
#include "parts.h"
#include "side.h"
#include "sockets.h"
#include "voice.h"

namespace osync::transport_zmq {

class Listener final : public Side {
 public:
  static constexpr std::size_t max_peers = 256; ///< at once; more are refused

  Listener(Endpoint endpoint, const TransportLimits& limits, const Options& options, Voice& voice)
      : endpoint_(std::move(endpoint)), limits_(limits), options_(options), voice_(voice) {}
  ~Listener() override;

  /// Binds. Errors: exists (in use), denied, invalid (no such address here), limit.
  Status open(std::string& bound);

  Status send(PeerId peer, Message& message, TimePoint now) override;
  void advance(TimePoint now, std::size_t room, std::vector<TransportEvent>& events) override;
  [[nodiscard]] bool readable() override;
  [[nodiscard]] bool unblocked(TimePoint now) override;
  [[nodiscard]] TimePoint next_due() const override;
  void add_descriptors(std::vector<pollfd>& descriptors) const override;
  void excuse(Clock::duration gap) override;
  void disconnect(PeerId peer, TimePoint now) override;
  void finish(TimePoint now) override;
  [[nodiscard]] bool finished() const override { return finishing_ && leaving_.empty(); }

 private:
  struct Peer {
    PeerId id = 0;
    TimePoint heard{};
    TimePoint sent{};
    bool blocked = false; ///< the last send() would have blocked
    bool lost = false;    ///< cannot be reached any more; `connected` stands until what it sent is read
    TimePoint lost_since{};
  };
  using Peers = std::unordered_map<std::string, Peer>; ///< by routing id

  /// A peer that was ended from here: nothing of it is let through until it says goodbye, or until when.
  struct Leaving {
    TimePoint deadline;
    std::string reason;
    bool said = false; ///< our goodbye
  };

  Status bind();
  Status fail_bind(int error) const;
  void look(TimePoint now);
  bool read(TimePoint now, std::size_t room, std::vector<TransportEvent>& events);
  void take(TimePoint now, std::size_t count, std::vector<TransportEvent>& events);
  void take_from_stranger(TimePoint now, const std::string& route, const Control& control,
                          std::vector<TransportEvent>& events);
  void take_from_peer(TimePoint now, Peers::iterator peer, const Control& control, std::size_t count,
                      std::vector<TransportEvent>& events);
  void welcome(TimePoint now, const std::string& route, const Nonce& nonce,
               std::vector<TransportEvent>& events);
  void do_due(TimePoint now, bool drained, std::vector<TransportEvent>& events);
  bool do_due_of(Peers::iterator peer, TimePoint now, bool drained, bool probe);
  bool has_left(const std::string& route, Leaving& leaving, TimePoint now, bool probe);
  int say(const std::string& route, const Control& control);
  void lose(Peer& peer, TimePoint now);
  void refuse(TimePoint now, Peers::iterator peer, const std::string& why,
              std::vector<TransportEvent>& events);
  void leave(const std::string& route, TimePoint now, const std::string& reason);
  void end(Peers::iterator peer, std::vector<TransportEvent>& events);

  const Endpoint endpoint_;
  const TransportLimits limits_;
  const Options options_;
  Voice& voice_;

  IpcPath path_; // before the socket: the path is ours until that is closed
  Socket socket_;
  Monitor monitor_;

  Peers peers_;
  std::unordered_map<PeerId, std::string> routes_;
  std::map<std::string, Leaving> leaving_; ///< by routing id
  PeerId next_peer_ = 1;
  TimePoint
      probe_until_{}; ///< a connection broke lately: each peer is asked until then whether it was its own
  TimePoint probe_at_ = TimePoint::max();
  bool finishing_ = false;

  std::vector<TransportEvent> pending_; ///< events that calls other than advance() brought about
  Parts incoming_;
  Parts outgoing_;
};

} // namespace osync::transport_zmq
