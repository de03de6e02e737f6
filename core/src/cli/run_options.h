// What the user gave on the command line of mirror, run, source and sink, besides the pipeline itself.
#pragma once

#include <string>
#include <vector>

#include "base/log.h"

namespace osync::cli {

struct RunOptions {
  bool once = false;
  bool progress = false;
  bool dry_run = false;
  bool raw_paths = false;         ///< -0: paths on standard output raw and NUL-separated
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;
  std::string state_directory;    ///< empty: the default one
  std::string build;              ///< osync's version, for the peer
};

} // namespace osync::cli
