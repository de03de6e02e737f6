// The comparison of what a source listed with what a replica has: equal, or different and why.
//
// What the replica cannot keep is left out of the comparison (RULES.md 14): attributes are compared as the
// sink would have stored them, else the same entries would be sent for ever. Pure; a LinkMap has one user at
// a time. Bounds: LinkMap holds at most the number of pairs it was made for.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "engine/difference.h"
#include "engine/source_jobs.h"
#include "osync/sink.h"
#include "osync/types.h"

namespace osync::engine {

/// Which file of the source is which file of the replica, by inode, as far as files with several names were
/// compared in this session. The mapping has to be one to one. A pair that does not fit takes the place of
/// the one it does not fit to, so that a mapping which has become old (a file was replaced since) costs one
/// needless transfer only.
class LinkMap {
 public:
  explicit LinkMap(std::size_t bound) : bound_(bound) {}

  enum class Verdict : std::uint8_t { fits, contradicts, full };

  /// For a name of a file that has several names on the source.
  Verdict relate(std::uint64_t source_inode, std::uint64_t replica_inode);
  /// For a file that has one name on the source and several on the replica: right as long as the others are
  /// outside the root (snapshots made of hard links). `key` stands for the source's file. Uses half of the
  /// bound at most.
  Verdict relate_single(std::uint64_t key, std::uint64_t replica_inode);

  void clear();
  [[nodiscard]] std::size_t size() const noexcept { return to_replica_.size() + to_source_.size(); }

 private:
  std::size_t bound_;
  std::unordered_map<std::uint64_t, std::uint64_t> to_replica_;
  std::unordered_map<std::uint64_t, std::uint64_t> to_source_;
};

struct CompareContext {
  SinkCapabilities capabilities;
  std::optional<Timestamp> suspect_since; ///< ReplicaState::suspect_since
  bool directory_times = false;           ///< of `osync verify`; else a directory's own group sets its time
};

/// Compares entry `listed` of `directory` with what inspect() said about it. Never called for mount entries,
/// which are neither compared nor wanted. Not compared: size of directories, and their mtime unless asked for (their own group sets
/// the time), mode of symlinks (it has no meaning, symlink(7)), content and extended attributes where the
/// listing has no digest.
[[nodiscard]] Difference compare(std::string_view directory, const ListedEntry& listed,
                                 const InspectedEntry& found, const CompareContext& context, LinkMap& links);

} // namespace osync::engine
