#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <random>

#include "conformance/transport_suite.h"
#include "support/process.h"

namespace osync::test {

std::string TransportEnd::listen(const std::string& endpoint, const TransportLimits& limits) {
  std::string bound;
  const Status status = plugin_->listen(endpoint, limits, bound);
  INFO(status.to_string());
  REQUIRE(status.ok());
  return bound;
}

void TransportEnd::connect(const std::string& endpoint, const TransportLimits& limits) {
  const Status status = plugin_->connect(endpoint, limits);
  INFO(status.to_string());
  REQUIRE(status.ok());
}

void TransportEnd::note(TransportEvent& event) {
  const auto found = std::find(alive_.begin(), alive_.end(), event.peer);
  const bool known = found != alive_.end();
  const std::string peer = std::to_string(event.peer);
  switch (event.kind) {
  case TransportEvent::Kind::connected:
    if (known && violation.empty()) violation = "peer " + peer + " connected twice";
    if (!known) alive_.push_back(event.peer);
    connected.push_back(event.peer);
    return;
  case TransportEvent::Kind::disconnected:
    if (!known && violation.empty()) violation = "peer " + peer + " disconnected without being connected";
    if (known) alive_.erase(found);
    disconnected.push_back(event.peer);
    return;
  case TransportEvent::Kind::message:
    if (!known && violation.empty()) violation = "a message of peer " + peer + ", which is not connected";
    messages.push_back(std::move(event));
    return;
  }
}

void TransportEnd::pump(std::chrono::milliseconds timeout) {
  std::vector<TransportEvent> events;
  const Status status = plugin_->receive(timeout, events);
  if (!status.ok() && violation.empty()) violation = "receive: " + status.to_string();
  for (TransportEvent& event : events) note(event);
}

bool pump_until(std::initializer_list<TransportEnd*> ends, const std::function<bool()>& condition,
                std::chrono::milliseconds deadline) {
  const auto end = std::chrono::steady_clock::now() + scaled(deadline);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    for (TransportEnd* one : ends) one->pump(std::chrono::milliseconds(1));
  }
  return true;
}

Message text_message(const std::string& header) {
  Message message;
  message.header = header;
  return message;
}

namespace {

/// `size` bytes that depend on `state`.
std::string random_bytes(std::mt19937_64& state, std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t word = state();
  for (std::size_t i = 0; i < size; i += sizeof word) {
    std::memcpy(bytes.data() + i, &word, std::min(sizeof word, size - i));
    word = word * 6364136223846793005u + 1442695040888963407u;
  }
  return bytes;
}

std::size_t random_size(std::mt19937_64& state) {
  const std::uint64_t kind = state() % 1000;
  if (kind == 0) return state() % (1u << 20);
  if (kind < 20) return state() % (64u << 10);
  if (kind < 100) return 4090 + state() % 12; // around the size from which payloads may be shared
  return state() % 600;
}

} // namespace

Message random_message(std::uint64_t seed, std::uint64_t index) {
  std::mt19937_64 state(seed * 1000003 + index);
  Message message;
  message.header = random_bytes(state, state() % (2u << 10));
  for (std::uint64_t count = state() % 9; count > 0; --count)
    message.payloads.push_back(Buffer::copy_of(random_bytes(state, random_size(state))));
  return message;
}

bool same(const Message& one, const Message& other) {
  const auto equal = [](const Buffer& a, const Buffer& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
  };
  return one.header == other.header && std::equal(one.payloads.begin(), one.payloads.end(),
                                                  other.payloads.begin(), other.payloads.end(), equal);
}

} // namespace osync::test
