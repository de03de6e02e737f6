// What every transport plugin must do, as tests. A plugin's conformance file says how its objects and
// endpoints are made and calls transport_suite() in a test case; the suite's sections do the rest.
//
//   TEST_CASE("transport-mine over tcp", "[transport]") {
//     transport_suite({.plugin = "transport-mine", .endpoint = [] { return "tcp://127.0.0.1:0"; },
//                      .across_processes = true});
//   }
//
// Sizes and contents of messages come from seeds, which are printed when something fails. Everything is
// asserted in the main thread. Peers in other processes are this executable again, running the hidden case
// "transport peer process".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "osync/transport.h"
#include "support/load_plugin.h"

namespace osync::test {

struct TransportSetup {
  std::string plugin;
  OptionValues options = {}; ///< beside the defaults
  /// Options for a plugin whose queues are as small as they may be, and for one that notices no silence for
  /// minutes.
  OptionValues small_queue = {};
  OptionValues patient = {};
  /// Options with which silence ends a connection after a second or two.
  OptionValues impatient = {};
  std::function<std::string()> endpoint; ///< one that nobody uses, to listen at
  std::string malformed = "tcp://";      ///< not an endpoint of this plugin
  bool across_processes = false;         ///< whether another process can connect
};

/// The whole suite, as sections of the current test case.
void transport_suite(const TransportSetup& setup);

/// Its part that needs other processes; called by transport_suite().
void transport_process_suite(const TransportSetup& setup);

/// One transport object and everything that it has reported so far.
class TransportEnd {
 public:
  TransportEnd(const std::string& plugin, const OptionValues& options) : plugin_(plugin, options) {}

  /// Both REQUIRE success; listen() returns the endpoint to connect to.
  std::string listen(const std::string& endpoint, const TransportLimits& limits = {});
  void connect(const std::string& endpoint, const TransportLimits& limits = {});

  /// One receive(); checks that events come in an order that is allowed.
  void pump(std::chrono::milliseconds timeout = std::chrono::milliseconds(0));

  [[nodiscard]] Transport& operator*() { return *plugin_; }
  [[nodiscard]] Transport* operator->() { return &*plugin_; }
  [[nodiscard]] const RecordingLogger& log() const { return plugin_.log(); }

  /// Peers in the order in which they connected or disconnected, and messages as they came.
  std::vector<PeerId> connected;
  std::vector<PeerId> disconnected;
  std::vector<TransportEvent> messages;
  std::string violation; ///< the first event that was not allowed; empty: none

  [[nodiscard]] bool is_connected() const { return connected.size() > disconnected.size(); }

 private:
  void note(TransportEvent& event);

  LoadedPlugin<Transport> plugin_;
  std::vector<PeerId> alive_;
};

/// Pumps all ends in turn until `condition` holds; false at the deadline (scaled for sanitizers).
bool pump_until(std::initializer_list<TransportEnd*> ends, const std::function<bool()>& condition,
                std::chrono::milliseconds deadline = std::chrono::seconds(20));

/// A message whose only content is `header`.
[[nodiscard]] Message text_message(const std::string& header);

/// Message number `index` of the stream `seed`: header of 0 .. 2 KiB, 0 .. 8 payloads of 0 B .. 1 MiB (mostly
/// small).
[[nodiscard]] Message random_message(std::uint64_t seed, std::uint64_t index);
[[nodiscard]] bool same(const Message& one, const Message& other);

} // namespace osync::test
