// Asks the kernel which watches an inotify descriptor really has, by reading /proc/self/fdinfo (proc(5)).
//
// Needed after an overflow only: the records that say that a watch has ended may be among the lost ones.
// Costs some microseconds and 130 bytes of the kernel's memory a watch while it runs. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "osync/status.h"

namespace osync::inotify {

/// Takes the watch descriptors out of the text of a fdinfo file, given in pieces of any length. Pure.
class FdinfoParser {
 public:
  /// Throws std::bad_alloc.
  void feed(std::string_view text);
  /// Lines "inotify wd:HEX ..." seen so far, complete ones only.
  [[nodiscard]] std::vector<std::int32_t>& descriptors() noexcept { return descriptors_; }

 private:
  void take_line();
  std::string line_; ///< the beginning of the present line, as much of it as matters
  std::vector<std::int32_t> descriptors_;
};

/// The watch descriptors that live in `inotify_fd`, ascending. Errors: what opening or reading says;
/// unsupported where the file tells of no watch (a kernel without fdinfo for inotify).
Result<std::vector<std::int32_t>> kernel_watches(int inotify_fd);

} // namespace osync::inotify
