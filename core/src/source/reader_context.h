// What all parts of the reader share.
// Thread-safety: any thread; only `interrupted` and the payload pool change, and both say so themselves.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "engine/rules.h"
#include "osync/logger.h"
#include "source/file_opener.h"
#include "source/reader_limits.h"
#include "source/reader_payload.h"
#include "source/source_root.h"

namespace osync::source {

/// Where a replica keeps its own state. In the source root it is never listed, read or shipped, and a
/// directory below the root that holds `.osync/identity` is a replica of its own and never entered (RULES.md
/// 17).
inline constexpr const char* state_directory = ".osync";

struct ReaderContext {
  SourceRoot& root;
  const engine::Rules& rules;
  ReaderLimits limits;
  Logger& logger;
  FileOpener opener;
  std::shared_ptr<PayloadPool> pool;
  std::atomic<bool> interrupted{false};

  ReaderContext(SourceRoot& source_root, const engine::Rules& source_rules, const ReaderLimits& reader_limits,
                Logger& source_logger);
};

/// An open directory whose identity was compared, as the looks at its entries need it.
struct OpenDirectory {
  int fd;
  const std::string& path; ///< relative to the source root
  bool all_excluded;       ///< the directory or one above it is excluded

  OpenDirectory(const ReaderContext& context, int directory_fd, const std::string& directory_path);
  [[nodiscard]] std::string path_of(std::string_view name) const;
  /// Whether `name` is osync's own in the source root.
  [[nodiscard]] bool is_state(std::string_view name) const noexcept {
    return path.empty() && name == state_directory;
  }
  [[nodiscard]] bool excludes(const ReaderContext& context, std::string_view name, bool directory) const;
};

/// Whether the directory `name` below `fd` (empty: the one open as `fd`) is a replica of its own.
[[nodiscard]] bool holds_replica(int fd, std::string_view name);

/// Reads a directory's own status and extended attributes (left out where they may not be read) of `fd`;
/// `path_fd`: it is open with O_PATH. Errors: those of statx(2) and listxattr(2), limit.
[[nodiscard]] Status read_directory_attributes(const ReaderContext& context, int fd, bool path_fd,
                                               const std::string& path, Attributes& attributes);

/// The Status for an errno of the xattr functions.
[[nodiscard]] Status xattr_error(int error, std::string path);

} // namespace osync::source
