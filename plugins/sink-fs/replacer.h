// Giving a name of one directory to something new, or to nothing: what is there before is replaced in one
// step that readers see before or after, and then deleted, moved to limbo, or kept where `keep_replaced` is
// set. Threads: one object in one thread.
#pragma once

#include <cstdint>
#include <string>

#include "errors.h"
#include "limbo.h"
#include "mounts.h"
#include "osync/logger.h"
#include "osync/status.h"
#include "osync/types.h"
#include "private_area.h"

namespace osync::sink_fs {

class Replacer {
 public:
  struct Services {
    const Tree& tree;
    PrivateArea& area;
    Limbo& limbo;
    Mounts& mounts;
    Logger& logger;
    const Privileges& privileges;
    bool keep_replaced;
  };
  /// The entries of the directory open at `directory`, whose relative path is `path`; both outlive this.
  Replacer(const Services& services, int directory, const std::string& path)
      : services_(services), directory_(directory), path_(path) {}

  /// Moves `temporary` of the directory `place` (of type `type`) to `name`. On success the temporary is gone.
  /// sys_errno EXDEV: nothing was done, make the temporary beside its target. conflict: a mount point is in
  /// the way.
  Status publish(int place, const char* temporary, const char* name, FileType type);

  /// Nothing has `name` afterwards. `changed` says whether anything had. A directory is put aside under `number` (limbo.h)
  /// where that is not 0 and it can be.
  Status remove(const char* name, bool& changed, std::uint64_t number = 0);

  /// As remove(), for something that could not be made: where `keep_replaced` is set, what was there is kept.
  Status make_room(const char* name);

 private:
  Status displace(int place, const char* temporary, const char* name, FileType type);
  Status displace_in_two_steps(int place, const char* temporary, const char* name, FileType old_type);
  Status dispose(int place, const char* temporary, const char* name, FileType old_type);
  Status remove_directory(const char* name, std::uint64_t number);
  Status refuse_mounts(const char* name);
  [[nodiscard]] int keep(int place, const char* temporary, const char* name);
  [[nodiscard]] Status failed(int error, std::string_view what, const char* name) const;

  const Services& services_;
  int directory_;
  const std::string& path_;
};

} // namespace osync::sink_fs
