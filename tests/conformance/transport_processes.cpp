// The part of the suite that needs another process: peers that are killed or stopped.
#include "conformance/transport_suite.h"

#include <catch2/catch.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "support/process.h"
#include "support/wait.h"

namespace osync::test {
namespace {

using std::chrono::steady_clock;

constexpr const char* child_case = "transport peer process";
constexpr const char* listening = "listening on ";
constexpr const char* flooded = "the queue is full";

Command child(const TransportSetup& setup, const std::string& role, const std::string& endpoint) {
  return {.argv = {"/proc/self/exe", child_case},
          .environment = {{"OSYNC_TEST_TRANSPORT_ROLE", role},
                          {"OSYNC_TEST_TRANSPORT_PLUGIN", setup.plugin},
                          {"OSYNC_TEST_TRANSPORT_ENDPOINT", endpoint}}};
}

/// What a listening child prints (after what Catch2 prints).
std::string endpoint_of(Process& listener) {
  for (auto line = listener.read_line(Process::Stream::out); line;
       line = listener.read_line(Process::Stream::out))
    if (line->rfind(listening, 0) == 0) return line->substr(std::string(listening).size());
  FAIL("the child does not listen: " << describe(listener.finished()));
  return {};
}

void killed_sink_is_noticed(const TransportSetup& setup) {
  TransportEnd source(setup.plugin, setup.patient);
  const std::string endpoint = source.listen(setup.endpoint());
  for (std::size_t round = 1; round <= 2; ++round) {
    Process sink(child(setup, "connect", endpoint));
    REQUIRE(pump_until({&source}, [&] { return source.messages.size() == round; }));
    sink.send(SIGKILL);
    REQUIRE(pump_until(
        {&source}, [&] { return source.disconnected.size() == round; }, std::chrono::seconds(3)));
  }
  REQUIRE(source.connected == source.disconnected);
  REQUIRE(source.connected[0] != source.connected[1]);
  REQUIRE(source.violation.empty());
}

void killed_source_is_noticed(const TransportSetup& setup) {
  TransportEnd sink(setup.plugin, setup.patient);
  std::string endpoint = setup.endpoint();
  for (std::size_t round = 1; round <= 2; ++round) {
    Process source(child(setup, "listen", endpoint));
    endpoint = endpoint_of(source); // also the second time: what a killed one left behind is no obstacle
    if (round == 1) sink.connect(endpoint);
    REQUIRE(pump_until({&sink}, [&] { return sink.messages.size() == round; }));
    source.send(SIGKILL);
    REQUIRE(pump_until(
        {&sink}, [&] { return sink.disconnected.size() == round; }, std::chrono::seconds(3)));
  }
  REQUIRE(sink.violation.empty());
}

void frozen_peer_is_given_up(const TransportSetup& setup) {
  TransportEnd source(setup.plugin, setup.impatient);
  const std::string endpoint = source.listen(setup.endpoint());
  Process sink(child(setup, "connect", endpoint));
  REQUIRE(pump_until({&source}, [&] { return source.messages.size() == 1; }));
  sink.send(SIGSTOP);
  REQUIRE(pump_until({&source}, [&] { return source.disconnected.size() == 1; }));
  REQUIRE(source.log().count("nothing was heard", LogLevel::warning) == 1);
  sink.send(SIGCONT); // it learns that it was given up, and comes back as another peer
  REQUIRE(pump_until({&source}, [&] { return source.messages.size() == 2; }));
  REQUIRE(source.connected.size() == 2);
  REQUIRE(source.connected[0] != source.connected[1]);
  REQUIRE(source.violation.empty());
}

/// Sends until nothing more is taken for a second.
void flood(TransportEnd& end) {
  const std::string filling(64u << 10, 'x');
  std::uint64_t next = 0;
  for (auto quiet = steady_clock::now(); steady_clock::now() - quiet < std::chrono::seconds(1);) {
    Message message = text_message(std::to_string(next));
    message.payloads.push_back(Buffer::copy_of(filling));
    if (end->send(1, message).ok()) {
      ++next;
      quiet = steady_clock::now();
    } else {
      end.pump(std::chrono::milliseconds(100));
    }
  }
  std::printf("%s\n", flooded);
  std::fflush(stdout);
}

/// A connection that breaks while its messages wait for a slow reader: they are still read, in order.
void sink_dies_while_nobody_reads(const TransportSetup& setup) {
  OptionValues options = setup.impatient;
  for (const auto& [name, value] : setup.small_queue.all()) options.set(name, value);
  TransportEnd source(setup.plugin, options);
  const std::string endpoint = source.listen(setup.endpoint());
  Process sink(child(setup, "flood", endpoint));
  REQUIRE(pump_until({&source}, [&] { return !source.messages.empty(); }));
  REQUIRE(sink.wait_for_text(flooded));
  sink.send(SIGKILL);
  // The condition never holds: what is tested is that nothing happens while several heartbeats pass.
  (void)wait_until([] { return false; }, std::chrono::milliseconds(700));
  REQUIRE(pump_until({&source}, [&] { return source.disconnected.size() == 1; }));
  REQUIRE(source.messages.size() > 8);
  for (std::size_t i = 0; i < source.messages.size(); ++i)
    REQUIRE(source.messages[i].message.header == std::to_string(i));
  REQUIRE(source.violation.empty());
}

} // namespace

void transport_process_suite(const TransportSetup& setup) {
  SECTION("a killed sink is noticed at once") { killed_sink_is_noticed(setup); }
  SECTION("a killed source is noticed at once") { killed_source_is_noticed(setup); }
  SECTION("messages of a peer that died while nobody read are read") { sink_dies_while_nobody_reads(setup); }
  SECTION("a frozen peer is given up and comes back as a new one") { frozen_peer_is_given_up(setup); }
}

/// The other process of the tests above; does nothing when run by itself. Lives until it is killed.
TEST_CASE("transport peer process", "[.][transport]") {
  const char* role = std::getenv("OSYNC_TEST_TRANSPORT_ROLE");
  if (role == nullptr) return;
  TransportEnd end(std::getenv("OSYNC_TEST_TRANSPORT_PLUGIN"), {});
  const std::string endpoint = std::getenv("OSYNC_TEST_TRANSPORT_ENDPOINT");
  if (std::string(role) == "listen") {
    std::printf("%s%s\n", listening, end.listen(endpoint).c_str());
    std::fflush(stdout);
  } else {
    end.connect(endpoint);
  }
  for (std::size_t greeted = 0;;) {
    end.pump(std::chrono::milliseconds(100));
    for (; greeted < end.connected.size(); ++greeted) {
      if (std::string(role) == "flood") flood(end);
      Message greeting = text_message("here I am");
      end->send(end.connected[greeted], greeting).ignore("a peer that is gone already needs no greeting");
    }
  }
}

} // namespace osync::test
