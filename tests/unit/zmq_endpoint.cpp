// transport-zmq: endpoints as text.
#include <catch2/catch.hpp>

#include <string>

#include "transport-zmq/endpoint.h"

using namespace osync;
using namespace osync::transport_zmq;

TEST_CASE("zmq endpoints are read and written back", "[zmq]") {
  struct Case {
    std::string text, zmq, bound;
    bool local;
  };
  const Case cases[] = {
      {"inproc://ab", "inproc://ab", "inproc://ab", true},
      {"ipc:///run/osync/s.ipc", "ipc:///run/osync/s.ipc", "ipc:///run/osync/s.ipc", true},
      {"tcp://127.0.0.1:5570", "tcp://127.0.0.1:5570", "tcp://127.0.0.1:5570", true},
      {"tcp://127.255.0.9:1", "tcp://127.255.0.9:1", "tcp://127.255.0.9:1", true},
      {"tcp://127.0.0.1:0", "tcp://127.0.0.1:*", "tcp://127.0.0.1:4321", true},
      {"tcp://127.0.0.1:*", "tcp://127.0.0.1:*", "tcp://127.0.0.1:4321", true},
      {"tcp://localhost:0", "tcp://127.0.0.1:*", "tcp://localhost:4321", true},
      {"tcp://LocalHost:7", "tcp://127.0.0.1:7", "tcp://LocalHost:7", true},
      {"tcp://[::1]:65535", "tcp://[::1]:65535", "tcp://[::1]:65535", true},
      {"tcp://[0:0::1]:1", "tcp://[0:0::1]:1", "tcp://[0:0::1]:1", true},
      {"tcp://*:5570", "tcp://*:5570", "tcp://*:5570", false},
      {"tcp://0.0.0.0:5570", "tcp://0.0.0.0:5570", "tcp://0.0.0.0:5570", false},
      {"tcp://[::]:*", "tcp://[::]:*", "tcp://[::]:4321", false},
      {"tcp://[fe80::1%eth0]:9", "tcp://[fe80::1%eth0]:9", "tcp://[fe80::1%eth0]:9", false},
      {"tcp://[::ffff:10.0.0.1]:9", "tcp://[::ffff:10.0.0.1]:9", "tcp://[::ffff:10.0.0.1]:9", false},
      {"tcp://backup.example.org:5570", "tcp://backup.example.org:5570", "tcp://backup.example.org:5570",
       false},
      {"tcp://10.1.2.3:5570", "tcp://10.1.2.3:5570", "tcp://10.1.2.3:5570", false},
      // What only looks like this host.
      {"tcp://127.0.0.1.example.org:1", "tcp://127.0.0.1.example.org:1", "tcp://127.0.0.1.example.org:1",
       false},
      {"tcp://localhost.example.org:1", "tcp://localhost.example.org:1", "tcp://localhost.example.org:1",
       false},
      {"tcp://127.1:1", "tcp://127.1:1", "tcp://127.1:1", false},
      {"tcp://128.0.0.1:1", "tcp://128.0.0.1:1", "tcp://128.0.0.1:1", false},
      {"tcp://lo:1", "tcp://lo:1", "tcp://lo:1", false},
  };
  for (const Case& one : cases) {
    CAPTURE(one.text);
    const Result<Endpoint> endpoint = parse_endpoint(one.text);
    REQUIRE(endpoint.ok());
    CHECK(zmq_address(endpoint.value()) == one.zmq);
    CHECK(to_string(endpoint.value(), 4321) == one.bound);
    CHECK(is_local(endpoint.value()) == one.local);
  }
}

TEST_CASE("zmq endpoints that are none are refused with what was expected", "[zmq]") {
  const std::string texts[] = {"",
                               "tcp",
                               "tcp://",
                               "tcp://host",
                               "tcp://:5570",
                               "tcp://host:",
                               "tcp://host:65536",
                               "tcp://host:-1",
                               "tcp://host:+1",
                               "tcp://host:5570x",
                               "tcp://host:0x10",
                               "tcp://ho st:1",
                               "tcp://host:1 ",
                               "tcp://::1:5570",
                               "tcp://[::1:5570",
                               "tcp://[]:1",
                               "tcp://[::g]:1",
                               "tcp://[::1%]:1",
                               "tcp://[::1%a/b]:1",
                               "tcp://a;b:1",
                               "tcp://10.0.0.1:1;10.0.0.2:2",
                               "tcp://-host:1",
                               "tcp://" + std::string(254, 'h') + ":1",
                               "tcp://host:1\n",
                               std::string("tcp://ho\0st:1", 13),
                               "udp://host:1",
                               "pgm://x:1",
                               "TCP://host:1",
                               "http://host:1",
                               "ipc://",
                               "ipc://relative",
                               "ipc://*",
                               "ipc://@abstract",
                               "ipc:///directory/",
                               "ipc:///" + std::string(107, 'p'),
                               "inproc://",
                               "inproc://" + std::string(201, 'n')};
  for (const std::string& text : texts) {
    CAPTURE(text);
    const Result<Endpoint> endpoint = parse_endpoint(text);
    REQUIRE(!endpoint.ok());
    CHECK(endpoint.status().code() == Code::invalid);
    CHECK(endpoint.status().message().find(text) != std::string_view::npos);
  }
  CHECK(parse_endpoint("ipc:///" + std::string(106, 'p')).ok());
  CHECK(parse_endpoint("inproc://" + std::string(200, 'n')).ok());
}

TEST_CASE("zmq connects only to an endpoint that names its peer", "[zmq]") {
  for (const std::string text : {"tcp://*:5570", "tcp://host:0", "tcp://host:*", "tcp://127.0.0.1:0"}) {
    CAPTURE(text);
    CHECK(check_connectable(parse_endpoint(text).value()).code() == Code::invalid);
  }
  for (const std::string text : {"tcp://host:5570", "tcp://[::1]:1", "ipc:///run/s", "inproc://x"}) {
    CAPTURE(text);
    CHECK(check_connectable(parse_endpoint(text).value()).ok());
  }
}

TEST_CASE("zmq uses IPv6 only where it may be needed", "[zmq]") {
  CHECK(!wants_ipv6(parse_endpoint("tcp://127.0.0.1:1").value()));
  CHECK(!wants_ipv6(parse_endpoint("tcp://localhost:1").value()));
  CHECK(!wants_ipv6(parse_endpoint("ipc:///run/s").value()));
  CHECK(wants_ipv6(parse_endpoint("tcp://[::1]:1").value()));
  CHECK(wants_ipv6(parse_endpoint("tcp://*:1").value()));
  CHECK(wants_ipv6(parse_endpoint("tcp://host:1").value()));
}

TEST_CASE("zmq finds the port in what libzmq says", "[zmq]") {
  CHECK(port_of("tcp://127.0.0.1:38649") == 38649);
  CHECK(port_of("tcp://[::]:1") == 1);
  CHECK(!port_of("tcp://127.0.0.1:").has_value());
  CHECK(!port_of("tcp://127.0.0.1:70000").has_value());
  CHECK(!port_of("").has_value());
}
