// Finds plugins by name, loads them, and refuses those that do not fit.
//
// A plugin is the file NAME.so in one of the directories of the search path; the first one that exists
// counts, also when it is refused. Loaded files stay loaded until the process ends, refused ones too:
// dlclose(3) unloads or not by chance. A privileged process loads only files that root alone can write
// (trust.h). Thread-safety: any thread; loading is serialised within the process.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "loader/trust.h"
#include "osync/plugin.h"
#include "osync/status.h"

namespace osync::loader {

struct LoadedPlugin {
  const PluginDescriptor* descriptor = nullptr; ///< valid for the process's life
  std::string file;
};

/// One file of the search path, for `osync plugins`.
struct FoundPlugin {
  std::string name; ///< from the file's name
  std::string file;
  Result<LoadedPlugin> plugin; ///< or why it is refused
  bool shadowed = false;       ///< an earlier directory has one of the same name, which counts instead
};

class PluginLoader {
 public:
  /// Searches `directories` in order. `root_only`: whether to load only what root alone can write.
  explicit PluginLoader(std::vector<std::string> directories, bool root_only = process_is_privileged());

  /// The directories where this process looks: `plugins` beside the executable, those of the prefix in which it
  /// is installed (../lib/osync/plugins, seen from the executable), those of the prefix it was configured for,
  /// `configured` (`plugin_path:` of the pipeline), and those of OSYNC_PLUGIN_PATH, separated by colons (ignored
  /// where the process runs with more rights than its user, secure_getenv(3)). Absolute, each once.
  [[nodiscard]] static std::vector<std::string> search_path(const std::vector<std::string>& configured = {});

  /// The plugin `name`; with `kind`, one of another kind is refused. Errors: not_found, with where it was
  /// searched; denied (trust.h); corrupt, unsupported or invalid, each with the file, what was found, what is
  /// expected and what to do.
  [[nodiscard]] Result<LoadedPlugin> find(const std::string& name,
                                          std::optional<PluginKind> kind = std::nullopt) const;

  /// All plugins of the search path, loaded, sorted by name within each directory. A directory that cannot be
  /// read is left out.
  [[nodiscard]] std::vector<FoundPlugin> list() const;

  /// The names of the files that find() would consider, sorted; nothing is loaded.
  [[nodiscard]] std::vector<std::string> names() const;

  [[nodiscard]] const std::vector<std::string>& directories() const noexcept { return directories_; }

 private:
  [[nodiscard]] Result<LoadedPlugin> load(const std::string& file) const;

  std::vector<std::string> directories_;
  bool root_only_;
};

} // namespace osync::loader
