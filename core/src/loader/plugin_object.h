// Owns one object made by a plugin and ends it through the same plugin.
// Thread-safety: as any unique owner; which threads may call the object says its interface.
#pragma once

#include <string>
#include <utility>

#include "osync/plugin.h"
#include "osync/status.h"

namespace osync {
class Watcher;
class Policy;
class Transport;
class Sink;
} // namespace osync

namespace osync::loader {

template <class Interface>
inline constexpr PluginKind kind_of = PluginKind{};
template <>
inline constexpr PluginKind kind_of<Watcher> = PluginKind::watcher;
template <>
inline constexpr PluginKind kind_of<Policy> = PluginKind::policy;
template <>
inline constexpr PluginKind kind_of<Transport> = PluginKind::transport;
template <>
inline constexpr PluginKind kind_of<Sink> = PluginKind::sink;

template <class Interface>
class PluginObject {
 public:
  PluginObject() noexcept = default;
  PluginObject(PluginObject&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, nullptr)),
        object_(std::exchange(other.object_, nullptr)) {}
  PluginObject& operator=(PluginObject&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(object_, other.object_);
    return *this;
  }
  ~PluginObject() { reset(); }

  /// An object of the plugin behind `descriptor`, which the loader has checked. The logger in `context`
  /// outlives it. Errors: those of the plugin, and internal for a plugin of another kind or one that made
  /// nothing.
  static Result<PluginObject> create(const PluginDescriptor& descriptor, const PluginContext& context) {
    if (descriptor.kind != kind_of<Interface>)
      return Status(Code::internal,
                    std::string("asked the plugin ") + descriptor.name + " for an object of another kind");
    PluginObject made;
    void* object = nullptr;
    if (Status status = descriptor.create(context, &object); !status.ok()) return status;
    if (object == nullptr)
      return Status(Code::internal,
                    std::string("the plugin ") + descriptor.name + " reported success and made nothing");
    made.descriptor_ = &descriptor;
    made.object_ = static_cast<Interface*>(object);
    return made;
  }

  /// Ends the object now. No call on it may be in progress.
  void reset() noexcept {
    if (object_ != nullptr) descriptor_->destroy(std::exchange(object_, nullptr));
  }

  [[nodiscard]] Interface* get() const noexcept { return object_; }
  [[nodiscard]] Interface* operator->() const noexcept { return object_; }
  [[nodiscard]] Interface& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  const PluginDescriptor* descriptor_ = nullptr;
  Interface* object_ = nullptr;
};

} // namespace osync::loader
