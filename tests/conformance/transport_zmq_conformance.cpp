// transport-zmq against the suite, over each of its three kinds of endpoints, and what only it does.
#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <memory>
#include <netinet/in.h>
#include <random>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include "conformance/transport_suite.h"
#include "support/tcp_proxy.h"
#include "support/temporary.h"
#include "support/wait.h"

namespace osync::test {
namespace {

TransportSetup zmq_setup(std::function<std::string()> endpoint, bool across_processes) {
  constexpr std::int64_t second = 1'000'000'000;
  TransportSetup setup;
  setup.plugin = "transport-zmq";
  setup.options = {
      {"linger", second / 5}}; // both sides often end in one thread, which cannot answer its own goodbye
  setup.small_queue = {{"queue", std::int64_t{16}}};
  setup.patient = {{"heartbeat", 60 * second}, {"peer_timeout", 600 * second}};
  setup.impatient = {{"heartbeat", second / 10}, {"peer_timeout", 2 * second}};
  setup.endpoint = std::move(endpoint);
  setup.across_processes = across_processes;
  return setup;
}

std::string fresh_name() {
  static std::atomic<int> next{1};
  return std::to_string(::getpid()) + "-" + std::to_string(next++);
}

std::uint16_t port_of(const std::string& endpoint) {
  return static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
}

/// A TCP connection to this host without any library in between.
class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port) : file_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(file_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~RawConnection() { ::close(file_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  /// As much as the other side takes before it closes.
  void send(const std::string& bytes) const {
    (void)!::send(file_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

 private:
  int file_;
};

std::string random_text(std::uint64_t seed, std::size_t size) {
  std::mt19937_64 state(seed);
  std::string bytes;
  while (bytes.size() < size) bytes.push_back(static_cast<char>(state()));
  return bytes;
}

} // namespace

TEST_CASE("transport-zmq over inproc", "[transport]") {
  transport_suite(zmq_setup([] { return "inproc://conformance-" + fresh_name(); }, false));
}

TEST_CASE("transport-zmq over ipc", "[transport]") {
  const TemporaryDirectory directory;
  transport_suite(zmq_setup([&] { return "ipc://" + (directory / ("s" + fresh_name() + ".ipc")); }, true));
}

TEST_CASE("transport-zmq over tcp", "[transport]") {
  transport_suite(zmq_setup([] { return std::string("tcp://127.0.0.1:0"); }, true));
}

TEST_CASE("transport-zmq reports the endpoint as the user wrote it, with its port", "[transport]") {
  for (const std::string host : {"127.0.0.1", "localhost", "*"})
    for (const std::string port : {"0", "*"}) {
      CAPTURE(host, port);
      TransportEnd source("transport-zmq", {{"linger", std::int64_t{0}}});
      const std::string bound = source.listen("tcp://" + host + ":" + port);
      REQUIRE(bound == "tcp://" + host + ":" + std::to_string(port_of(bound)));
      REQUIRE(port_of(bound) != 0);
      TransportEnd sink("transport-zmq", {{"linger", std::int64_t{0}}});
      sink.connect("tcp://" + (host == "*" ? "127.0.0.1" : host) + ":" + std::to_string(port_of(bound)));
      REQUIRE(pump_until({&source, &sink}, [&] { return source.is_connected() && sink.is_connected(); }));
    }
}

TEST_CASE("transport-zmq refuses addresses that this host does not have", "[transport]") {
  TransportEnd source("transport-zmq", {});
  std::string bound;
  REQUIRE(source->listen("tcp://192.0.2.1:0", {}, bound).code() == Code::invalid); // TEST-NET-1, RFC 5737
}

TEST_CASE("transport-zmq is not disturbed by garbage at its port", "[transport]") {
  TransportEnd source("transport-zmq", {});
  TransportEnd sink("transport-zmq", {});
  const std::string endpoint = source.listen("tcp://127.0.0.1:0");
  sink.connect(endpoint);
  REQUIRE(pump_until({&source, &sink}, [&] { return source.is_connected() && sink.is_connected(); }));
  const std::string greeting = std::string("\xff\0\0\0\0\0\0\0\x01\x7f", 10); // of ZMTP, RFC 23/ZMTP
  std::vector<std::string> garbage = {"",
                                      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                      std::string(100000, '\0'),
                                      "\xff",
                                      greeting,
                                      greeting + std::string("\x03\0NULL", 6) + random_text(7, 5000),
                                      std::string("\x01\0", 2) + std::string("\xff\x01", 2) +
                                          random_text(8, 1000)};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) garbage.push_back(random_text(seed, 1 + seed * 97));
  std::vector<std::unique_ptr<RawConnection>> open;
  int round = 0;
  for (const std::string& bytes : garbage) {
    CAPTURE(round);
    open.push_back(std::make_unique<RawConnection>(port_of(endpoint)));
    open.back()->send(bytes);
    if (round % 2 == 0) open.pop_back();
    Message message = text_message(std::to_string(round));
    REQUIRE(sink->send(1, message).ok());
    ++round;
    REQUIRE(pump_until({&source, &sink},
                       [&] { return source.messages.size() == static_cast<std::size_t>(round); }));
  }
  REQUIRE(source.connected.size() == 1);
  REQUIRE(source.disconnected.empty());
  REQUIRE(source.violation.empty());
}

TEST_CASE("transport-zmq keeps ipc paths to itself", "[transport]") {
  const TemporaryDirectory directory;
  const std::string socket_path = directory / "made/source.ipc";
  TransportEnd refused("transport-zmq", {});
  std::string bound;

  SECTION("the directory is made for this user alone, and all traces go with the object") {
    {
      TransportEnd source("transport-zmq", {});
      REQUIRE(source.listen("ipc://" + socket_path) == "ipc://" + socket_path);
      struct stat found {};
      REQUIRE(::stat((directory / "made").c_str(), &found) == 0);
      REQUIRE((found.st_mode & 07777) == 0700);
      REQUIRE(::stat(socket_path.c_str(), &found) == 0);
      REQUIRE((found.st_mode & 07777) == 0600);
    }
    REQUIRE(std::filesystem::is_empty(directory / "made"));
  }
  SECTION("a directory without a parent is an error") {
    REQUIRE(refused->listen("ipc://" + (directory / "a/b/c.ipc"), {}, bound).code() == Code::not_found);
  }
  SECTION("a file that is no socket stays") {
    write_file(socket_path, "precious");
    REQUIRE(refused->listen("ipc://" + socket_path, {}, bound).code() == Code::exists);
    REQUIRE(read_file(socket_path) == "precious");
    REQUIRE(!std::filesystem::exists(socket_path + ".lock"));
  }
  SECTION("the socket of a process that knows no lock stays") {
    std::filesystem::create_directory(directory / "made");
    const int other = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
    REQUIRE(::bind(other, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(other, 8) == 0);
    REQUIRE(refused->listen("ipc://" + socket_path, {}, bound).code() == Code::exists);
    REQUIRE(std::filesystem::exists(socket_path));
    ::close(other); // now it is what a killed process leaves
    REQUIRE(refused.listen("ipc://" + socket_path) == "ipc://" + socket_path);
  }
  SECTION("a symlink in place of the lock is not followed") {
    std::filesystem::create_directory(directory / "made");
    write_file(directory / "elsewhere", "");
    std::filesystem::create_symlink(directory / "elsewhere", socket_path + ".lock");
    REQUIRE(!refused->listen("ipc://" + socket_path, {}, bound).ok());
  }
}

// As at the end of `--once`: the sink's process ends without having answered the source's goodbye. libzmq tells that the
// connection broke a moment before the ROUTER knows, so the source has to probe; it used to sleep through its probes to
// the end of its linger (of five runs with `--once` one took a second longer).
TEST_CASE("transport-zmq: an end whose peer has gone does not wait for the linger", "[transport]") {
  const std::int64_t linger = 30'000'000'000;
  const auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < 20; ++round) {
    auto source = std::make_unique<TransportEnd>("transport-zmq", OptionValues{{"linger", linger}});
    TcpProxy proxy(port_of(source->listen("tcp://127.0.0.1:0")));
    TransportEnd sink("transport-zmq", {{"linger", std::int64_t{0}}});
    sink.connect(loopback_endpoint(proxy.port()));
    REQUIRE(pump_until({source.get(), &sink}, [&] { return source->is_connected() && sink.is_connected(); }));
    const std::uint64_t before = proxy.forwarded();
    std::thread ending([&] { source.reset(); });
    const bool said = wait_until([&] { return proxy.forwarded() > before; });
    proxy.cut();
    ending.join();
    REQUIRE(said);
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(6)); // measured: 0.6 s, and 13 s without probing
}

} // namespace osync::test
