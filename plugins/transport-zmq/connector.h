// The connecting side: keeps one connection to one endpoint, and makes a new one whenever it is lost.
//
// Each attempt is a Link of its own: hello, welcome, messages, end. The peer is always number 1 and is
// reported connected only when the listening side has answered. Attempts that lead nowhere come at growing
// intervals.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "link.h"
#include "side.h"
#include "voice.h"

namespace osync::transport_zmq {

class Connector final : public Side {
 public:
  static constexpr PeerId only_peer = 1;
  static constexpr milliseconds first_pause{100}; ///< before a new attempt, doubled each time up to ...
  static constexpr milliseconds longest_pause{5000};

  Connector(Endpoint endpoint, const TransportLimits& limits, const Options& options, Voice& voice)
      : endpoint_(std::move(endpoint)), limits_(limits), options_(options), voice_(voice) {}

  /// Begins. Errors: those that trying again cannot mend.
  Status open(TimePoint now);

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
  enum class Phase { connecting, greeting, welcomed, lost };

  /// A connection that was ended from here: waits for the other side's goodbye, until when.
  struct Leaving {
    Link link;
    TimePoint deadline;
    bool said = false; ///< our goodbye
  };

  Status open_link(TimePoint now);
  void look(TimePoint now);
  void greet(TimePoint now);
  bool read(TimePoint now, std::size_t room, std::vector<TransportEvent>& events);
  void take(TimePoint now, std::size_t count, std::vector<TransportEvent>& events);
  void take_data(TimePoint now, std::size_t count, std::vector<TransportEvent>& events);
  void do_due(TimePoint now, bool drained, std::vector<TransportEvent>& events);
  void lose(TimePoint now, const std::string& why);
  void refuse(TimePoint now, const std::string& why, std::vector<TransportEvent>& events);
  void end(TimePoint now, std::vector<TransportEvent>& events);
  void leave(TimePoint now);
  bool has_left(Leaving& leaving, TimePoint now);

  const Endpoint endpoint_;
  const TransportLimits limits_;
  const Options options_;
  Voice& voice_;

  std::optional<Link> link_;
  Phase phase_ = Phase::connecting;
  bool established_ = false; ///< libzmq's handshake is done
  bool welcomed_ = false;    ///< `connected` was reported for this link
  bool blocked_ = false;     ///< the last send() would have blocked
  TimePoint began_{};        ///< the phase
  TimePoint heard_{};
  TimePoint sent_{};
  TimePoint looked_{}; ///< for a listening side that went away, over inproc
  TimePoint retry_at_{};
  milliseconds pause_ = first_pause;
  bool finishing_ = false;

  std::vector<Leaving> leaving_;
  std::vector<TransportEvent> pending_; ///< events that calls other than advance() brought about
  Parts incoming_;
};

} // namespace osync::transport_zmq
