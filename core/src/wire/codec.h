// The wire format: engine messages to transport messages and back (docs/wire-format.md,
// core/proto/osync.proto).
//
// Decoding treats every byte as hostile. What it returns is complete and checked: names by valid_name(),
// paths by valid_relative_path(), every count and length within the bounds below, payload ranges inside their
// parts, and what each kind of operation needs is there. Its memory is bounded before protobuf sees a byte:
// header by max_header_bytes, objects in it by max_object_bytes.
//
// Encoding expects values within the same bounds: the caller packs frames by header_bound() and asks
// can_travel() for what a file system may hold and a message may not. Text for people is cut to its bound. A
// message beyond a bound is refused by its receiver.
//
// Thread-safety: free functions without state, any thread. Bounds: below. May throw std::bad_alloc only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/messages.h"
#include "osync/transport.h"

namespace osync::wire {

inline constexpr std::size_t max_header_bytes = 4u << 20;
inline constexpr std::size_t max_parts = 1024; ///< payload parts in a message
inline constexpr std::size_t max_part_bytes = 4u << 20;
inline constexpr std::size_t max_payload_bytes = 8u << 20; ///< all payload parts of a message together
/// Of the objects nested in a header; their strings may take as much again while a hostile header is decoded.
inline constexpr std::size_t max_object_bytes = 32u << 20;

inline constexpr std::size_t max_items = 4096;      ///< groups and listing pieces in a frame
inline constexpr std::size_t max_operations = 4096; ///< in a group
inline constexpr std::size_t max_entries = 4096;    ///< in a listing piece
inline constexpr std::size_t max_records = 16384;   ///< operations and listed entries in a frame
inline constexpr std::size_t max_wants = 4096;      ///< in a listing answer
inline constexpr std::size_t max_extras = 4096;     ///< in a listing answer
inline constexpr std::size_t max_failures = 1024;   ///< in an acknowledgement

inline constexpr std::size_t max_path_bytes = 64u << 10; ///< may exceed PATH_MAX
inline constexpr std::size_t max_symlink_bytes = 4095;   ///< PATH_MAX without its NUL (symlink(2))
inline constexpr std::size_t max_xattrs = 16384; ///< of one object: more than XATTR_LIST_MAX has room for
inline constexpr std::size_t max_xattr_name_bytes = 255;        ///< XATTR_NAME_MAX (xattr(7))
inline constexpr std::size_t max_xattr_value_bytes = 64u << 10; ///< XATTR_SIZE_MAX
inline constexpr std::size_t max_xattr_bytes = 1u << 20;        ///< names and values of one object together
inline constexpr std::size_t max_label_bytes = 255;             ///< names of pipelines and replicas
inline constexpr std::size_t max_text_bytes = 1024; ///< text for people: longer is cut when it is encoded
inline constexpr std::size_t max_failure_path_bytes =
    1024;                                        ///< likewise; what failed is known by its sequence
inline constexpr std::uint32_t max_errno = 4095; ///< MAX_ERRNO of Linux

/// Payloads smaller than this share a part: a message part costs more than copying so little. (Every part is a send and
/// a receive of its own, and wakes the other side: about 10 us on each, in which 100 KiB are copied.)
inline constexpr std::size_t merge_below_bytes = 128u << 10;
inline constexpr std::size_t max_merged_bytes = 1u << 20; ///< of one shared part

static_assert(max_header_bytes <= TransportLimits{}.header_bytes);
static_assert(max_part_bytes <= TransportLimits{}.payload_bytes);
static_assert(max_parts <= TransportLimits{}.payloads);
// Whatever is decoded can be encoded again: large payloads have a part each, the others fill shared ones.
static_assert(max_payload_bytes / merge_below_bytes + 2 * max_payload_bytes / max_merged_bytes <= max_parts);

/// The message for the peer. Payload buffers are shared with `message`, not copied, but for those below
/// merge_below_bytes of which there are several.
[[nodiscard]] Message encode(const engine::SinkMessage& message);
[[nodiscard]] Message encode(const engine::SourceMessage& message);

/// The message of a sink, or of a source. Payloads share the buffers of `message`. Errors: unsupported
/// (another protocol version; both are named, whatever the message is), corrupt (with what, where, and what
/// was expected).
[[nodiscard]] Result<engine::SinkMessage> decode_sink_message(const Message& message);
[[nodiscard]] Result<engine::SourceMessage> decode_source_message(const Message& message);

// Values are written with osync:: because the schema's objects, in this namespace, have the same names.

/// Whether an entry of `directory` that was read from a file system fits into a message: path, symlink target
/// and extended attributes. Errors: limit, naming the bound.
[[nodiscard]] Status can_travel(std::string_view directory, const osync::Operation& operation);
[[nodiscard]] Status can_travel(std::string_view directory, const engine::ListedEntry& entry);

/// At least the bytes of header that these attributes take; likewise below.
[[nodiscard]] inline std::size_t header_bound(const osync::Attributes& attributes) {
  std::size_t bytes = 72;
  for (const osync::Xattr& xattr : attributes.xattrs) bytes += 16 + xattr.name.size() + xattr.value.size();
  return bytes;
}
[[nodiscard]] inline std::size_t header_bound(const osync::Operation& operation) {
  return 88 + operation.name.size() + operation.target.size() + header_bound(operation.attributes);
}
[[nodiscard]] inline std::size_t header_bound(const engine::ListedEntry& entry) {
  return 64 + entry.name.size() + entry.target.size() + header_bound(entry.attributes);
}

} // namespace osync::wire
