// The sink side of one replica: the sink plugin, its transport, and the engine.
// Thread-safety: prepare(), start() and wait() from one thread; the rest from any thread in between.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cli/run_options.h"
#include "cli/source_side.h"
#include "config/pipeline.h"
#include "loader/plugin_object.h"
#include "osync/sink.h"
#include "osync/transport.h"
#include "sink/sink_runtime.h"

namespace osync::cli {

class SinkSide {
 public:
  SinkSide(const config::Pipeline& pipeline, const std::string& replica, const RunOptions& options,
           const loader::PluginLoader& loader, Logger& logger);
  ~SinkSide();

  /// Opens and locks the replica. Nothing is written to it yet.
  Refusal open();
  /// Refuses roots that are equal or nested, given the source root and all its ancestors.
  Refusal check_nesting(const Ancestry& source) const;
  /// The same before open(), which would make a replica root that is missing.
  Refusal check_nesting_of_path(const Ancestry& source) const;
  /// Begins to connect. `endpoint`: instead of the configured one; may be empty.
  Refusal connect(const std::string& endpoint);
  void start();
  /// Waits for the end; returns the exit code.
  int wait();
  void stop(bool immediate);
  [[nodiscard]] sink::SinkRuntime& runtime() { return *runtime_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  Refusal open_plugin(bool keep_replaced);

  const config::Pipeline& pipeline_;
  const std::string name_;
  const config::Replica& settings_;
  const RunOptions& options_;
  const loader::PluginLoader& loader_;
  Logger& logger_;
  loader::PluginObject<Sink> plugin_;
  std::unique_ptr<Sink> dry_run_;
  Sink* sink_ = nullptr;
  loader::PluginObject<Transport> transport_;
  ReplicaState state_;
  SinkCapabilities capabilities_;
  std::unique_ptr<sink::SinkRuntime> runtime_;
  std::thread thread_;
};

} // namespace osync::cli
