#include "cli/sink_side.h"

#include <sys/stat.h>

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

Refusal SinkSide::open_plugin(bool keep_replaced) {
  config::Stage stage = settings_.sink;
  const bool said = std::any_of(stage.options.begin(), stage.options.end(),
                                [](const auto& option) { return option.name == "keep_replaced"; });
  if (keep_replaced && !said && stage.plugin.text == config::default_sink)
    stage.options.push_back({"keep_replaced", {"true", stage.key + ".keep_replaced", stage.place}});
  Result<loader::PluginObject<Sink>> made = make_stage<Sink>(loader_, stage.plugin.text, stage, logger_);
  if (!made.ok()) return {exit_usage, made.status()};
  plugin_.reset();
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

/// What an adopted replica had before, and everything under --keep-extra, is moved aside where something takes its name.
Refusal SinkSide::open() {
  const bool deletes = settings_.deletion.extra == true;
  const bool keeps = settings_.deletion.extra == false || (settings_.adopt && !deletes);
  if (Refusal refusal = open_plugin(keeps); !refusal.ok()) return refusal;
  return state_.adopted && !deletes && !keeps ? open_plugin(true) : Refusal();
}

static Refusal refuse_nesting(const Ancestry& source, const Ancestry& replica, bool replica_exists, const std::string& root) {
  if (source.empty() || replica.empty()) return {};
  const auto within = [](const auto& directory, const Ancestry& chain) {
    return std::find(chain.begin(), chain.end(), directory) != chain.end();
  };
  const char* how = nullptr;
  if (replica_exists && source.front() == replica.front()) how = "source and replica are the same directory";
  else if (within(source.front(), replica)) how = "the replica is inside the source";
  else if (replica_exists && within(replica.front(), source)) how = "the source is inside the replica";
  if (how == nullptr) return {};
  return {exit_refused, Status(Code::conflict, std::string(how) + "; choose a destination outside", root)};
}

Refusal SinkSide::check_nesting(const Ancestry& source) const {
  Ancestry replica;
  if (const Status status = sink_->ancestry(replica); !status.ok()) return {exit_usage, status};
  return refuse_nesting(source, replica, true, pipeline_.source.root);
}

Refusal SinkSide::check_nesting_of_path(const Ancestry& source) const {
  for (const config::RawOption& option : settings_.sink.options) {
    if (option.name != "root") continue;
    struct stat status {};
    if (stat(option.value.text.c_str(), &status) == 0) return {}; // check_nesting() will look at the directory itself
    const Result<Ancestry> nearest = ancestry_of_nearest(option.value.text);
    if (nearest.ok()) return refuse_nesting(source, nearest.value(), false, pipeline_.source.root);
  }
  return {};
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
