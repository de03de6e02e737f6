// The plugin's object: the SDK's interface in front of a Listener or a Connector, and the waiting.
//
// Threads: as osync::Transport says. An error of receive() (memory ran out in the middle of something) ends
// the object: what was being received is lost, so nothing after it may be delivered; every later call says
// closed.
#pragma once

#include <atomic>
#include <memory>
#include <poll.h>
#include <string>
#include <vector>

#include "options.h"
#include "osync/plugin.h"
#include "osync/transport.h"
#include "side.h"
#include "voice.h"

namespace osync::transport_zmq {

class ZmqTransport final : public Transport {
 public:
  static constexpr std::size_t events_at_a_time = 64;

  /// Makes the object. Errors: invalid (options that do not fit together), limit.
  static Result<std::unique_ptr<ZmqTransport>> make(const PluginContext& context);
  ~ZmqTransport() override;

  Status listen(const std::string& endpoint, const TransportLimits& limits,
                std::string& bound) noexcept override;
  Status connect(const std::string& endpoint, const TransportLimits& limits) noexcept override;
  Status send(PeerId peer, Message& message) noexcept override;
  Status receive(milliseconds timeout, std::vector<TransportEvent>& events) noexcept override;
  void wake() noexcept override;
  void disconnect(PeerId peer) noexcept override;
  [[nodiscard]] Result<bool> is_local(const std::string& endpoint) const noexcept override;

 private:
  ZmqTransport(const Options& options, Logger& logger, std::string instance, int wake_file)
      : options_(options), logger_(logger), instance_(std::move(instance)), wake_file_(wake_file) {}

  Status prepare(const std::string& endpoint);
  Status receive_until(TimePoint deadline, std::vector<TransportEvent>& events);
  void wait(TimePoint now, TimePoint until);
  TimePoint look_at_clock();
  bool take_wake();
  void say_goodbye();

  const Options options_;
  Logger& logger_;
  const std::string instance_;
  const int wake_file_; ///< eventfd(2)
  std::atomic<bool> woken_{false};

  std::unique_ptr<Voice> voice_;
  std::unique_ptr<Side> side_; ///< none before listen() or connect(), and after an error of receive()
  bool used_ = false;
  TimePoint looked_{}; ///< when this thread last looked for messages
  std::vector<pollfd> descriptors_;
};

} // namespace osync::transport_zmq
