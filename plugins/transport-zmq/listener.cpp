#include "listener.h"

#include <algorithm>
#include <cerrno>

namespace osync::transport_zmq {
namespace {

constexpr int handshake_failed = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                 ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

/// After libzmq has said that some connection broke, a moment passes until the ROUTER knows which.
constexpr milliseconds probe_time{1000};
constexpr milliseconds probe_interval{20};

/// How long the end of a listening socket waits at most for the port to be free: an I/O thread's reaction,
/// not a network's.
constexpr milliseconds unbind_time{5000};

TransportEvent event_of(TransportEvent::Kind kind, PeerId peer) {
  TransportEvent event;
  event.kind = kind;
  event.peer = peer;
  return event;
}

} // namespace

Status Listener::open(std::string& bound) {
  if (Status status = make_socket(ZMQ_ROUTER, endpoint_, options_, limits_, socket_); !status.ok())
    return status;
  if (endpoint_.scheme == Scheme::ipc)
    if (Status status = path_.claim(endpoint_.place); !status.ok()) return status;
  if (endpoint_.scheme != Scheme::inproc)
    if (Status status =
            monitor_.attach(socket_, handshake_failed | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED);
        !status.ok())
      return status;
  if (zmq_bind(socket_.get(), zmq_address(endpoint_).c_str()) != 0) return fail_bind(zmq_errno());
  if (endpoint_.scheme == Scheme::ipc)
    if (Status status = path_.take_over(); !status.ok()) return status;
  const auto port = endpoint_.scheme == Scheme::tcp ? port_of(socket_.last_endpoint()) : 0;
  if (!port) return {Code::internal, "libzmq does not tell the port it bound", to_string(endpoint_)};
  bound = to_string(endpoint_, *port);
  return {};
}

Status Listener::fail_bind(int error) const {
  const std::string where = to_string(endpoint_);
  switch (error) {
  case EADDRINUSE:
    return {Code::exists,
            "the endpoint is in use: end the process that listens there, or choose another one" +
                std::string(endpoint_.scheme == Scheme::tcp ? " (port 0 takes any free port)" : ""),
            where, error};
  case EADDRNOTAVAIL:
  case ENODEV:
    return {Code::invalid,
            "this host has no such address; expected one of its own, an interface's name, or * for all",
            where, error};
  default:
    return zmq_failure(error, "zmq_bind", where);
  }
}

/// Closes the port for certain before the object is gone, so that the next one can be bound there at once,
/// and an ipc path is not removed under a new owner.
Listener::~Listener() {
  const std::string address = socket_.open() ? socket_.last_endpoint() : std::string();
  if (address.empty() || zmq_unbind(socket_.get(), address.c_str()) != 0 || !monitor_.attached()) return;
  const TimePoint until = Clock::now() + unbind_time;
  while (true) {
    for (Monitor::Event event; monitor_.next(event);)
      if (event.kind == ZMQ_EVENT_CLOSED) return;
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
    if (left <= milliseconds::zero()) return;
    zmq_pollitem_t item{monitor_.socket().get(), 0, ZMQ_POLLIN, 0};
    (void)zmq_poll(&item, 1, static_cast<long>(left.count())); // its errors end with the time
  }
}

Status Listener::send(PeerId id, Message& message, TimePoint now) {
  const auto route = routes_.find(id);
  const auto peer = route == routes_.end() ? peers_.end() : peers_.find(route->second);
  if (peer == peers_.end() || peer->second.lost)
    return {Code::not_found, "peer " + std::to_string(id) + " is not connected", to_string(endpoint_)};
  outgoing_.clear();
  outgoing_.emplace_back(std::string_view(peer->first));
  outgoing_.emplace_back(encode({Kind::data, {}, {}}));
  append_message(message, outgoing_);
  const int error = send_parts(socket_.get(), outgoing_);
  outgoing_.clear(); // drops what a failed attempt holds
  if (error == EAGAIN) {
    peer->second.blocked = true;
    return {Code::would_block, "the queue of peer " + std::to_string(id) + " is full", to_string(endpoint_)};
  }
  if (error != 0) {
    lose(peer->second, now);
    return {Code::not_found, "peer " + std::to_string(id) + " is gone", to_string(endpoint_), error};
  }
  message = {};
  peer->second.sent = now;
  return {};
}

int Listener::say(const std::string& route, const Control& control) {
  Part parts[] = {Part(std::string_view(route)), Part(encode(control))};
  return send_parts(socket_.get(), parts);
}

void Listener::advance(TimePoint now, std::size_t room, std::vector<TransportEvent>& events) {
  for (TransportEvent& event : pending_) events.push_back(std::move(event));
  pending_.clear();
  look(now);
  const bool drained = read(now, room, events);
  do_due(now, drained, events);
}

void Listener::look(TimePoint now) {
  for (Monitor::Event event; monitor_.next(event);) {
    if (event.kind == ZMQ_EVENT_DISCONNECTED) {
      probe_until_ = now + probe_time;
      probe_at_ = std::min(probe_at_, now);
    }
    if (event.kind == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
      voice_.warning(now, "something connected that does not speak ZeroMQ as osync does; it was turned away");
  }
}

bool Listener::read(TimePoint now, std::size_t room, std::vector<TransportEvent>& events) {
  const std::size_t max_parts =
      std::size_t{limits_.payloads} + 3; // route, control and header before the payloads
  for (std::size_t i = 0; i < max_reads && events.size() < room; ++i) {
    std::size_t count = 0;
    if (!receive_parts(socket_.get(), max_parts, incoming_, count)) return true;
    take(now, count, events);
  }
  return false;
}

void Listener::take(TimePoint now, std::size_t count, std::vector<TransportEvent>& events) {
  const std::string route(incoming_.front().text());
  std::string wrong = "a message without any part";
  const auto control = count < 2 ? std::nullopt : decode(incoming_[1].bytes(), wrong);
  if (const auto leaving = leaving_.find(route); leaving != leaving_.end()) {
    if (control && control->kind == Kind::goodbye) leaving_.erase(leaving);
    return;
  }
  const auto peer = peers_.find(route);
  if (!control) {
    if (peer != peers_.end()) return refuse(now, peer, wrong, events);
    voice_.warning(now, "something that is no peer sent " + wrong);
    return leave(route, now, "received " + wrong);
  }
  if (peer == peers_.end()) return take_from_stranger(now, route, *control, events);
  peer->second.heard = now;
  take_from_peer(now, peer, *control, count, events);
}

void Listener::take_from_stranger(TimePoint now, const std::string& route, const Control& control,
                                  std::vector<TransportEvent>& events) {
  if (control.kind == Kind::goodbye) return; // an answer to ours that came late
  if (control.kind != Kind::hello)
    return leave(route, now, {}); // of a peer that was given up: it is to connect anew
  if (finishing_) return leave(route, now, {});
  if (peers_.size() >= max_peers) {
    const std::string why = "there are " + std::to_string(max_peers) + " peers already";
    voice_.warning(now, "a peer was turned away: " + why);
    return leave(route, now, why);
  }
  welcome(now, route, control.nonce, events);
}

void Listener::welcome(TimePoint now, const std::string& route, const Nonce& nonce,
                       std::vector<TransportEvent>& events) {
  if (say(route, {Kind::welcome, nonce, {}}) != 0) return; // gone before it was answered
  const PeerId id = next_peer_++;
  Peer peer;
  peer.id = id;
  peer.heard = peer.sent = now;
  peers_.emplace(route, peer);
  routes_.emplace(id, route);
  voice_.debug("peer " + std::to_string(id) + " connected");
  events.push_back(event_of(TransportEvent::Kind::connected, id));
}

void Listener::take_from_peer(TimePoint now, Peers::iterator peer, const Control& control, std::size_t count,
                              std::vector<TransportEvent>& events) {
  switch (control.kind) {
  case Kind::keep_alive:
    return;
  case Kind::data: {
    TransportEvent event = event_of(TransportEvent::Kind::message, peer->second.id);
    if (Status status = take_message(incoming_, 2, count, limits_, event.message); !status.ok())
      return refuse(now, peer, std::string(status.message()), events);
    events.push_back(std::move(event));
    return;
  }
  case Kind::goodbye:
    if (!control.reason.empty())
      voice_.warning(now,
                     "peer " + std::to_string(peer->second.id) + " ended the connection: " + control.reason);
    (void)say(peer->first,
              {Kind::goodbye, {}, {}}); // it waits for this answer, or for the end of the connection
    return end(peer, events);
  case Kind::hello:
  case Kind::welcome:
    return refuse(now, peer, control.kind == Kind::hello ? "a second hello" : "a welcome", events);
  }
}

void Listener::do_due(TimePoint now, bool drained, std::vector<TransportEvent>& events) {
  const bool probe = now >= probe_at_;
  for (auto peer = peers_.begin(); peer != peers_.end();) {
    const auto next = std::next(peer);
    if (!do_due_of(peer, now, drained, probe)) end(peer, events);
    peer = next;
  }
  for (auto entry = leaving_.begin(); entry != leaving_.end();)
    entry = has_left(entry->first, entry->second, now, probe) ? leaving_.erase(entry) : std::next(entry);
  if (probe) probe_at_ = now < probe_until_ ? now + probe_interval : TimePoint::max();
}

/// False when the peer's time is over.
bool Listener::do_due_of(Peers::iterator position, TimePoint now, bool drained, bool probe) {
  Peer& peer = position->second;
  if (peer.lost)
    return !(drained && now - peer.lost_since >= settle_time) && now - peer.lost_since < settle_bound;
  if (drained && now - peer.heard >= options_.peer_timeout) {
    voice_.warning(now, "nothing was heard of peer " + std::to_string(peer.id) + " for " +
                            std::to_string(options_.peer_timeout.count()) + "ms: it counts as gone");
    leave(position->first, now,
          "nothing was heard of you for " + std::to_string(options_.peer_timeout.count()) + "ms");
    return false;
  }
  if (probe || now - peer.sent >= options_.heartbeat) {
    const int error = say(position->first, {Kind::keep_alive, {}, {}});
    if (error != 0 && error != EAGAIN) lose(peer, now); // EAGAIN: there is enough on its way already
    peer.sent = now;
  }
  return true;
}

void Listener::lose(Peer& peer, TimePoint now) {
  if (peer.lost) return;
  voice_.debug("peer " + std::to_string(peer.id) + " cannot be reached any more");
  peer.lost = true;
  peer.lost_since = now;
}

/// Ends a peer because of what it sent.
void Listener::refuse(TimePoint now, Peers::iterator peer, const std::string& why,
                      std::vector<TransportEvent>& events) {
  voice_.warning(now, "peer " + std::to_string(peer->second.id) + " sent " + why + ": ending its connection");
  leave(peer->first, now, "received " + why);
  end(peer, events);
}

void Listener::end(Peers::iterator peer, std::vector<TransportEvent>& events) {
  const PeerId id = peer->second.id;
  routes_.erase(id);
  peers_.erase(peer);
  voice_.debug("peer " + std::to_string(id) + " disconnected");
  events.push_back(event_of(TransportEvent::Kind::disconnected, id));
}

/// Says goodbye and lets nothing of the connection through. Strangers beyond the bound only get the goodbye.
void Listener::leave(const std::string& route, TimePoint now, const std::string& reason) {
  Leaving leaving{now + options_.linger, reason, say(route, {Kind::goodbye, {}, reason}) == 0};
  if (leaving.said && endpoint_.scheme == Scheme::inproc && finishing_) return;
  if (leaving_.size() < 4 * max_peers) leaving_.emplace(route, std::move(leaving));
}

/// Whether nothing more is to be waited for.
bool Listener::has_left(const std::string& route, Leaving& leaving, TimePoint now, bool probe) {
  if (now >= leaving.deadline) return true;
  if (leaving.said && !probe) return false;
  const int error =
      leaving.said ? say(route, {Kind::keep_alive, {}, {}}) : say(route, {Kind::goodbye, {}, leaving.reason});
  if (error == 0) leaving.said = true;
  return error != 0 && error != EAGAIN;
}

void Listener::disconnect(PeerId id, TimePoint now) {
  const auto route = routes_.find(id);
  if (route == routes_.end()) return;
  const auto peer = peers_.find(route->second);
  leave(peer->first, now, {});
  end(peer, pending_);
}

void Listener::finish(TimePoint now) {
  finishing_ = true;
  while (!peers_.empty()) {
    const auto peer = peers_.begin();
    leave(peer->first, now, {});
    end(peer, pending_);
  }
}

bool Listener::readable() {
  const bool news = monitor_.attached() && (monitor_.socket().events() & ZMQ_POLLIN) != 0;
  return (socket_.events() & ZMQ_POLLIN) != 0 || news || !pending_.empty();
}

/// ZMQ_POLLOUT of a ROUTER says that some peer has room; only sending tells of one.
bool Listener::unblocked(TimePoint now) {
  bool any = false;
  for (auto& [route, peer] : peers_) {
    if (!peer.blocked || peer.lost) continue;
    const int error = say(route, {Kind::keep_alive, {}, {}});
    if (error == EAGAIN) continue;
    peer.blocked = false;
    if (error != 0)
      lose(peer, now);
    else
      peer.sent = now;
    any = true;
  }
  return any;
}

TimePoint Listener::next_due() const {
  TimePoint due = TimePoint::max();
  for (const auto& [route, peer] : peers_)
    due = peer.lost ? std::min(due, peer.lost_since + settle_time)
                    : std::min({due, peer.sent + options_.heartbeat, peer.heard + options_.peer_timeout});
  for (const auto& [route, leaving] : leaving_) due = std::min(due, leaving.deadline);
  return std::min(due, probe_at_);
}

void Listener::add_descriptors(std::vector<pollfd>& descriptors) const {
  descriptors.push_back({socket_.descriptor(), POLLIN, 0});
  if (monitor_.attached()) descriptors.push_back({monitor_.socket().descriptor(), POLLIN, 0});
}

void Listener::excuse(Clock::duration gap) {
  for (auto& [route, peer] : peers_) peer.heard += gap;
}

} // namespace osync::transport_zmq
