// Copying a file with its holes. Threads: any.
#pragma once

#include <cstdint>

namespace osync::sink_fs {

/// Makes `to` (empty) equal to the first `size` bytes of `from`; holes stay holes. 0 or an errno.
[[nodiscard]] int copy_sparse(int from, int to, std::uint64_t size) noexcept;

} // namespace osync::sink_fs
