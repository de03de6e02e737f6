// The churn and the proxy, which the scenarios lean on.
#include "support/churn.h"
#include "support/compare_trees.h"
#include "support/descriptor.h"
#include "support/tcp_proxy.h"
#include "support/temporary.h"
#include "support/wait.h"

#include <arpa/inet.h>
#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <netinet/in.h>
#include <sys/socket.h>

using namespace osync::test;

TEST_CASE("Churn: the same seed gives the same tree, times aside, and it changes thousands of things") {
  const TemporaryDirectory directory;
  for (const char* name : {"one", "again", "other"}) {
    std::filesystem::create_directory(directory / name);
    const std::uint64_t seed = std::string(name) == "other" ? 2 : 1;
    Churn churn(directory / name,
                {.seed = seed, .pause = std::chrono::microseconds(0), .most_operations = 5000});
    REQUIRE(churn.finish_all() == 5000);
  }
  REQUIRE(count_entries(directory / "one") > 300);
  CHECK(differences(directory / "one", directory / "again", {.times = false}) == "");
  CHECK(differences(directory / "one", directory / "other", {.times = false}) != "");
}

TEST_CASE("Churn: ends when told, and passes on what went wrong") {
  const TemporaryDirectory directory;
  Churn churn(directory.path());
  REQUIRE(wait_until([&] { return churn.done() >= 10; }));
  CHECK(churn.finish() >= 10);
  Churn lost(directory / "nowhere", {.seed = 1, .most_operations = 1000});
  CHECK_THROWS(lost.finish_all());
}

namespace {

Descriptor listening(std::uint16_t port) {
  Descriptor socket(must(::socket(AF_INET, SOCK_STREAM, 0), "socket"));
  const int on = 1;
  must(setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  must(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
  must(listen(socket.get(), 4), "listen");
  return socket;
}

Descriptor connected(std::uint16_t port) {
  Descriptor socket(must(::socket(AF_INET, SOCK_STREAM, 0), "socket"));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  must(connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
  return socket;
}

std::string receive(int socket, std::size_t size) {
  std::string text;
  std::array<char, 65536> buffer{};
  while (text.size() < size) {
    const auto got = recv(socket, buffer.data(), std::min(buffer.size(), size - text.size()), 0);
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

} // namespace

TEST_CASE("TcpProxy: forwards both ways, keeps its rate, cuts, and lets through again") {
  const std::uint16_t port = free_port();
  const Descriptor server = listening(port);
  TcpProxy proxy(port);
  {
    const Descriptor client = connected(proxy.port());
    const Descriptor accepted(must(accept(server.get(), nullptr, nullptr), "accept"));
    REQUIRE(send(client.get(), "question", 8, 0) == 8);
    CHECK(receive(accepted.get(), 8) == "question");
    REQUIRE(send(accepted.get(), "answer", 6, 0) == 6);
    CHECK(receive(client.get(), 6) == "answer");

    proxy.limit(2 << 20);
    const auto begun = std::chrono::steady_clock::now();
    const std::string block(512 * 1024, 'x');
    std::thread sender([&] { (void)!send(accepted.get(), block.data(), block.size(), 0); });
    CHECK(receive(client.get(), block.size()) == block);
    sender.join();
    CHECK(std::chrono::steady_clock::now() - begun > std::chrono::milliseconds(200)); // 250 ms at that rate

    proxy.limit(0);
    proxy.cut();
    CHECK(receive(client.get(), 1).empty());
    CHECK(receive(accepted.get(), 1).empty());
  }
  const Descriptor refused = connected(proxy.port());
  CHECK(receive(refused.get(), 1).empty());
  proxy.allow();
  const Descriptor client = connected(proxy.port());
  const Descriptor accepted(must(accept(server.get(), nullptr, nullptr), "accept"));
  REQUIRE(send(client.get(), "again", 5, 0) == 5);
  CHECK(receive(accepted.get(), 5) == "again");
  CHECK(proxy.connections() == 2);
  CHECK(wait_until([&] { return proxy.forwarded() == 8 + 6 + 512 * 1024 + 5; })); // counted after it was sent
}
