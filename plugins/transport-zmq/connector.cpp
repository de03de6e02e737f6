#include "connector.h"

#include <algorithm>
#include <cerrno>

namespace osync::transport_zmq {
namespace {

/// How soon a hello is tried again for which libzmq had no room although it said that the connection stands.
constexpr milliseconds greeting_retry{10};

TransportEvent event_of(TransportEvent::Kind kind) {
  TransportEvent event;
  event.kind = kind;
  event.peer = Connector::only_peer;
  return event;
}

} // namespace

Status Connector::open(TimePoint now) { return open_link(now); }

Status Connector::open_link(TimePoint now) {
  link_.emplace();
  phase_ = Phase::connecting;
  established_ = endpoint_.scheme == Scheme::inproc; // no handshake there
  welcomed_ = blocked_ = false;
  began_ = heard_ = sent_ = looked_ = now;
  Status status = link_->open(endpoint_, options_, limits_);
  if (!status.ok()) link_.reset();
  return status;
}

Status Connector::send(PeerId peer, Message& message, TimePoint now) {
  if (peer != only_peer || !link_ || phase_ != Phase::welcomed)
    return {Code::not_found, "there is no connection", to_string(endpoint_)};
  const int error = link_->send(message);
  if (error == EAGAIN) {
    blocked_ = true;
    return {Code::would_block, "the queue is full", to_string(endpoint_)};
  }
  if (error != 0) {
    lose(now, "sending failed");
    return zmq_failure(error, "zmq_msg_send", to_string(endpoint_));
  }
  message = {};
  sent_ = now;
  return {};
}

void Connector::advance(TimePoint now, std::size_t room, std::vector<TransportEvent>& events) {
  for (TransportEvent& event : pending_) events.push_back(std::move(event));
  pending_.clear();
  for (auto leaving = leaving_.begin(); leaving != leaving_.end();)
    leaving = has_left(*leaving, now) ? leaving_.erase(leaving) : std::next(leaving);
  if (!link_ && !finishing_ && now >= retry_at_)
    if (Status status = open_link(now); !status.ok()) {
      voice_.warning(now, "cannot try to connect: " + status.to_string());
      retry_at_ = now + longest_pause;
    }
  if (!link_) return;
  look(now);
  greet(now);
  const bool drained = read(now, room, events);
  if (link_) do_due(now, drained, events);
}

void Connector::look(TimePoint now) {
  const Link::News news = link_->look();
  if (news.established) established_ = true;
  if (news.wrong_protocol)
    voice_.warning(now, "what listens there does not speak ZeroMQ as osync does; check the port");
  if (news.broken) lose(now, "the connection broke");
}

void Connector::greet(TimePoint now) {
  if (phase_ != Phase::connecting || !established_) return;
  sent_ = now;
  if (link_->say({Kind::hello, link_->nonce(), {}}) != 0)
    return; // again after greeting_retry, or when it breaks
  phase_ = Phase::greeting;
  began_ = now;
}

bool Connector::read(TimePoint now, std::size_t room, std::vector<TransportEvent>& events) {
  const std::size_t max_parts = std::size_t{limits_.payloads} + 2; // control and header before the payloads
  for (std::size_t i = 0; i < max_reads && link_ && events.size() < room; ++i) {
    std::size_t count = 0;
    if (!link_->receive(max_parts, incoming_, count)) return true;
    heard_ = now;
    take(now, count, events);
  }
  return false;
}

void Connector::take(TimePoint now, std::size_t count, std::vector<TransportEvent>& events) {
  if (phase_ == Phase::lost && !welcomed_) return; // never reported, so nothing of it is
  std::string wrong;
  const auto control = decode(incoming_.front().bytes(), wrong);
  if (!control) return refuse(now, wrong, events);
  switch (control->kind) {
  case Kind::welcome:
    if (phase_ != Phase::greeting || control->nonce != link_->nonce())
      return refuse(now, "a welcome that answers no hello of this connection", events);
    phase_ = Phase::welcomed;
    welcomed_ = true;
    began_ = now;
    events.push_back(event_of(TransportEvent::Kind::connected));
    return;
  case Kind::data:
    return take_data(now, count, events);
  case Kind::keep_alive:
    return;
  case Kind::goodbye:
    if (!control->reason.empty())
      voice_.warning(now, "the listening side ended the connection: " + control->reason);
    (void)link_->say(
        {Kind::goodbye, {}, {}}); // it waits for this answer, but also for the end of the connection
    return end(now, events);
  case Kind::hello:
    return refuse(now, "a hello from the listening side", events);
  }
}

void Connector::take_data(TimePoint now, std::size_t count, std::vector<TransportEvent>& events) {
  if (!welcomed_) return refuse(now, "a message before the welcome", events);
  TransportEvent event = event_of(TransportEvent::Kind::message);
  if (Status status = take_message(incoming_, 1, count, limits_, event.message); !status.ok())
    return refuse(now, std::string(status.message()), events);
  events.push_back(std::move(event));
}

void Connector::do_due(TimePoint now, bool drained, std::vector<TransportEvent>& events) {
  const auto passed = [now](TimePoint since, Clock::duration time) { return now - since >= time; };
  switch (phase_) {
  case Phase::connecting:
    return;
  case Phase::greeting:
    // Over inproc nothing tells that the listening side went away before it answered, but that there is no
    // way out.
    if (endpoint_.scheme == Scheme::inproc ? !link_->writable()
                                           : drained && passed(began_, options_.peer_timeout))
      lose(now, "the hello was not answered");
    looked_ = now;
    return;
  case Phase::welcomed:
    if (drained && passed(heard_, options_.peer_timeout)) {
      link_->forget_unsent();
      voice_.warning(now, "nothing was heard of the listening side for " +
                              std::to_string(options_.peer_timeout.count()) + "ms: connecting anew");
      return end(now, events);
    }
    if (passed(sent_, options_.heartbeat)) {
      (void)link_->say({Kind::keep_alive, {}, {}}); // no room: there is enough on its way already
      sent_ = now;
    }
    return;
  case Phase::lost:
    if ((drained && passed(began_, settle_time)) || passed(began_, settle_bound)) end(now, events);
    return;
  }
}

/// The connection is gone; what it brought is read before its end is reported.
void Connector::lose(TimePoint now, const std::string& why) {
  if (phase_ == Phase::lost) return;
  voice_.debug(why);
  link_->forget_unsent();
  phase_ = Phase::lost;
  began_ = now;
}

/// Ends the connection because of what the other side sent.
void Connector::refuse(TimePoint now, const std::string& why, std::vector<TransportEvent>& events) {
  voice_.warning(now, "the listening side sent " + why + ": ending the connection");
  (void)link_->say(
      {Kind::goodbye, {}, "received " + why}); // at best; closing says the same without the reason
  end(now, events);
}

void Connector::end(TimePoint now, std::vector<TransportEvent>& events) {
  if (welcomed_) events.push_back(event_of(TransportEvent::Kind::disconnected));
  const bool lived = welcomed_ && now - began_ >= longest_pause;
  retry_at_ = now + (lived ? first_pause : pause_);
  pause_ = lived ? first_pause : std::min(2 * pause_, longest_pause);
  welcomed_ = blocked_ = false;
  link_.reset();
}

void Connector::disconnect(PeerId peer, TimePoint now) {
  if (peer != only_peer || !link_ || !welcomed_) return;
  leave(now);
  end(now, pending_);
}

void Connector::leave(TimePoint now) {
  Leaving leaving{std::move(*link_), now + options_.linger, false};
  leaving.said = leaving.link.say({Kind::goodbye, {}, {}}) == 0;
  // An inproc connection keeps what it was given also when this end of it is closed.
  if (!(leaving.said && endpoint_.scheme == Scheme::inproc)) leaving_.push_back(std::move(leaving));
}

/// Throws away what comes until the other side has read everything, which its goodbye says, or is gone.
bool Connector::has_left(Leaving& leaving, TimePoint now) {
  if (leaving.link.look().broken) return true;
  if (!leaving.said) leaving.said = leaving.link.say({Kind::goodbye, {}, {}}) == 0;
  if (leaving.said && endpoint_.scheme == Scheme::inproc) return true;
  std::size_t count = 0;
  std::string wrong;
  for (std::size_t i = 0; i < max_reads && leaving.link.receive(1, incoming_, count); ++i) {
    const auto control = decode(incoming_.front().bytes(), wrong);
    if (!control || control->kind == Kind::goodbye) return true;
  }
  if (now < leaving.deadline) return false;
  leaving.link.forget_unsent();
  return true;
}

void Connector::finish(TimePoint now) {
  finishing_ = true;
  if (link_ && phase_ == Phase::welcomed)
    leave(now);
  else if (link_)
    link_->forget_unsent();
  link_.reset();
  welcomed_ = false;
}

bool Connector::readable() {
  bool any = !pending_.empty() || (link_ && link_->readable());
  for (Leaving& leaving : leaving_)
    any = leaving.link.readable() || any; // all: each must be asked before waiting
  return any;
}

bool Connector::unblocked(TimePoint) {
  if (!blocked_ || !link_ || !link_->writable()) return false;
  blocked_ = false;
  return true;
}

TimePoint Connector::next_due() const {
  TimePoint due = TimePoint::max();
  for (const Leaving& leaving : leaving_) due = std::min(due, leaving.deadline);
  if (!link_) return finishing_ ? due : std::min(due, retry_at_);
  switch (phase_) {
  case Phase::connecting:
    return established_ ? std::min(due, sent_ + greeting_retry) : due;
  case Phase::greeting:
    if (endpoint_.scheme == Scheme::inproc) return std::min(due, looked_ + first_pause);
    return std::min(due, began_ + options_.peer_timeout);
  case Phase::welcomed:
    return std::min({due, sent_ + options_.heartbeat, heard_ + options_.peer_timeout});
  case Phase::lost:
    return std::min(due, began_ + settle_time);
  }
  return due;
}

void Connector::add_descriptors(std::vector<pollfd>& descriptors) const {
  if (link_) link_->add_descriptors(descriptors);
  for (const Leaving& leaving : leaving_) leaving.link.add_descriptors(descriptors);
}

void Connector::excuse(Clock::duration gap) {
  heard_ += gap;
  if (phase_ == Phase::greeting) began_ += gap;
}

} // namespace osync::transport_zmq
