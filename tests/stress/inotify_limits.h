// The kernel's inotify limits, lowered for a while. They hold for the whole host: whoever lowers one waits
// for others of this kind, keeps it short, and it is put back whatever happens to this process.
#pragma once

#include "support/descriptor.h"

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace osync::stress {

class LoweredLimit {
 public:
  /// `name`: a file below /proc/sys/fs/inotify. Waits for its turn. Throws std::system_error (needs root).
  LoweredLimit(const std::string& name, std::uint64_t value);
  /// Puts the old value back.
  ~LoweredLimit();
  LoweredLimit(const LoweredLimit&) = delete;
  LoweredLimit& operator=(const LoweredLimit&) = delete;

 private:
  test::Descriptor turn_; // locked while lowered
  test::Descriptor pipe_; // closed when we end, in whatever way: then the child restores
  pid_t child_ = -1;
};

/// Keeps the limit from being lowered by others of this kind while the result lives. Waits until nobody has
/// it lowered.
[[nodiscard]] test::Descriptor keep_limit(const std::string& name);

/// inotify watches that all processes of this host have now.
[[nodiscard]] std::uint64_t watches_in_use();

} // namespace osync::stress
