// Validates a pipeline as a whole: file, --set, plugins, their options, endpoints. `osync check` prints the
// mistakes; the commands that run a pipeline begin with the same call, so that what `check` accepts is what
// runs.
//
// Loads plugins and makes transport and policy objects to ask them about their options and endpoints; binds
// and connects nothing, opens no root, needs no privileges. One thread.
#pragma once

#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "config/environment.h"
#include "config/mistakes.h"
#include "config/pipeline.h"
#include "loader/plugin_loader.h"

namespace osync::cli {

struct CheckedPipeline {
  config::Pipeline pipeline;
  std::unique_ptr<loader::PluginLoader> loader; ///< with the pipeline's plugin_path
  config::Mistakes mistakes;                    ///< exit 2: the pipeline must not run
  config::Mistakes
      insecure; ///< exit 3: endpoints that leave this host, of transports that do not say `insecure: true`
};

/// Applies `settings` (`--set`, each "stage.option=value") to a pipeline and validates it.
[[nodiscard]] CheckedPipeline check_pipeline(config::Pipeline pipeline,
                                             const std::vector<std::string>& settings);

/// The same for a pipeline file.
[[nodiscard]] CheckedPipeline check_pipeline_file(const std::string& file,
                                                  const std::vector<std::string>& settings,
                                                  const config::Environment& environment);

/// `osync check FILE`: prints every mistake to `out` and returns 2, or "FILE: ok" and 0.
[[nodiscard]] int run_check(const std::string& file, const std::vector<std::string>& settings,
                            const config::Environment& environment, std::ostream& out);

} // namespace osync::cli
