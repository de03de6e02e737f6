// Reads a pipeline file (INTERFACE "Pipeline file"): YAML to Pipeline, with every mistake found.
//
// Options of plugins are not checked here, since that needs the plugins (stages.h). Reading the file is the
// only system call; read_pipeline itself is pure but for `environment`. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "config/environment.h"
#include "config/mistakes.h"
#include "config/pipeline.h"

namespace osync::config {

/// The pipeline that `text` describes. Where there are mistakes it is only as complete as they allow and must
/// not be run. `origin` names the file in places and messages.
[[nodiscard]] Pipeline read_pipeline(std::string_view text, const std::string& origin,
                                     const Environment& environment, Mistakes& mistakes);

/// The same from the file at `path`. A file that cannot be read, or has more than yaml_bytes_bound bytes, is
/// a mistake.
[[nodiscard]] Pipeline load_pipeline(const std::string& path, const Environment& environment,
                                     Mistakes& mistakes);

} // namespace osync::config
