// The pipeline of `osync mirror SRC DST`: no file, one replica, both sides in one process.
// Looks at the file system only to resolve symlinks for the pipeline's name. Any thread.
#pragma once

#include <string>
#include <vector>

#include "config/pipeline.h"
#include "osync/status.h"

namespace osync::config {

/// The command line of `mirror`, as typed.
struct MirrorRequest {
  std::string source;
  std::string destination;
  std::string watcher = automatic; ///< auto, inotify, fanotify, or a plugin's name
  std::string policy = default_policy;
  std::vector<std::string> excludes; ///< gitignore patterns in order
  bool keep_extra = false;
  bool delete_extra = false;
  bool adopt = false;
  bool take_over = false;
};

/// The pipeline with all defaults: transport-zmq over inproc, sink-fs at the destination. The stage options
/// are still to be validated (stages.h). Errors: invalid, for paths that are empty, too long or look like
/// HOST:PATH (reserved for ssh), for wrong patterns and plugin names, and for keep_extra together with
/// delete_extra.
[[nodiscard]] Result<Pipeline> make_mirror_pipeline(const MirrorRequest& request);

/// The name that `mirror` gives a pipeline of these two absolute paths: "mirror-", the source's last
/// component as far as it may stand in a name, and eight hex digits of a hash (FNV-1a) over both paths. The
/// same for the same paths in every version of osync, since state is kept under it. Pure.
[[nodiscard]] std::string mirror_name(const std::string& source, const std::string& destination);

} // namespace osync::config
