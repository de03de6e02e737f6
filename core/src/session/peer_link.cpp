#include "session/peer_link.h"

#include <pthread.h>

#include "wire/codec.h"

namespace osync::session {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds idle_wait(1000);
constexpr std::chrono::milliseconds stopping_wait(10);

Message encode_outgoing(const PeerLink::Outgoing& message) {
  return std::visit([](const auto& direction) { return wire::encode(direction); }, message);
}

} // namespace

PeerLink::PeerLink(Transport& transport, Logger& logger, Handlers handlers)
    : transport_(transport), logger_(logger), handlers_(std::move(handlers)), thread_([this] { run(); }) {}

PeerLink::~PeerLink() { stop(std::chrono::milliseconds(0)); }

void PeerLink::send(PeerId peer, Outgoing message) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({peer, std::move(message)});
  }
  transport_.wake();
}

void PeerLink::disconnect(PeerId peer) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({peer, std::nullopt});
  }
  transport_.wake();
}

void PeerLink::stop(std::chrono::milliseconds linger) {
  if (!thread_.joinable()) return;
  linger_until_ = (Clock::now() + linger).time_since_epoch().count();
  stopping_ = true;
  transport_.wake();
  thread_.join();
}

bool PeerLink::send_waiting() {
  while (true) {
    if (!encoded_) {
      Item item;
      {
        const std::lock_guard lock(mutex_);
        if (waiting_.empty()) return true;
        item = std::move(waiting_.front());
        waiting_.pop_front();
      }
      if (!item.message) {
        transport_.disconnect(item.peer);
        continue;
      }
      encoded_.emplace(item.peer, encode_outgoing(*item.message));
    }
    const Status sent = transport_.send(encoded_->first, encoded_->second);
    if (sent.code() == Code::would_block) return false;
    if (!sent.ok() && sent.code() != Code::not_found) logger_.error("cannot send a message: " + sent.to_string());
    encoded_.reset();
  }
}

void PeerLink::run() {
  pthread_setname_np(pthread_self(), "osync-link");
  std::vector<TransportEvent> events;
  while (true) {
    const bool all_sent = send_waiting();
    const bool stopping = stopping_;
    if (stopping && (all_sent || Clock::now().time_since_epoch().count() >= linger_until_)) return;
    events.clear();
    const Status received = transport_.receive(stopping ? stopping_wait : idle_wait, events);
    if (!received.ok()) {
      logger_.error("the transport failed: " + received.to_string());
      return;
    }
    for (TransportEvent& event : events) {
      switch (event.kind) {
      case TransportEvent::Kind::connected: handlers_.connected(event.peer); break;
      case TransportEvent::Kind::disconnected: handlers_.disconnected(event.peer); break;
      case TransportEvent::Kind::message: handlers_.received(event.peer, std::move(event.message)); break;
      }
    }
  }
}

} // namespace osync::session
