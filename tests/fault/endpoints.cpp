// Endpoints that cannot or must not be used, and commands that reach nobody.
#include "support/compare_trees.h"
#include "support/osync_command.h"
#include "support/samples.h"
#include "support/tcp_proxy.h"
#include "support/wait.h"

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <filesystem>
#include <netinet/in.h>
#include <sys/socket.h>

#include "support/descriptor.h"

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

/// Somebody else's listening socket.
class Occupied {
 public:
  Occupied() : socket_(must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
    must(listen(socket_.get(), 1), "listen");
    socklen_t size = sizeof address;
    must(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    port_ = ntohs(address.sin_port);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  Descriptor socket_;
  std::uint16_t port_ = 0;
};

} // namespace

TEST_CASE("endpoints: a port in use is said with its endpoint") {
  const Workspace workspace;
  const Occupied occupied;
  const std::string file =
      PipelineFile(workspace).over_tcp(occupied.port()).write(workspace / "pipeline.yaml");
  const Finished finished = workspace.osync({"source", "--state-dir", workspace.state(), file});
  INFO(describe(finished));
  CHECK_FALSE(finished.timed_out);
  CHECK(finished.exit_code == 2);
  CHECK(mentions(finished, "tcp://127.0.0.1:" + std::to_string(occupied.port())));
  CHECK(mentions(finished, "in use"));
}

TEST_CASE("endpoints: what is not loopback is refused with 3 unless it is called insecure") {
  const Workspace workspace;
  const std::string port = std::to_string(free_port());
  for (const std::string& address : {"tcp://0.0.0.0:" + port, "tcp://*:" + port, "tcp://192.0.2.1:" + port,
                                     "tcp://[::]:" + port, "tcp://backup.example.org:" + port}) {
    PipelineFile pipeline(workspace);
    pipeline.listen = pipeline.connect = address;
    const std::string file = pipeline.write(workspace / "pipeline.yaml");
    for (const char* command : {"source", "sink"}) {
      Arguments arguments = {command, file};
      if (arguments.front() == "source") arguments = arguments + Arguments{"--state-dir", workspace.state()};
      const Finished finished = workspace.osync(arguments, seconds(20));
      INFO(command << " " << address << "\n" << describe(finished));
      CHECK_FALSE(finished.timed_out);
      CHECK(finished.exit_code == 3);
      CHECK(mentions(finished, "insecure"));
    }
  }
  PipelineFile pipeline(workspace);
  pipeline.listen = "tcp://0.0.0.0:" + port;
  pipeline.connect = "tcp://127.0.0.1:" + port;
  pipeline.in_transport = "      insecure: true\n";
  write_many(workspace.source(), 10, 100);
  TwoProcesses both(workspace, pipeline.write(workspace / "pipeline.yaml"), {"--once"});
  const auto code = both.source->process().wait_exit(seconds(30));
  INFO(both.log());
  CHECK(code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("endpoints: nonsense is refused with 2") {
  const Workspace workspace;
  for (const char* endpoint :
       {"tcp://127.0.0.1", "tcp://127.0.0.1:99999", "carrier-pigeon://x", "", "ipc://"}) {
    PipelineFile pipeline(workspace);
    pipeline.listen = pipeline.connect = endpoint;
    const Finished finished = workspace.osync(
        {"source", "--state-dir", workspace.state(), pipeline.write(workspace / "pipeline.yaml")},
        seconds(20));
    INFO(endpoint << "\n" << describe(finished));
    CHECK_FALSE(finished.timed_out);
    CHECK(finished.exit_code == 2);
  }
}

TEST_CASE("endpoints: garbage on the source's port harms nobody") {
  const Workspace workspace;
  write_many(workspace.source(), 100, 1000);
  const std::uint16_t port = free_port();
  TwoProcesses both(workspace, PipelineFile(workspace).over_tcp(port).write(workspace / "pipeline.yaml"));
  REQUIRE(both.source->answers());
  for (int round = 0; round < 5; ++round) {
    const Descriptor socket(must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    must(connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
    const std::string garbage = Random(static_cast<std::uint64_t>(round)).bytes(5000);
    (void)!send(socket.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
  }
  write_file(workspace.source("after"), "after");
  const Finished flushed = both.source->flush();
  INFO(describe(flushed));
  INFO(both.log());
  CHECK(flushed.exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("endpoints: a sink of another pipeline is refused by the source, and ends with 4") {
  const Workspace workspace;
  write_many(workspace.source(), 10, 100);
  PipelineFile pipeline(workspace);
  pipeline.over_tcp(free_port());
  const std::string file = pipeline.write(workspace / "pipeline.yaml");
  pipeline.name += "-other";
  pipeline.sink_socket = workspace / "run/other.sock";
  const std::string other = pipeline.write(workspace / "other.yaml");
  Running source(workspace, {"source", "--state-dir", workspace.state(), file}, {file});
  REQUIRE(source.answers());
  const Finished refused = workspace.osync({"sink", other});
  INFO(describe(refused));
  CHECK(refused.exit_code == 4);
  CHECK(mentions(refused, "serves pipeline"));
  CHECK(count_entries(workspace.replica()) == 0);
  Running sink(workspace, {"sink", file}, {file}); // the right one is served all the same
  CHECK(source.flush().exit_code == 0);
  CHECK(differences(workspace.source(), workspace.replica()) == "");
}

TEST_CASE("commands to nobody: exit 5") {
  const Workspace workspace;
  const std::string file = PipelineFile(workspace).write(workspace / "pipeline.yaml");
  for (const char* command : {"status", "flush", "stop", "drain", "pause", "resume"})
    for (const Arguments& handle : {Arguments{"--pipeline", "no-such-pipeline"}, Arguments{file},
                                    Arguments{workspace / "run/source.sock"}}) {
      const Finished finished = workspace.osync(Arguments{command} + handle, seconds(20));
      INFO(command << " " << handle.back() << "\n" << describe(finished));
      CHECK(finished.exit_code == 5);
      CHECK_FALSE((finished.out + finished.err).empty());
    }
}

TEST_CASE("commands of later work: exit 2 and 'not available yet'") {
  const Workspace workspace;
  const std::string file = PipelineFile(workspace).write(workspace / "pipeline.yaml");
  for (const Arguments& command : {Arguments{"cutover", file}, Arguments{"keygen", workspace / "keys"},
                                   Arguments{"simulate"}, Arguments{"explain", "some/path"}}) {
    const Finished finished = workspace.osync(command, seconds(20));
    INFO(command.front() << "\n" << describe(finished));
    CHECK(finished.exit_code == 2);
    CHECK(mentions(finished, "not available yet"));
  }
}
