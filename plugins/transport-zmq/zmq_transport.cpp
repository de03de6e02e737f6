#include "zmq_transport.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>

#include "connector.h"
#include "endpoint.h"
#include "handles.h"
#include "listener.h"

namespace osync::transport_zmq {
namespace {

/// `work` without exceptions, as the boundary wants it.
template <class Work>
auto contained(Work&& work) noexcept -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Status(Code::limit, "out of memory");
  } catch (const std::exception& error) {
    return Status(Code::internal, error.what());
  }
}

} // namespace

Result<std::unique_ptr<ZmqTransport>> ZmqTransport::make(const PluginContext& context) {
  Result<Options> options = read_options(*context.options);
  if (!options.ok()) return options.status();
  bool asked_late = false;
  (void)zmq_context(options->io_threads, asked_late);
  if (asked_late)
    context.logger->warning(std::string(context.instance) +
                            ": io_threads has no effect: another transport of this "
                            "process was made before with another number");
  const int wake_file = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_file < 0) return Status::from_errno(errno, "eventfd");
  return std::unique_ptr<ZmqTransport>(
      new ZmqTransport(options.value(), *context.logger, context.instance, wake_file));
}

ZmqTransport::~ZmqTransport() {
  contained([this] {
    say_goodbye();
    return Status();
  }).ignore("nobody is left to be told; peers see the end of the connection");
  side_.reset();
  (void)close(wake_file_);
}

/// Waits at most `linger` until every peer has read what it was sent.
void ZmqTransport::say_goodbye() {
  if (!side_) return;
  const TimePoint deadline = Clock::now() + options_.linger;
  side_->finish(Clock::now());
  std::vector<TransportEvent> unwanted;
  for (TimePoint now = Clock::now(); now < deadline; now = Clock::now()) {
    unwanted.clear();
    side_->advance(now, events_at_a_time, unwanted);
    if (side_->finished()) return;
    // Not only for what arrives: that a peer is gone is found by probing, some moments after its connection broke.
    if (!side_->readable()) wait(now, std::min(deadline, side_->next_due()));
  }
}

Status ZmqTransport::prepare(const std::string& endpoint) {
  if (used_)
    return {Code::invalid, "this transport listens or connects already; one object has one endpoint",
            endpoint};
  used_ = true;
  voice_ = std::make_unique<Voice>(logger_, instance_ + ", " + endpoint + ": ");
  looked_ = Clock::now();
  return {};
}

Status ZmqTransport::listen(const std::string& endpoint, const TransportLimits& limits,
                            std::string& bound) noexcept {
  return contained([&]() -> Status {
    const Result<Endpoint> parsed = parse_endpoint(endpoint);
    if (!parsed.ok()) return parsed.status();
    if (Status status = prepare(endpoint); !status.ok()) return status;
    auto listener = std::make_unique<Listener>(parsed.value(), limits, options_, *voice_);
    Status status = listener->open(bound);
    if (status.ok()) side_ = std::move(listener);
    used_ = status.ok(); // after a failure another endpoint may be tried
    return status;
  });
}

Status ZmqTransport::connect(const std::string& endpoint, const TransportLimits& limits) noexcept {
  return contained([&]() -> Status {
    const Result<Endpoint> parsed = parse_endpoint(endpoint);
    if (!parsed.ok()) return parsed.status();
    if (Status status = check_connectable(parsed.value()); !status.ok()) return status;
    if (Status status = prepare(endpoint); !status.ok()) return status;
    auto connector = std::make_unique<Connector>(parsed.value(), limits, options_, *voice_);
    Status status = connector->open(Clock::now());
    if (status.ok()) side_ = std::move(connector);
    used_ = status.ok();
    return status;
  });
}

Status ZmqTransport::send(PeerId peer, Message& message) noexcept {
  return contained([&]() -> Status {
    if (side_) return side_->send(peer, message, Clock::now());
    return used_ ? Status(Code::closed, "the transport ended with an error of receive")
                 : Status(Code::not_found, "the transport neither listens nor connects yet");
  });
}

Status ZmqTransport::receive(milliseconds timeout, std::vector<TransportEvent>& events) noexcept {
  const std::size_t had = events.size();
  // Beyond a day nobody waits in one call; the bound keeps the arithmetic of time points from overflowing.
  const TimePoint deadline =
      Clock::now() + std::clamp<milliseconds>(timeout, milliseconds(0), std::chrono::hours(24));
  Status status = contained([&] { return receive_until(deadline, events); });
  if (!status.ok()) {
    side_.reset();
    events.resize(std::min(events.size(), had));
  }
  return status;
}

Status ZmqTransport::receive_until(TimePoint deadline, std::vector<TransportEvent>& events) {
  if (!side_)
    return used_ ? Status(Code::closed, "the transport ended with an error of receive")
                 : Status(Code::invalid, "the transport neither listens nor connects yet");
  const std::size_t had = events.size();
  while (true) {
    const TimePoint now = look_at_clock();
    side_->advance(now, had + events_at_a_time, events);
    const bool woken = take_wake();
    if (woken || events.size() > had || side_->unblocked(now) || now >= deadline) return {};
    if (!side_->readable()) wait(now, std::min(deadline, side_->next_due()));
  }
}

/// The time; when this thread did not look for long (the engine was busy, the process stopped), nobody else's
/// silence is counted in that time.
TimePoint ZmqTransport::look_at_clock() {
  const TimePoint now = Clock::now();
  if (now - looked_ > options_.heartbeat) side_->excuse(now - looked_);
  looked_ = now;
  return now;
}

bool ZmqTransport::take_wake() {
  if (!woken_.exchange(false)) return false;
  std::uint64_t count = 0;
  (void)!read(wake_file_, &count,
              sizeof count); // EAGAIN: wake() has not written yet; the next wait ends early for it
  return true;
}

void ZmqTransport::wait(TimePoint now, TimePoint until) {
  if (until <= now) return;
  descriptors_.clear();
  descriptors_.push_back({wake_file_, POLLIN, 0});
  side_->add_descriptors(descriptors_);
  // Never longer than a heartbeat, so that a longer time in look_at_clock() was not spent waiting.
  const auto most = std::min<Clock::duration>(until - now, options_.heartbeat / 2);
  const auto rounded = std::chrono::ceil<milliseconds>(most).count();
  const int ready = poll(descriptors_.data(), descriptors_.size(), static_cast<int>(rounded));
  if (ready > 0 && descriptors_.front().revents != 0 && !woken_.load()) {
    std::uint64_t count = 0;
    (void)!read(wake_file_, &count, sizeof count); // what a wake() wrote after its effect was taken
  }
}

void ZmqTransport::wake() noexcept {
  if (woken_.exchange(true)) return;
  const std::uint64_t one = 1;
  (void)!write(wake_file_, &one,
               sizeof one); // EAGAIN at 2^64 - 2 cannot happen: each write follows a taken flag
}

void ZmqTransport::disconnect(PeerId peer) noexcept {
  contained([&] {
    if (side_) side_->disconnect(peer, Clock::now());
    return Status();
  }).ignore("out of memory: the peer is dropped when its silence or the next message is noticed");
}

Result<bool> ZmqTransport::is_local(const std::string& endpoint) const noexcept {
  return contained([&]() -> Result<bool> {
    const Result<Endpoint> parsed = parse_endpoint(endpoint);
    if (!parsed.ok()) return parsed.status();
    return transport_zmq::is_local(parsed.value());
  });
}

} // namespace osync::transport_zmq
