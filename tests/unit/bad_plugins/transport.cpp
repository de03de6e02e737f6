// A transport that carries nothing, but knows its endpoints and has two options that exclude each other.
#include <iterator>
#include <new>

#include "osync/plugin.h"
#include "osync/transport.h"

namespace {

using osync::Code;
using osync::Status;

class NoTransport final : public osync::Transport {
 public:
  Status listen(const std::string&, const osync::TransportLimits&, std::string&) noexcept override {
    return none();
  }
  Status connect(const std::string&, const osync::TransportLimits&) noexcept override { return none(); }
  Status send(osync::PeerId, osync::Message&) noexcept override { return none(); }
  Status receive(std::chrono::milliseconds, std::vector<osync::TransportEvent>&) noexcept override {
    return none();
  }
  void wake() noexcept override {}
  void disconnect(osync::PeerId) noexcept override {}
  [[nodiscard]] osync::Result<bool> is_local(const std::string& endpoint) const noexcept override {
    if (endpoint.starts_with("inproc://")) return true;
    if (endpoint.starts_with("tcp://")) return endpoint.starts_with("tcp://127.");
    return Status(Code::invalid, "no such scheme");
  }

 private:
  static Status none() { return {Code::unsupported, "carries nothing"}; }
};

const osync::OptionSpec options[] = {
    {"low", osync::OptionType::integer, "", "1", "0..9", "less than high"},
    {"high", osync::OptionType::integer, "", "5", "0..9", "more than low"},
};

Status create(const osync::PluginContext& context, void** object) noexcept {
  if (context.options->integer("low") >= context.options->integer("high"))
    return {Code::invalid, "low is not below high"};
  osync::Transport* const transport = new (std::nothrow) NoTransport;
  if (transport == nullptr) return {Code::limit, "no memory"};
  *object = transport;
  return {};
}

void destroy(void* object) noexcept { delete static_cast<osync::Transport*>(object); }

} // namespace

OSYNC_PLUGIN_EXPORT const osync::PluginDescriptor osync_plugin = {OSYNC_PLUGIN_PREAMBLE,
                                                                  osync::PluginKind::transport,
                                                                  PLUGIN_NAME,
                                                                  "0.0.1",
                                                                  "carries nothing",
                                                                  options,
                                                                  std::size(options),
                                                                  create,
                                                                  destroy};
