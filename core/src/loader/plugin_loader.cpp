#include "loader/plugin_loader.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/stat.h>

#include <boost/dll/shared_library.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include "loader/descriptor_check.h"
#include "loader/shared_object.h"

namespace osync::loader {
namespace {

namespace fs = std::filesystem;

/// Every library that this process has loaded as a plugin, by its path. Never destroyed, so that code and
/// static data of plugins stay valid until the last thread is gone.
struct Libraries {
  std::mutex mutex;
  std::map<std::string, boost::dll::shared_library> by_file;
};

Libraries& libraries() {
  static Libraries* const instance = new Libraries;
  return *instance;
}

/// The descriptor's address in a library, and how many bytes the library says are there. Null: it exports
/// none itself (dlsym also finds symbols of libraries that it depends on, which are not its own).
std::pair<const PluginDescriptor*, std::size_t>
exported_descriptor(const boost::dll::shared_library& library) {
  if (!library.has(OSYNC_PLUGIN_SYMBOL)) return {};
  const auto* const address = &library.get<const PluginDescriptor>(OSYNC_PLUGIN_SYMBOL);
  Dl_info info{};
  void* extra = nullptr;
  link_map* own = nullptr;
  if (dladdr1(address, &info, &extra, RTLD_DL_SYMENT) == 0 || extra == nullptr) return {};
  if (dlinfo(library.native(), RTLD_DI_LINKMAP, &own) != 0 || own == nullptr) return {};
  link_map* owner = nullptr;
  if (void* map = nullptr; dladdr1(address, &info, &map, RTLD_DL_LINKMAP) != 0)
    owner = static_cast<link_map*>(map);
  if (owner != own) return {};
  return {address, static_cast<const ElfW(Sym)*>(extra)->st_size};
}

bool valid_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos;
}

bool exists(const std::string& file) {
  struct stat found {};
  // Any other error than absence is one to tell about, so the file counts as there.
  return lstat(file.c_str(), &found) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/// The plugin names in a directory, sorted; none where it cannot be read.
std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const fs::path& path = entry->path();
    if (path.extension() == ".so" && valid_name(path.stem().string())) names.push_back(path.stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void add_directory(std::vector<std::string>& directories, const fs::path& directory) {
  std::error_code error;
  const fs::path absolute = fs::absolute(directory, error);
  if (error || directory.empty()) return; // fs::absolute fails only where there is no current directory
  std::string text = absolute.string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  if (std::find(directories.begin(), directories.end(), text) == directories.end())
    directories.push_back(text);
}

} // namespace

PluginLoader::PluginLoader(std::vector<std::string> directories, bool root_only)
    : directories_(std::move(directories)), root_only_(root_only) {}

std::vector<std::string> PluginLoader::search_path(const std::vector<std::string>& configured) {
  std::vector<std::string> directories;
  std::error_code error;
  if (const fs::path executable = fs::read_symlink("/proc/self/exe", error); !error)
    for (const char* place : {"plugins", OSYNC_PLUGINS_FROM_EXECUTABLE})
      add_directory(directories, (executable.parent_path() / place).lexically_normal());
  add_directory(directories, OSYNC_INSTALLED_PLUGINS);
  for (const std::string& directory : configured) add_directory(directories, directory);
  const char* const variable = secure_getenv("OSYNC_PLUGIN_PATH");
  for (std::string_view rest = variable == nullptr ? "" : variable; !rest.empty();) {
    const std::size_t colon = rest.find(':');
    add_directory(directories, std::string(rest.substr(0, colon)));
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
  return directories;
}

Result<LoadedPlugin> PluginLoader::load(const std::string& file) const {
  std::string resolved = file;
  if (root_only_)
    if (Status status = check_root_only(file, resolved); !status.ok()) return status;
  if (Status status = check_shared_object(resolved); !status.ok()) return status;
  Libraries& loaded = libraries();
  const std::lock_guard lock(loaded.mutex);
  boost::dll::shared_library& library = loaded.by_file[resolved];
  try {
    if (!library.is_loaded())
      library.load(resolved, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    const auto [descriptor, bytes] = exported_descriptor(library);
    if (descriptor == nullptr)
      return Status(Code::corrupt,
                    "found a shared object without the symbol " OSYNC_PLUGIN_SYMBOL ", expected a plugin: "
                    "export a descriptor with OSYNC_PLUGIN_EXPORT (osync/plugin.h)",
                    file);
    // The name is checked against the file as it was searched for, whatever a symlink leads to.
    if (Status status = check_descriptor(descriptor, bytes, file); !status.ok()) return status;
    return LoadedPlugin{descriptor, file};
  } catch (const std::exception& error) {
    // The error's code says "bad file descriptor" whatever happened; only its text holds what dlopen(3) said.
    return Status(Code::corrupt,
                  std::string("found what the dynamic linker does not load, expected a plugin built for "
                              "this machine: ") +
                      error.what(),
                  file);
  }
}

Result<LoadedPlugin> PluginLoader::find(const std::string& name, std::optional<PluginKind> kind) const {
  if (!valid_name(name))
    return Status(Code::invalid,
                  "found the name \"" + name + "\", expected lower-case letters, digits, - and _");
  for (const std::string& directory : directories_) {
    const std::string file = directory + "/" + name + ".so";
    if (!exists(file)) continue;
    Result<LoadedPlugin> plugin = load(file);
    // A dangling symlink: there is something of that name, so it is a refusal and not an absence.
    if (!plugin.ok() && plugin.status().code() == Code::not_found)
      return Status(Code::invalid, std::string(plugin.status().message()),
                    std::string(plugin.status().path()));
    if (plugin.ok() && kind && plugin->descriptor->kind != *kind)
      return Status(Code::invalid,
                    std::string("found a ") + kind_name(plugin->descriptor->kind) + ", expected a " +
                        kind_name(*kind) + ": name a plugin of that kind (osync plugins lists them)",
                    file);
    return plugin;
  }
  std::string message = "no plugin of that name; searched ";
  for (const std::string& directory : directories_)
    message += (&directory == &directories_.front() ? "" : ", ") + directory;
  return Status(Code::not_found, std::move(message));
}

std::vector<FoundPlugin> PluginLoader::list() const {
  std::vector<FoundPlugin> plugins;
  std::set<std::string> seen;
  for (const std::string& directory : directories_)
    for (const std::string& name : names_in(directory)) {
      const std::string file = directory + "/" + name + ".so";
      plugins.push_back({name, file, load(file), !seen.insert(name).second});
    }
  return plugins;
}

std::vector<std::string> PluginLoader::names() const {
  std::set<std::string> all;
  for (const std::string& directory : directories_)
    for (const std::string& name : names_in(directory)) all.insert(name);
  return {all.begin(), all.end()};
}

} // namespace osync::loader
