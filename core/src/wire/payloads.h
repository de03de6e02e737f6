// Payload parts of a frame: where each group's payload lies. Small payloads share parts, at the front; each
// larger one is a part of its own and is not copied. Thread-safety: plain objects, one thread each. Bounds:
// max_merged_bytes a shared part; the rest is the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "osync/status.h"
#include "osync/types.h"

namespace osync::wire {

/// Where a payload lies in a message.
struct PayloadPlace {
  std::uint32_t part = 0; ///< 1 is the first; 0: there is no payload
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
};

/// Puts payloads into parts. `places` has one element for each of `payloads`, in order.
struct PackedPayloads {
  std::vector<Buffer> parts;
  std::vector<PayloadPlace> places;
};
[[nodiscard]] PackedPayloads pack_payloads(std::span<const Buffer* const> payloads);

/// Takes payloads out of received parts, in the order of their groups. Payloads must fill each part from its
/// beginning to its end in that order: then none is used twice, and what was received bounds what comes out.
class PayloadReader {
 public:
  /// `parts` must outlive the reader.
  explicit PayloadReader(const std::vector<Buffer>& parts) : parts_(parts), used_(parts.size()) {}

  /// The payload at `place`. Errors: corrupt.
  [[nodiscard]] Result<Buffer> take(const PayloadPlace& place);

  /// Whether all parts were used up. Errors: corrupt.
  [[nodiscard]] Status finish() const;

 private:
  const std::vector<Buffer>& parts_;
  std::vector<std::size_t> used_;
};

} // namespace osync::wire
