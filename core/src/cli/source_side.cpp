#include "cli/source_side.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/uuid.h"
#include "cli/exit_codes.h"
#include "config/stages.h"

namespace osync::cli {
namespace {

/// Whether the directory open as `fd` has no entries (`.osync` of an earlier life as a replica aside).
bool is_empty_directory(int fd) {
  const int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* directory = copy < 0 ? nullptr : fdopendir(copy);
  if (directory == nullptr) {
    if (copy >= 0) close(copy);
    return false;
  }
  bool empty = true;
  while (const dirent* entry = readdir(directory)) {
    const std::string_view name(entry->d_name);
    if (name != "." && name != ".." && name != ".osync") empty = false;
  }
  closedir(directory);
  return empty;
}

source::AttributeChoice choice_of(const config::ReplicaAttributes& attributes) {
  using Xattrs = source::AttributeChoice::Xattrs;
  const Xattrs xattrs = attributes.xattrs == config::Xattrs::all    ? Xattrs::all
                        : attributes.xattrs == config::Xattrs::user ? Xattrs::user
                                                                    : Xattrs::none;
  return {attributes.owners == config::Owners::numeric, attributes.devices, attributes.setuid, xattrs};
}

} // namespace

template <class Interface>
Result<loader::PluginObject<Interface>> make_stage(const loader::PluginLoader& loader, const std::string& plugin,
                                                   const config::Stage& stage, Logger& logger) {
  const Result<loader::LoadedPlugin> found = loader.find(plugin, loader::kind_of<Interface>);
  if (!found.ok()) return found.status();
  const PluginDescriptor& descriptor = *found->descriptor;
  config::Mistakes mistakes;
  const OptionValues options =
      config::validate_options({descriptor.options, descriptor.option_count}, stage, mistakes);
  if (!mistakes.empty()) return Status(Code::invalid, mistakes.to_string());
  const PluginContext context{&logger, &options, stage.key.c_str()};
  return loader::PluginObject<Interface>::create(descriptor, context);
}

template Result<loader::PluginObject<Sink>> make_stage<Sink>(const loader::PluginLoader&, const std::string&,
                                                             const config::Stage&, Logger&);
template Result<loader::PluginObject<Transport>> make_stage<Transport>(const loader::PluginLoader&, const std::string&,
                                                                       const config::Stage&, Logger&);

Refusal check_endpoint(const Transport& transport, const std::string& endpoint, bool insecure) {
  const Result<bool> local = transport.is_local(endpoint);
  if (!local.ok()) return {exit_usage, local.status()};
  if (local.value() || insecure) return {};
  return {exit_refused, Status(Code::conflict,
                               "the endpoint is not on this host, and connections are not secured yet: anybody who "
                               "reaches it could read or replace the data. Use a loopback, ipc or inproc endpoint "
                               "(a tunnel ends at one), or set transport: {insecure: true}",
                               endpoint)};
}

SourceSide::SourceSide(const config::Pipeline& pipeline, const RunOptions& options, const loader::PluginLoader& loader,
                       Logger& logger)
    : pipeline_(pipeline), options_(options), loader_(loader), logger_(logger) {}

SourceSide::~SourceSide() = default;

/// A root that was valid before and is not now must never look like one whose files were deleted.
Refusal SourceSide::open_root() {
  const bool known = state_.memory().file_system != 0;
  Result<std::unique_ptr<source::SourceRoot>> root =
      source::SourceRoot::open(pipeline_.source.root, pipeline_.source.one_file_system);
  if (!root.ok()) {
    if (!known) return {exit_usage, root.status()};
    return {exit_refused, Status(root.status().code(), "the source root was there before and cannot be opened now; nothing "
                                                       "is deleted on the replica. Mount or restore it: " +
                                                           std::string(root.status().message()),
                                 pipeline_.source.root)};
  }
  root_ = std::move(root).value();
  if (!known) return {};
  if (root_->file_system_id() != state_.memory().file_system)
    return {exit_refused, Status(Code::conflict, "the source root is on another file system than before (is its disk "
                                                 "mounted?); nothing is deleted on the replica. Mount it, or delete "
                                                 "the state directory to accept the new one",
                                 pipeline_.source.root)};
  if (state_.memory().had_entries && is_empty_directory(root_->fd()))
    return {exit_refused, Status(Code::conflict, "the source root is empty, and was not when it was last replicated; "
                                                 "nothing is deleted on the replica. Mount or restore it, or delete "
                                                 "the state directory if it is meant to be empty",
                                 pipeline_.source.root)};
  return {};
}

Refusal SourceSide::prepare(const std::string& state_directory, bool with_sink) {
  if (options_.dry_run) state_.forbid_writing();
  if (const Status opened = state_.open(state_directory); !opened.ok())
    return {opened.code() == Code::conflict ? exit_refused : exit_usage, opened};
  if (Refusal refusal = open_root(); !refusal.ok()) return refusal;
  Result<engine::Rules> rules = engine::Rules::parse(pipeline_.source.rules);
  if (!rules.ok()) return {exit_usage, rules.status()};
  rules_ = std::move(rules).value();
  for (const auto& [name, settings] : pipeline_.replicas)
    if (Refusal refusal = prepare_replica(name, settings, with_sink); !refusal.ok()) return refusal;
  return {};
}

Refusal SourceSide::start_watcher(const std::string& plugin, Replica& replica) {
  const Result<loader::LoadedPlugin> found = loader_.find(plugin, PluginKind::watcher);
  if (!found.ok()) return {exit_usage, found.status()};
  const PluginDescriptor& descriptor = *found->descriptor;
  const config::Stage stage =
      config::watcher_stage(pipeline_.watcher, plugin, {descriptor.options, descriptor.option_count});
  Result<loader::PluginObject<Watcher>> made = make_stage<Watcher>(loader_, plugin, stage, logger_);
  if (!made.ok()) return {exit_usage, made.status()};
  replica.watcher = std::move(made).value();
  if (Status started = replica.watcher->start(root_->fd(), root_->id()); !started.ok()) {
    replica.watcher.reset();
    return {exit_usage, std::move(started)};
  }
  return {};
}

/// The watcher that is named, or of `auto` the first one that works here; one that is named is never replaced silently.
Refusal SourceSide::make_watcher(Replica& replica) {
  std::vector<std::string> candidates = config::watcher_plugins(pipeline_.watcher);
  const bool named = pipeline_.watcher.plugin.text != config::automatic;
  if (named && pipeline_.watcher.fallback != config::no_fallback) candidates.push_back(pipeline_.watcher.fallback);
  Refusal last;
  for (const std::string& candidate : candidates) {
    last = start_watcher(candidate, replica);
    if (last.ok()) {
      logger_.info("watching with " + candidate);
      return last;
    }
    if (candidates.size() == 1) return last;
    // Of `auto`, one that is not installed is no news.
    if (named || last.status.code() != Code::not_found)
      logger_.warning(candidate + " cannot be used here: " + last.status.to_string());
  }
  return last;
}

engine::SourceSettings SourceSide::engine_settings(const Replica& replica, const config::Replica& settings,
                                                   bool with_sink) const {
  engine::SourceSettings engine;
  const source::SourceMemory& memory = state_.memory();
  engine.pipeline = pipeline_.name;
  engine.replica = replica.name;
  engine.build = options_.build;
  engine.source = memory.source;
  if (const auto known = memory.replicas.find(replica.name); known != memory.replicas.end()) {
    engine.known_replica = {memory.source, known->second.replica, 0};
    engine.since = known->second.since;
    engine.replica_entries = known->second.entries;
  }
  engine.had_entries = memory.had_entries;
  engine.delete_extra = settings.deletion.extra;
  engine.delete_excluded = settings.deletion.excluded;
  engine.hold_above_percent = static_cast<double>(settings.deletion.hold_percent);
  engine.hold_above_entries = static_cast<std::uint64_t>(settings.deletion.hold_entries);
  engine.directory_watches = replica.watcher->needs_directory_watches();
  engine.verify_every = engine::Time(pipeline_.source.verify_every);
  engine.once = options_.once || options_.dry_run;
  engine.end_with_sink = with_sink;
  engine.session_seed = random_number();
  engine.bandwidth = static_cast<std::uint64_t>(settings.bandwidth);
  engine.durability_interval_ms = static_cast<std::uint32_t>(settings.durability_interval / 1'000'000);
  return engine;
}

Refusal SourceSide::prepare_replica(const std::string& name, const config::Replica& settings, bool with_sink) {
  auto replica = std::make_unique<Replica>();
  replica->name = name;
  if (!settings.transport.listen)
    return {exit_usage, Status(Code::invalid, "replicas." + name + ".transport: found no `listen`, expected the "
                                                                   "endpoint that the source binds, for example "
                                                                   "tcp://127.0.0.1:5570")};
  Result<loader::PluginObject<Policy>> policy =
      make_stage<Policy>(loader_, pipeline_.policy.plugin.text, pipeline_.policy, logger_);
  if (!policy.ok()) return {exit_usage, policy.status()};
  replica->policy = std::move(policy).value();
  Result<loader::PluginObject<Transport>> transport =
      make_stage<Transport>(loader_, settings.transport.plugin.text, settings.transport, logger_);
  if (!transport.ok()) return {exit_usage, transport.status()};
  replica->transport = std::move(transport).value();
  const std::string& endpoint = settings.transport.listen->text;
  if (Refusal refusal = check_endpoint(*replica->transport, endpoint, settings.transport.insecure); !refusal.ok())
    return refusal;
  if (Refusal refusal = make_watcher(*replica); !refusal.ok()) return refusal;
  if (Status bound = replica->transport->listen(endpoint, TransportLimits{}, replica->endpoint); !bound.ok())
    return {exit_usage, std::move(bound)};
  source::SourceParts parts{*root_, *replica->watcher, *replica->policy, *replica->transport,
                            rules_, choice_of(settings.attributes), state_, state_mutex_, logger_};
  replica->runtime =
      std::make_unique<source::SourceRuntime>(parts, engine_settings(*replica, settings, with_sink));
  replicas_.push_back(std::move(replica));
  return {};
}

Result<Ancestry> SourceSide::ancestry() const { return ancestry_of(root_->fd(), pipeline_.source.root); }

std::vector<std::string> SourceSide::endpoints() const {
  std::vector<std::string> bound;
  for (const auto& replica : replicas_) bound.push_back(replica->endpoint);
  return bound;
}

void SourceSide::start() {
  for (const auto& replica : replicas_)
    replica->thread = std::thread([runtime = replica->runtime.get()] { runtime->run(); });
}

int SourceSide::wait(std::ostream& out) {
  int worst = exit_done;
  for (const auto& replica : replicas_) {
    if (replica->thread.joinable()) replica->thread.join();
    int code = exit_done;
    switch (replica->runtime->exit()) {
    case engine::Exit::running:
    case engine::Exit::done: break;
    case engine::Exit::failures: code = exit_failures; break;
    case engine::Exit::refused: code = exit_refused; break;
    case engine::Exit::peer_lost: code = exit_peer; break;
    case engine::Exit::fatal: code = exit_failures; break;
    }
    worst = std::max(worst, code);
    if (code == exit_failures)
      for (const engine::FailureReport& failure : replica->runtime->failures()) print_failure(out, failure, options_.raw_paths);
  }
  return worst;
}

void SourceSide::stop(bool drain) {
  for (const auto& replica : replicas_)
    replica->runtime->post([drain](engine::SourceEngine& engine, engine::Time now) { engine.stop(drain, now); });
}

std::vector<source::SourceRuntime*> SourceSide::runtimes() {
  std::vector<source::SourceRuntime*> all;
  for (const auto& replica : replicas_) all.push_back(replica->runtime.get());
  return all;
}

} // namespace osync::cli
