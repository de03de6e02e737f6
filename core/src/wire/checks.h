// What must hold of values that come from a peer, protobuf aside: one function a kind of value. All errors
// are Code::corrupt and say what was found and what is allowed; the caller adds where (within()).
// Thread-safety: stateless. Bounds: those of codec.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/messages.h"
#include "osync/operation.h"
#include "osync/status.h"
#include "osync/types.h"

namespace osync::wire {

/// `status` with the place put before its message.
[[nodiscard]] Status within(const std::string& place, const Status& status);

/// "WHAT: SIZE bytes, at most BOUND" where `size` is beyond it; likewise for counts.
[[nodiscard]] Status check_length(const char* what, std::size_t size, std::size_t bound);
[[nodiscard]] Status check_count(const char* what, std::size_t count, std::size_t bound);

[[nodiscard]] Status check_name(std::string_view name);
[[nodiscard]] Status check_path(const char* what, std::string_view path);

/// A name of a pipeline or replica: bounded, without control characters.
[[nodiscard]] Status check_label(const char* what, std::string_view label);

[[nodiscard]] Status check_attributes(const osync::Attributes& attributes);

/// `payload_bytes`: of the group's payload.
[[nodiscard]] Status check_operation(const osync::Operation& operation, std::size_t payload_bytes);

[[nodiscard]] Status check_listed_entry(const engine::ListedEntry& entry);

[[nodiscard]] Status check_acknowledge(const engine::Acknowledge& acknowledge);

} // namespace osync::wire
