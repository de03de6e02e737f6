#include "cli/sink_side.h"

#include <algorithm>
#include <iostream>
#include <mutex>

#include "base/escape.h"
#include "base/uuid.h"
#include "cli/exit_codes.h"
#include "sink/dry_run_sink.h"

namespace osync::cli {
namespace {

int exit_code_of(const Status& status) { return status.code() == Code::conflict ? exit_refused : exit_usage; }

/// `--dry-run` prints one line an operation, from several appliers.
void tell_dry_run(const char* verb, const std::string& path, bool raw) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (raw) std::cout << path << '\0';
  else std::cout << verb << ' ' << escape_path(path) << '\n';
}

} // namespace

SinkSide::SinkSide(const config::Pipeline& pipeline, const std::string& replica, const RunOptions& options,
                   const loader::PluginLoader& loader, Logger& logger)
    : pipeline_(pipeline), name_(replica), settings_(pipeline.replicas.at(replica)), options_(options),
      loader_(loader), logger_(logger) {}

SinkSide::~SinkSide() = default;

Refusal SinkSide::open() {
  config::Stage stage = settings_.sink;
  const bool keeps = settings_.deletion.extra == false;
  if (keeps && stage.plugin.text == config::default_sink &&
      std::none_of(stage.options.begin(), stage.options.end(), [](const auto& o) { return o.name == "keep_replaced"; }))
    stage.options.push_back({"keep_replaced", {"true", stage.key + ".keep_replaced", stage.place}});
  Result<loader::PluginObject<Sink>> made = make_stage<Sink>(loader_, stage.plugin.text, stage, logger_);
  if (!made.ok()) return {exit_usage, made.status()};
  plugin_ = std::move(made).value();
  sink_ = plugin_.get();
  if (options_.dry_run) {
    dry_run_ = std::make_unique<sink::DryRunSink>(
        sink_, [raw = options_.raw_paths](const char* verb, const std::string& path) { tell_dry_run(verb, path, raw); });
    sink_ = dry_run_.get();
  }
  if (const Status opened = sink_->open(state_, capabilities_); !opened.ok()) return {exit_code_of(opened), opened};
  return {};
}

Refusal SinkSide::check_nesting(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& source) const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> replica;
  if (const Status status = sink_->ancestry(replica); !status.ok()) return {exit_usage, status};
  if (source.empty() || replica.empty()) return {};
  const auto within = [](const auto& root, const auto& chain) {
    return std::find(chain.begin(), chain.end(), root) != chain.end();
  };
  const char* how = nullptr;
  if (source.front() == replica.front()) how = "source and replica are the same directory";
  else if (within(source.front(), replica)) how = "the replica is inside the source";
  else if (within(replica.front(), source)) how = "the source is inside the replica";
  if (how == nullptr) return {};
  return {exit_refused, Status(Code::conflict, std::string(how) + "; choose a destination outside", pipeline_.source.root)};
}

Refusal SinkSide::connect(const std::string& endpoint) {
  std::string target = endpoint;
  if (target.empty() && settings_.transport.connect) target = settings_.transport.connect->text;
  if (target.empty())
    return {exit_usage, Status(Code::invalid, "replicas." + name_ + ".transport: found no `connect`, expected the "
                                                                    "source's endpoint, for example "
                                                                    "tcp://127.0.0.1:5570")};
  Result<loader::PluginObject<Transport>> transport =
      make_stage<Transport>(loader_, settings_.transport.plugin.text, settings_.transport, logger_);
  if (!transport.ok()) return {exit_usage, transport.status()};
  transport_ = std::move(transport).value();
  if (Refusal refusal = check_endpoint(*transport_, target, settings_.transport.insecure); !refusal.ok()) return refusal;
  if (Status connected = transport_->connect(target, TransportLimits{}); !connected.ok())
    return {exit_usage, std::move(connected)};
  engine::SinkSettings engine;
  engine.pipeline = pipeline_.name;
  engine.replica_name = name_;
  engine.build = options_.build;
  engine.new_replica = random_uuid();
  engine.order.appliers = sink::applier_count();
  engine.adopt = settings_.adopt;
  engine.take_over = settings_.take_over;
  engine.delete_extra = !settings_.deletion.extra  ? engine::DeleteExtra::unless_adopted
                        : *settings_.deletion.extra ? engine::DeleteExtra::always
                                                    : engine::DeleteExtra::never;
  runtime_ = std::make_unique<sink::SinkRuntime>(sink::SinkParts{*sink_, *transport_, logger_}, std::move(engine),
                                                 state_, capabilities_);
  return {};
}

void SinkSide::start() {
  thread_ = std::thread([this] { runtime_->run(); });
}

int SinkSide::wait() {
  if (thread_.joinable()) thread_.join();
  const engine::SinkEnd& end = runtime_->end();
  if (!end.status.ok()) logger_.error(end.status.to_string());
  using Reason = engine::SinkEnd::Reason;
  switch (end.reason) {
  case Reason::stopped:
  case Reason::farewell: return end.status.ok() ? exit_done : exit_failures;
  case Reason::refused: return end.status.code() == Code::conflict ? exit_refused : exit_peer;
  case Reason::failed: return exit_peer;
  }
  return exit_peer;
}

void SinkSide::stop(bool immediate) { runtime_->request_stop(immediate); }

} // namespace osync::cli
