// Between engine values and protobuf objects; shared by encode*.cpp and decode*.cpp. Private to this folder:
// the only header besides tests that knows protobuf.
//
// In this namespace an unqualified Attributes, Operation, ... is protobuf's; osync:: and engine:: name the
// values. Thread-safety: free functions without state.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "engine/messages.h"
#include "osync.pb.h"
#include "osync/operation.h"
#include "osync/status.h"
#include "osync/types.h"

namespace osync::wire {

// Values and the schema's enumerations are the same numbers; the first and last of each are enough to see a
// shift.
static_assert(static_cast<int>(osync::Code::internal) == CODE_INTERNAL && Code_MAX == CODE_INTERNAL);
static_assert(static_cast<int>(osync::FileType::regular) == FILE_TYPE_REGULAR);
static_assert(static_cast<int>(osync::FileType::block_device) == FILE_TYPE_BLOCK_DEVICE &&
              FileType_MAX == FILE_TYPE_BLOCK_DEVICE);
static_assert(static_cast<int>(osync::OperationKind::put_file) == OPERATION_PUT_FILE);
static_assert(static_cast<int>(osync::OperationKind::move_directory) == OPERATION_MOVE_DIRECTORY &&
              OperationKind_MAX == OPERATION_MOVE_DIRECTORY);

// ---- to the wire
// ------------------------------------------------------------------------------------------------

/// `parts` receives the message's payload parts.
void put_frame(const engine::Frame& from, Frame& to, std::vector<Buffer>& parts);

// ---- from the wire
// ---------------------------------------------------------------------------------------------- They move
// strings out of the protobuf objects, check all they return, and name in their errors where in the object
// the mistake is.

/// Moves strings out of `from`, checks all it returns, and names in its errors where in the frame the mistake
/// is.
[[nodiscard]] Result<engine::Frame> take_frame(Frame& from, const std::vector<Buffer>& parts);

/// The value's own enumeration of an open protobuf one; false where the number is unknown.
template <class Value, class Wire>
[[nodiscard]] bool take_enum(Wire from, Wire last, Value& to) noexcept {
  const int number = static_cast<int>(from);
  if (number < 0 || number > static_cast<int>(last)) return false;
  to = static_cast<Value>(number);
  return true;
}

} // namespace osync::wire
