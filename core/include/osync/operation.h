// Operations: what the source asks a replica to become, one entry at a time, grouped by directory.
//
// An operation states the wanted result ("name is a regular file with this content"), never a step from an assumed
// earlier state; applying it twice does no harm. The same types travel from the reader on the source through the wire
// to the sink plugin.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "osync/status.h"
#include "osync/types.h"

namespace osync {

/// Order and values are part of the wire format: append only.
enum class OperationKind : std::uint8_t {
  put_file = 0,   ///< `name` is a regular file; content = payload[payload_offset, +length), complete
  make_directory, ///< `name` is a directory with these attributes (mtime comes with the directory's own groups);
                  ///< one that is there keeps its entries
  make_symlink,   ///< `name` is a symlink to `target`
  make_special,   ///< `name` is a FIFO, socket or device node, by attributes.type
  make_link,      ///< `name` is another name of the file at the relative path `target`; not_found or stale where that
                  ///< file is absent or a directory: the source then sends the content
  stage_data,     ///< bytes [offset, +length) of stage `stage` are the payload's; a first one makes the stage
  publish,        ///< `name` is the file of `stage`: its size becomes attributes.size (what was not staged is a hole),
                  ///< its digest must equal `digest`. A stage that was never written is an empty or all-hole file
  discard_stage,  ///< `stage` is void: what was staged, or the directory kept aside, under that number
  remove,         ///< `name` is absent, with everything below it. With a `stage`: a directory there is kept aside under that
                  ///< number until discard_stage or the end of the session, for move_directory
  set_attributes, ///< `name` (of the type in `attributes`) has these attributes; not_found or stale where it is
                  ///< absent or of another type
  move_directory, ///< `name` is the directory that is now at the relative path `target`, with these attributes. With a
                  ///< `stage`: at that path below the directory kept aside under that number (empty: that one itself).
                  ///< What has the name is removed. not_found where there is no such directory: the source then sends it
};

struct Operation {
  OperationKind kind = OperationKind::put_file;
  bool possibly_torn = false;     ///< published at the staleness bound although it changed while it was read
  std::string name;               ///< entry of the group's directory; empty for stage_data and discard_stage
  Attributes attributes;
  std::string target;             ///< make_symlink: raw link target; make_link, move_directory: relative path
  std::uint64_t stage = 0;        ///< chosen by the source, unique in a session
  std::uint64_t offset = 0;       ///< stage_data: position in the file
  std::uint32_t payload_offset = 0;
  std::uint32_t length = 0;       ///< bytes of payload
  /// publish: XXH3-128 over, for each stage_data of the stage in order, its offset (8 bytes little-endian) and its
  /// bytes; holes cost nothing and are still covered by the offsets.
  Digest digest;
};

/// Operations on entries of one directory, applied in order by one thread. Afterwards the directory's own attributes are
/// set where given, and otherwise its mtime is put back to what it was before (both also when operations failed), so
/// that its times are right whatever was done inside it. Groups of stage_data and discard_stage alone concern no
/// directory; theirs is empty.
struct OperationGroup {
  std::uint64_t sequence = 0; ///< position in the replica's stream, from 1 without gaps
  std::string directory;      ///< relative path; empty for the replica root
  std::optional<Attributes> directory_attributes;
  std::vector<Operation> operations;
  Buffer payload;
};

/// An operation that did not succeed.
struct OperationFailure {
  std::uint32_t index = 0; ///< into OperationGroup::operations; `group_failure` where the directory itself is at fault
  Status status;
};
inline constexpr std::uint32_t group_failure = 0xffffffff;

/// What became of a group. Operations that are not named succeeded. A group_failure means that none was tried.
struct GroupResult {
  std::vector<OperationFailure> failures;
  std::uint64_t entries_changed = 0;
};

} // namespace osync
