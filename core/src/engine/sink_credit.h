// What an item of the stream costs of the window that a sink grants (Ready::window).
//
// Both sides count with it: a source that counted less than its sink would be cut off for sending more than
// it may. The cost is about the memory that the item takes while it waits: its bytes, and something for each
// record. Pure; any thread.
#pragma once

#include <cstdint>

#include "engine/messages.h"

namespace osync::engine {

inline constexpr std::uint64_t cost_of_item = 64;   ///< a group or a listing piece, without its records
inline constexpr std::uint64_t cost_of_record = 64; ///< an operation or a listed entry, without its text

[[nodiscard]] inline std::uint64_t credit_cost(const Attributes& attributes) noexcept {
  std::uint64_t bytes = 0;
  for (const Xattr& xattr : attributes.xattrs) bytes += xattr.name.size() + xattr.value.size();
  return bytes;
}

[[nodiscard]] inline std::uint64_t credit_cost(const OperationGroup& group) noexcept {
  std::uint64_t bytes = cost_of_item + group.directory.size() + group.payload.size();
  if (group.directory_attributes) bytes += credit_cost(*group.directory_attributes);
  for (const Operation& operation : group.operations)
    bytes +=
        cost_of_record + operation.name.size() + operation.target.size() + credit_cost(operation.attributes);
  return bytes;
}

[[nodiscard]] inline std::uint64_t credit_cost(const ListingPiece& piece) noexcept {
  std::uint64_t bytes = cost_of_item + piece.directory.size();
  for (const ListedEntry& entry : piece.entries)
    bytes += cost_of_record + entry.name.size() + entry.target.size() + credit_cost(entry.attributes);
  return bytes;
}

} // namespace osync::engine
