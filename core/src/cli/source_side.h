// The source side of a pipeline: its root, its state, and one engine with watcher, policy and transport a replica.
//
// Everything that can be refused is refused in prepare(), before a thread is started.
// Thread-safety: prepare(), start() and wait() from one thread; the rest from any thread in between.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "cli/ancestry.h"
#include "cli/report.h"
#include "cli/run_options.h"
#include "config/pipeline.h"
#include "engine/rules.h"
#include "loader/plugin_loader.h"
#include "loader/plugin_object.h"
#include "osync/policy.h"
#include "osync/transport.h"
#include "osync/watcher.h"
#include "source/source_root.h"
#include "source/source_runtime.h"
#include "source/source_state.h"

namespace osync::cli {

/// A refusal with the exit code that stands for it.
struct Refusal {
  int exit_code = 0;
  Status status; ///< ok: no refusal
  [[nodiscard]] bool ok() const { return status.ok(); }
};

class SourceSide {
 public:
  SourceSide(const config::Pipeline& pipeline, const RunOptions& options, const loader::PluginLoader& loader,
             Logger& logger);
  ~SourceSide();

  /// Opens the root, the state directory and the plugins, and binds. `with_sink`: the sink runs in this process.
  Refusal prepare(const std::string& state_directory, bool with_sink);
  /// (device, inode) of the root and all its ancestors.
  [[nodiscard]] Result<Ancestry> ancestry() const;
  /// The endpoints bound, one a replica.
  [[nodiscard]] std::vector<std::string> endpoints() const;

  void start();
  /// Waits until all engines have ended; returns the exit code, the worst of all. Prints failed paths to `out`.
  int wait(std::ostream& out);

  void stop(bool drain);
  [[nodiscard]] std::vector<source::SourceRuntime*> runtimes();
  [[nodiscard]] Watcher* watcher(std::size_t replica) { return replicas_[replica]->watcher.get(); }
  [[nodiscard]] const std::string& replica_name(std::size_t replica) const { return replicas_[replica]->name; }

 private:
  struct Replica {
    std::string name;
    loader::PluginObject<Watcher> watcher;
    loader::PluginObject<Policy> policy;
    loader::PluginObject<Transport> transport;
    std::string endpoint;
    std::unique_ptr<source::SourceRuntime> runtime;
    std::thread thread;
  };

  Refusal open_root();
  Refusal prepare_replica(const std::string& name, const config::Replica& settings, bool with_sink);
  Refusal make_watcher(Replica& replica);
  Refusal start_watcher(const std::string& plugin, Replica& replica);
  [[nodiscard]] engine::SourceSettings engine_settings(const Replica& replica, const config::Replica& settings,
                                                       bool with_sink) const;

  const config::Pipeline& pipeline_;
  const RunOptions& options_;
  const loader::PluginLoader& loader_;
  Logger& logger_;
  engine::Rules rules_;
  source::SourceState state_;
  std::mutex state_mutex_;
  std::unique_ptr<source::SourceRoot> root_;
  std::vector<std::unique_ptr<Replica>> replicas_;
};

/// Makes an object of the plugin that `stage` names, with its validated options.
template <class Interface>
Result<loader::PluginObject<Interface>> make_stage(const loader::PluginLoader& loader, const std::string& plugin,
                                                   const config::Stage& stage, Logger& logger);

/// Whether the endpoint is local, or the transport says `insecure: true`; otherwise the refusal (exit 3).
[[nodiscard]] Refusal check_endpoint(const Transport& transport, const std::string& endpoint, bool insecure);

} // namespace osync::cli
