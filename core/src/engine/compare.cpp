#include "engine/compare.h"

#include <array>
#include <functional>
#include <string>

namespace osync::engine {
namespace {

constexpr std::uint32_t second_ns = 1'000'000'000;
constexpr std::uint32_t privileged_bits = 06000; ///< set-uid and set-gid

bool is_device(FileType type) noexcept {
  return type == FileType::character_device || type == FileType::block_device;
}

std::int64_t floor_to(std::int64_t value, std::int64_t step) noexcept {
  const std::int64_t remainder = value % step;
  return value - remainder - (remainder < 0 ? step : 0);
}

/// As a file system keeps it that stores times in multiples of `granularity` nanoseconds, rounded down.
Timestamp reduced(Timestamp time, std::uint32_t granularity) noexcept {
  if (granularity <= 1) return time;
  if (granularity < second_ns) {
    time.nanoseconds -= time.nanoseconds % granularity;
    return time;
  }
  return {floor_to(time.seconds, granularity / second_ns), 0};
}

/// Set-uid and set-gid bits of a program mean its owner's rights; a sink that cannot keep owners drops them.
std::uint32_t kept_mode(const Attributes& attributes, const SinkCapabilities& capabilities) noexcept {
  const bool kept = capabilities.owners || attributes.type == FileType::directory;
  return kept ? attributes.mode : attributes.mode & ~privileged_bits;
}

bool keeps_xattr(std::string_view name, const SinkCapabilities& capabilities) noexcept {
  if (!capabilities.xattrs) return false;
  return capabilities.privileged_xattrs || !(name.starts_with("trusted.") || name.starts_with("security."));
}

/// Whether the extended attributes that the sink keeps are the same; both lists are sorted by name.
bool same_xattrs(const std::vector<Xattr>& left, const std::vector<Xattr>& right,
                 const SinkCapabilities& capabilities) noexcept {
  auto l = left.begin();
  auto r = right.begin();
  while (true) {
    while (l != left.end() && !keeps_xattr(l->name, capabilities)) ++l;
    while (r != right.end() && !keeps_xattr(r->name, capabilities)) ++r;
    if (l == left.end() || r == right.end()) return l == left.end() && r == right.end();
    if (*l != *r) return false;
    ++l, ++r;
  }
}

Difference compare_nature(const ListedEntry& listed, const InspectedEntry& found) noexcept {
  const Attributes& source = listed.attributes;
  const Attributes& replica = found.attributes;
  if (source.type != replica.type || source.type == FileType::unknown) return Difference::type;
  if (is_device(source.type) &&
      (source.device_major != replica.device_major || source.device_minor != replica.device_minor))
    return Difference::device;
  if (source.type == FileType::symlink && listed.target != found.target) return Difference::target;
  if (source.type == FileType::regular && source.size != replica.size) return Difference::size;
  return Difference::none;
}

bool same_owner(std::uint32_t source, std::uint32_t replica) noexcept {
  return source == keep_owner || source == replica;
}

Difference compare_attributes(const Attributes& source, const Attributes& replica,
                              const SinkCapabilities& capabilities, bool directory_times) noexcept {
  const std::uint32_t granularity = capabilities.time_granularity_ns;
  if ((source.type != FileType::directory || directory_times) &&
      reduced(source.mtime, granularity) != reduced(replica.mtime, granularity))
    return Difference::mtime;
  if (source.type != FileType::symlink && kept_mode(source, capabilities) != kept_mode(replica, capabilities))
    return Difference::mode;
  if (capabilities.owners && !(same_owner(source.uid, replica.uid) && same_owner(source.gid, replica.gid)))
    return Difference::owner;
  return Difference::none;
}

Difference compare_content(const ListedEntry& listed, const InspectedEntry& found,
                           const CompareContext& context) {
  const bool regular = listed.attributes.type == FileType::regular;
  if (!listed.has_digest) {
    // Only the blocks of regular files are written apart from the journal; the rest is there or not there.
    const bool suspect = regular && context.suspect_since && found.attributes.ctime >= *context.suspect_since;
    return suspect ? Difference::suspect : Difference::none;
  }
  if (regular && listed.digest != found.digest) return Difference::content;
  if (listed.attributes.has_xattrs && context.capabilities.xattrs &&
      (!found.attributes.has_xattrs ||
       !same_xattrs(listed.attributes.xattrs, found.attributes.xattrs, context.capabilities)))
    return Difference::xattrs;
  return Difference::none;
}

Difference compare_links(std::string_view directory, const ListedEntry& listed, const InspectedEntry& found,
                         const CompareContext& context, LinkMap& links) {
  if (!context.capabilities.hard_links || listed.attributes.type == FileType::directory)
    return Difference::none;
  const Attributes& source = listed.attributes;
  const Attributes& replica = found.attributes;
  if (source.links > 1 && source.inode != 0)
    return links.relate(source.inode, replica.inode) == LinkMap::Verdict::fits ? Difference::none
                                                                               : Difference::links;
  if (replica.links <= 1) return Difference::none;
  // The path stands for the file; the high bit keeps such keys apart from inode numbers.
  const std::size_t hash =
      std::hash<std::string_view>{}(directory)*31 + std::hash<std::string>{}(listed.name);
  const std::uint64_t key = hash | (std::uint64_t{1} << 63);
  return links.relate_single(key, replica.inode) == LinkMap::Verdict::contradicts ? Difference::links
                                                                                  : Difference::none;
}

} // namespace

std::string_view difference_name(Difference difference) noexcept {
  constexpr std::array<std::string_view, 14> names = {"none",    "absent", "unreadable", "type", "device",
                                                      "target",  "size",   "mtime",      "mode", "owner",
                                                      "content", "xattrs", "suspect",    "links"};
  const auto index = static_cast<std::size_t>(difference);
  return index < names.size() ? names[index] : "unknown";
}

LinkMap::Verdict LinkMap::relate(std::uint64_t source_inode, std::uint64_t replica_inode) {
  const auto forward = to_replica_.find(source_inode);
  const auto backward = to_source_.find(replica_inode);
  const bool known_source = forward != to_replica_.end();
  const bool known_replica = backward != to_source_.end();
  if (known_source && forward->second == replica_inode && known_replica && backward->second == source_inode)
    return Verdict::fits;
  const bool contradicts = (known_source && forward->second != replica_inode) ||
                           (known_replica && backward->second != source_inode);
  if (size() + 2 > bound_ && !(known_source && known_replica))
    return contradicts ? Verdict::contradicts : Verdict::full;
  to_replica_[source_inode] = replica_inode;
  to_source_[replica_inode] = source_inode;
  return contradicts ? Verdict::contradicts : Verdict::fits;
}

LinkMap::Verdict LinkMap::relate_single(std::uint64_t key, std::uint64_t replica_inode) {
  const auto backward = to_source_.find(replica_inode);
  if (backward != to_source_.end()) {
    if (backward->second == key) return Verdict::fits;
    backward->second = key;
    return Verdict::contradicts;
  }
  if (size() + 1 > bound_ / 2) return Verdict::full;
  to_source_.emplace(replica_inode, key);
  return Verdict::fits;
}

void LinkMap::clear() {
  to_replica_.clear();
  to_source_.clear();
}

Difference compare(std::string_view directory, const ListedEntry& listed, const InspectedEntry& found,
                   const CompareContext& context, LinkMap& links) {
  if (found.status.code() == Code::not_found) {
    // A sink that cannot make device nodes has, without this one, all that it would have after being sent it.
    const bool kept_out = is_device(listed.attributes.type) && !context.capabilities.devices;
    return kept_out ? Difference::none : Difference::absent;
  }
  if (!found.status.ok()) return Difference::unreadable;
  Difference difference = compare_nature(listed, found);
  if (difference == Difference::none)
    difference = compare_attributes(listed.attributes, found.attributes, context.capabilities, context.directory_times);
  if (difference == Difference::none) difference = compare_content(listed, found, context);
  if (difference == Difference::none) difference = compare_links(directory, listed, found, context, links);
  return difference;
}

} // namespace osync::engine
