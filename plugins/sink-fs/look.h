// What the replica has: single entries, whole listings, counts. Changes nothing (but the mode of directories
// that an unprivileged process may not enter, for as long as it looks). Threads: any.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "directory_access.h"
#include "errors.h"
#include "osync/sink.h"

namespace osync::sink_fs {

class Look {
 public:
  Look(const Tree& tree, const DirectoryAccess& access) : tree_(tree), access_(access) {}

  /// Sink::inspect.
  Status inspect(const std::string& directory, const std::vector<InspectItem>& items,
                 std::vector<InspectedEntry>& entries) const;
  /// Sink::list. `case_sensitive` decides what counts as `.osync`.
  Status list(const std::string& directory, bool case_sensitive,
              const std::function<bool(const ListedName&)>& visit) const;
  /// Sink::count. Holds one path for each directory found and not yet entered.
  Status count(const std::string& directory, const std::string& name, std::uint64_t bound,
               std::uint64_t& entries) const;

 private:
  Status inspect_one(int directory, const EntryPath& path, bool want_digest, InspectedEntry& entry) const;
  Status read_content(int directory, const EntryPath& path, InspectedEntry& entry) const;
  Status read_xattrs(int directory, const EntryPath& path, InspectedEntry& entry) const;
  Status count_directory(const std::string& path, std::uint64_t bound, std::uint64_t& entries,
                         std::vector<std::string>& open_paths) const;

  const Tree& tree_;
  const DirectoryAccess& access_;
};

} // namespace osync::sink_fs
