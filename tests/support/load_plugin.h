// Loads a built plugin the way tests need it: by name from the build tree, with the defaults of its own
// option table filled in, without the checks that the real loader makes (those are the loader's tests).
// Threads: construct and destroy in one thread; the plugin's interface says what may be called from others.
#pragma once

#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "osync/logger.h"
#include "osync/plugin.h"

namespace osync {
class Watcher;
class Policy;
class Transport;
class Sink;
} // namespace osync

namespace osync::test {

/// Keeps every line that a plugin logs. Any thread.
class RecordingLogger : public Logger {
 public:
  struct Line {
    LogLevel level;
    std::string message;
  };
  void log(LogLevel level, std::string_view message) noexcept override {
    const std::lock_guard lock(mutex_);
    lines_.push_back({level, std::string(message)});
  }
  [[nodiscard]] bool enabled(LogLevel) const noexcept override { return true; }
  /// How many lines of at least `level` contain `text`.
  [[nodiscard]] std::size_t count(std::string_view text, LogLevel level = LogLevel::trace) const {
    const std::lock_guard lock(mutex_);
    std::size_t found = 0;
    for (const Line& line : lines_)
      if (line.level >= level && line.message.find(text) != std::string::npos) ++found;
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Line> lines_;
};

/// `given` with the defaults of `descriptor`'s option table for whatever is left out. Throws
/// std::runtime_error for a required option that is missing, or a default that does not parse.
OptionValues with_defaults(const PluginDescriptor& descriptor, OptionValues given);

/// The descriptor of the shared object binary_directory()/plugins/NAME.so, which stays loaded for good. Throws
/// std::runtime_error when it is not there, exports no descriptor or is of another kind.
const PluginDescriptor& plugin_descriptor(const std::string& name, PluginKind kind);

/// The kind that an interface's plugins have.
template <class Interface>
struct PluginKindOf;
template <>
struct PluginKindOf<Watcher> {
  static constexpr PluginKind value = PluginKind::watcher;
};
template <>
struct PluginKindOf<Policy> {
  static constexpr PluginKind value = PluginKind::policy;
};
template <>
struct PluginKindOf<Transport> {
  static constexpr PluginKind value = PluginKind::transport;
};
template <>
struct PluginKindOf<Sink> {
  static constexpr PluginKind value = PluginKind::sink;
};

/// One object of a plugin: `LoadedPlugin<Sink> sink("sink-fs", {{"root", path}}); sink->open(...)`.
template <class Interface>
class LoadedPlugin {
 public:
  /// Throws std::runtime_error with the reason when the plugin cannot be loaded or refuses to make an object.
  explicit LoadedPlugin(const std::string& name, OptionValues options = {})
      : descriptor_(plugin_descriptor(name, PluginKindOf<Interface>::value)),
        options_(with_defaults(descriptor_, std::move(options))) {
    const PluginContext context{&logger_, &options_, "test"};
    void* object = nullptr;
    if (const Status status = descriptor_.create(context, &object); !status.ok())
      throw std::runtime_error(name + ": " + status.to_string());
    object_ = static_cast<Interface*>(object);
  }
  ~LoadedPlugin() { descriptor_.destroy(object_); }
  LoadedPlugin(const LoadedPlugin&) = delete;
  LoadedPlugin& operator=(const LoadedPlugin&) = delete;

  [[nodiscard]] Interface& operator*() noexcept { return *object_; }
  [[nodiscard]] Interface* operator->() noexcept { return object_; }
  [[nodiscard]] const RecordingLogger& log() const noexcept { return logger_; }
  [[nodiscard]] const PluginDescriptor& descriptor() const noexcept { return descriptor_; }

 private:
  const PluginDescriptor& descriptor_;
  RecordingLogger logger_;
  OptionValues options_;
  Interface* object_ = nullptr;
};

} // namespace osync::test
