#include "endpoint.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <netinet/in.h>
#include <string_view>

namespace osync::transport_zmq {
namespace {

constexpr std::string_view inproc_prefix = "inproc://";
constexpr std::string_view ipc_prefix = "ipc://";
constexpr std::string_view tcp_prefix = "tcp://";

Status invalid(const std::string& text, std::string_view why) {
  std::string message = "endpoint \"";
  message.append(text).append("\": ").append(why);
  return {Code::invalid, std::move(message)};
}

std::string quoted(std::string_view text) {
  std::string result(1, '"');
  result.append(text).append(1, '"');
  return result;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// A number 0 .. 65535 in plain decimal digits.
std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  if (text.empty() || error != std::errc() || stopped != end) return std::nullopt;
  return port;
}

/// The address between the brackets of an IPv6 host, without a zone ("%eth0").
std::string address_in_brackets(std::string_view host) {
  const std::string_view inner = host.substr(1, host.size() - 2);
  return std::string(inner.substr(0, inner.find('%')));
}

bool in_brackets(std::string_view host) {
  return host.size() > 2 && host.front() == '[' && host.back() == ']';
}

bool valid_ipv6(std::string_view host) {
  if (!in_brackets(host)) return false;
  const std::size_t zone = host.find('%');
  if (zone != std::string_view::npos) {
    const std::string_view name = host.substr(zone + 1, host.size() - zone - 2);
    const auto allowed = [](char c) {
      return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
    };
    if (name.empty() || name.size() > 15 || !std::all_of(name.begin(), name.end(), allowed)) return false;
  }
  in6_addr address{};
  return inet_pton(AF_INET6, address_in_brackets(host).c_str(), &address) == 1;
}

/// A DNS name, an IPv4 address or the name of a network interface: all have the same letters.
bool valid_host_name(std::string_view host) {
  if (host.empty() || host.size() > max_host_name || host.front() == '-' || host.front() == '.') return false;
  return std::all_of(host.begin(), host.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; });
}

bool is_localhost(std::string_view host) {
  constexpr std::string_view name = "localhost";
  return std::equal(host.begin(), host.end(), name.begin(), name.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

bool is_loopback_literal(const std::string& host) {
  if (in_brackets(host)) {
    in6_addr address{};
    return inet_pton(AF_INET6, address_in_brackets(host).c_str(), &address) == 1 &&
           IN6_IS_ADDR_LOOPBACK(&address);
  }
  std::array<unsigned char, 4> address{};
  return inet_pton(AF_INET, host.c_str(), address.data()) == 1 && address[0] == 127;
}

Result<Endpoint> parse_tcp(const std::string& text, std::string_view rest) {
  constexpr std::string_view expected =
      "tcp://HOST:PORT, for example tcp://127.0.0.1:5570 or tcp://[::1]:5570";
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos)
    return invalid(text, "there is no port; expected " + std::string(expected));
  const std::string_view host = rest.substr(0, colon);
  const std::string_view port_text = rest.substr(colon + 1);
  if (host != "*" && !valid_ipv6(host) && !valid_host_name(host))
    return invalid(text, quoted(host) +
                             " is no host; expected a name, an IPv4 address, an IPv6 address "
                             "in brackets or *, as in " +
                             std::string(expected));
  Endpoint endpoint{Scheme::tcp, std::string(host), std::nullopt};
  if (port_text == "*") return endpoint;
  const auto port = parse_port(port_text);
  if (!port)
    return invalid(text, quoted(port_text) + " is no port; expected 1 to 65535, or 0 or * for any free one");
  if (*port != 0) endpoint.port = port;
  return endpoint;
}

Result<Endpoint> parse_ipc(const std::string& text, std::string_view rest) {
  if (rest.empty() || rest.front() != '/' || rest.back() == '/')
    return invalid(
        text, "expected ipc:// and the absolute path of a socket, for example ipc:///run/osync/source.ipc");
  if (rest.size() > max_ipc_path)
    return invalid(text, "the path has " + std::to_string(rest.size()) +
                             " bytes; the path of a socket has at most " + std::to_string(max_ipc_path) +
                             ": choose a shorter one");
  return Endpoint{Scheme::ipc, std::string(rest), std::nullopt};
}

Result<Endpoint> parse_inproc(const std::string& text, std::string_view rest) {
  if (rest.empty() || rest.size() > max_inproc_name)
    return invalid(text,
                   "expected inproc:// and a name of 1 to " + std::to_string(max_inproc_name) + " bytes");
  return Endpoint{Scheme::inproc, std::string(rest), std::nullopt};
}

} // namespace

Result<Endpoint> parse_endpoint(const std::string& text) {
  const std::string_view view = text;
  const bool printable = std::all_of(view.begin(), view.end(),
                                     [](char c) { return static_cast<unsigned char>(c) > ' ' && c != 0x7f; });
  if (!printable) return invalid(text, "it holds white space or control characters; expected none");
  if (view.starts_with(inproc_prefix)) return parse_inproc(text, view.substr(inproc_prefix.size()));
  if (view.starts_with(ipc_prefix)) return parse_ipc(text, view.substr(ipc_prefix.size()));
  if (view.starts_with(tcp_prefix)) return parse_tcp(text, view.substr(tcp_prefix.size()));
  return invalid(text, "expected tcp://HOST:PORT, ipc:///PATH or inproc://NAME");
}

Status check_connectable(const Endpoint& endpoint) {
  if (endpoint.scheme != Scheme::tcp) return {};
  if (endpoint.place == "*")
    return invalid(to_string(endpoint),
                   "* stands for all addresses of the listening side; expected one host to connect to");
  if (!endpoint.port)
    return invalid(to_string(endpoint),
                   "the port is left open; expected the number that the listening side printed");
  return {};
}

bool is_local(const Endpoint& endpoint) {
  if (endpoint.scheme != Scheme::tcp) return true;
  return is_localhost(endpoint.place) || is_loopback_literal(endpoint.place);
}

bool wants_ipv6(const Endpoint& endpoint) {
  if (endpoint.scheme != Scheme::tcp || is_localhost(endpoint.place)) return false;
  in_addr address{};
  return inet_pton(AF_INET, endpoint.place.c_str(), &address) != 1;
}

std::string zmq_address(const Endpoint& endpoint) {
  switch (endpoint.scheme) {
  case Scheme::inproc:
    return std::string(inproc_prefix) + endpoint.place;
  case Scheme::ipc:
    return std::string(ipc_prefix) + endpoint.place;
  case Scheme::tcp:
    break;
  }
  const std::string host = is_localhost(endpoint.place) ? "127.0.0.1" : endpoint.place;
  return std::string(tcp_prefix) + host + ":" + (endpoint.port ? std::to_string(*endpoint.port) : "*");
}

std::string to_string(const Endpoint& endpoint, std::uint16_t port) {
  if (endpoint.scheme != Scheme::tcp) return zmq_address(endpoint);
  return std::string(tcp_prefix) + endpoint.place + ":" + std::to_string(endpoint.port.value_or(port));
}

std::optional<std::uint16_t> port_of(const std::string& last_endpoint) {
  const std::size_t colon = last_endpoint.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  return parse_port(std::string_view(last_endpoint).substr(colon + 1));
}

} // namespace osync::transport_zmq
