#include <malloc.h>

#include "cli/application.h"

namespace {

/// Payload buffers of up to 1 MiB come and go in several threads. By default glibc gives each back to the kernel and
/// gets it again as pages that have to be cleared: a fifth of the work of receiving a large file. What is kept is
/// bounded by what was in use at one time, which the window and the read-ahead bound (mallopt(3)).
void keep_freed_buffers() {
  constexpr int largest_buffer = 8 << 20;
  constexpr int kept_at_most = 32 << 20; ///< at the end of each arena
  mallopt(M_MMAP_THRESHOLD, largest_buffer);
  mallopt(M_TRIM_THRESHOLD, kept_at_most);
}

} // namespace

int main(int argument_count, char** arguments) {
  keep_freed_buffers();
  return osync::cli::run_application(argument_count, arguments);
}
