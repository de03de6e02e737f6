// A pipeline as configured: plain values with all defaults filled in, options of plugins still as text with
// their places. Made from a pipeline file (pipeline_file.h) or from the two paths of `osync mirror`
// (mirror.h). Durations are nanoseconds, sizes bytes, rates bytes a second.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/mistakes.h"
#include "engine/rules.h"

namespace osync::config {

inline constexpr std::int64_t second = 1'000'000'000;
inline constexpr std::int64_t mebibyte = 1 << 20;
inline constexpr const char* default_policy = "policy-live-first";
inline constexpr const char* default_transport = "transport-zmq";
inline constexpr const char* default_sink = "sink-fs";
inline constexpr const char* automatic = "auto"; ///< of watchers: the best that is installed and works here
inline constexpr const char* no_fallback = "none";
inline constexpr const char* shorthand_replica = "replica"; ///< the name where the file gives none

struct RawOption {
  std::string name;
  Scalar value; ///< its key is the full one
};

/// One stage instance: a plugin and its options.
struct Stage {
  std::string key;                ///< where it stands, for example "replicas.mirror1.sink"
  Place place;                    ///< of that key, or of what surrounds it where it is left out
  Scalar plugin;                  ///< as written, or the default's name with the stage's place
  std::vector<RawOption> options; ///< each name once
};

struct Watcher : Stage {
  std::string fallback = no_fallback; ///< a plugin's name, or no_fallback
};

struct Transport : Stage {
  std::optional<Scalar> listen;  ///< the source's endpoint
  std::optional<Scalar> connect; ///< the sink's
  bool insecure = false;
};

struct Delete {
  /// Nothing where it is not written: own and fresh replicas delete what the source lacks, adopted ones keep
  /// it.
  std::optional<bool> extra;
  bool excluded = false;
  std::int64_t hold_percent = 1;
  std::int64_t hold_entries = 1000;
};

enum class Owners : std::uint8_t { numeric, none };
enum class Xattrs : std::uint8_t { all, user, none };

struct ReplicaAttributes {
  Owners owners = Owners::numeric;
  bool devices = true;
  bool setuid = true;
  Xattrs xattrs = Xattrs::all;
};

struct Replica {
  Transport transport;
  Stage sink;
  Delete deletion;
  ReplicaAttributes attributes;
  std::int64_t durability_interval = 5 * second;
  std::int64_t bandwidth = 0; ///< 0: unlimited
  std::string control_socket; ///< empty: below the runtime directory
  Place control_place;
  bool adopt = false;     ///< only from the command line
  bool take_over = false; ///< only from the command line
};

struct Source {
  std::string root;
  Place root_place;
  bool one_file_system = true;
  std::vector<engine::Rules::Rule> rules; ///< each one is valid
  std::int64_t memory = 64 * mebibyte;
  std::int64_t verify_every = 24 * 3600 * second; ///< 0: never
  std::string control_socket;                     ///< empty: below the runtime directory
  Place control_place;
};

struct Pipeline {
  std::string origin; ///< the file, or for example "mirror": what messages begin with
  std::int64_t version = 1;
  std::string name;
  Source source;
  Watcher watcher;
  Stage policy;
  std::map<std::string, Replica> replicas;
  std::int64_t stop_timeout = 30 * second;
  std::vector<std::string> plugin_path; ///< absolute directories
};

/// The plugins that a watcher stage may end up with, the preferred one first: those that `auto` stands for,
/// or the one that is named.
[[nodiscard]] std::vector<std::string> watcher_plugins(const Watcher& watcher);

} // namespace osync::config
