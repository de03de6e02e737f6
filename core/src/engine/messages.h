// The messages between a source and a sink, as values. How they look on the wire is core/src/wire/'s business; what
// arrives here has been decoded and checked: names and paths are valid, lengths bounded, payload ranges inside.
//
// Session: Register -> Welcome or Refuse -> Ready (or Unregister) -> Frames one way, Acknowledge, ListingAnswer and
// TransferReport the other -> Farewell or Unregister.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "engine/difference.h"
#include "engine/source_jobs.h"
#include "osync/operation.h"
#include "osync/sink.h"
#include "osync/status.h"

namespace osync::engine {

inline constexpr std::uint32_t protocol_version = 1;

// ---- sink to source ---------------------------------------------------------------------------------------------

/// The first message of a sink on a new connection.
struct Register {
  std::uint32_t version = protocol_version;
  std::string build;        ///< osync's version, for messages to people
  std::string pipeline;
  std::string replica_name; ///< as in the pipeline file
  ReplicaIdentity identity; ///< zero where the replica is new
  bool take_over = false;   ///< the user accepts a replica of another source
};

/// The sink stands: root, lock, staging area. Nothing is streamed before.
struct Ready {
  std::uint64_t session = 0;
  ReplicaIdentity identity;     ///< as claimed
  std::uint64_t window = 0;     ///< bytes the source may have sent and not seen applied
  bool empty = false;           ///< the replica held nothing at all
  bool adopted = false;         ///< what it had before is only deleted on request
  bool compare_contents = false; ///< attributes cannot be trusted (adopted, taken over): compare by digest
  SinkCapabilities capabilities;
};

struct WireFailure {
  std::uint64_t sequence = 0; ///< of the group
  std::uint32_t index = 0;    ///< operation, or group_failure
  Status status;
};

struct Acknowledge {
  std::uint64_t session = 0;
  std::uint64_t received = 0; ///< all items up to it have arrived
  std::uint64_t applied = 0;  ///< all items up to it are applied, failed or answered
  std::uint64_t durable = 0;  ///< all items up to it were applied before a successful sync began
  std::vector<WireFailure> failures; ///< of items at or before `applied`, or after: each is reported once
};

/// The answer to one ListingPiece.
struct ListingAnswer {
  struct Want {
    std::string name;
    bool absent = false; ///< the replica has nothing of that name
    Difference difference = Difference::absent; ///< why
  };
  struct Extra {
    std::string name;
    bool directory = false;
    std::uint64_t entries = 1; ///< at and below it, counted up to a bound
  };
  std::uint64_t session = 0;
  std::uint64_t sequence = 0; ///< of the piece
  Status status;              ///< not_found: the replica has no such directory; nothing else is then valid
  std::vector<Want> wants;    ///< listed, and absent or different
  std::vector<Extra> extras;  ///< with the last piece of a complete listing: there, and not listed
  bool last = true;           ///< false: more parts of this answer follow
};

/// The transfer report of DESIGN section 2.
struct TransferReport {
  std::uint64_t session = 0;
  std::uint64_t entries_applied = 0;
  std::uint64_t bytes_applied = 0;
  std::uint64_t operations_failed = 0;
  std::uint64_t applied = 0;
  std::uint64_t durable = 0;
  bool final = false;
};

/// The sink leaves, or cannot begin. `status` ok: it was stopped by its user.
struct Unregister {
  std::uint64_t session = 0;
  Status status; ///< code conflict: refused for safety
};

using SinkMessage = std::variant<Register, Ready, Acknowledge, ListingAnswer, TransferReport, Unregister>;

// ---- source to sink ---------------------------------------------------------------------------------------------

struct Welcome {
  std::uint64_t session = 0;
  std::uint32_t version = protocol_version;
  std::string build;
  Uuid source{};
  std::uint32_t durability_interval_ms = 5000; ///< group commit at least so often while something is not durable
};

struct Refuse {
  Code code = Code::conflict;
  std::string reason;
};

/// A piece of a directory's listing, an item of the stream like a group. The sink compares it when everything before
/// it that touches the directory is applied.
struct ListingPiece {
  std::uint64_t sequence = 0;
  std::string directory;
  std::uint64_t listing = 0; ///< the same for all pieces of one listing, unique in a session
  bool first = true;
  bool verify = false; ///< of `osync verify`: times of directories are compared too
  bool last = true; ///< complete: what the sink has beyond all pieces is extra. A listing that fails is never ended
  std::vector<ListedEntry> entries;
};

using StreamItem = std::variant<OperationGroup, ListingPiece>;

struct Frame {
  std::uint64_t session = 0;
  std::vector<StreamItem> items; ///< sequences ascending without gaps
};

/// Everything applied when this arrives is to become durable now.
struct SyncRequest {
  std::uint64_t session = 0;
  std::uint64_t sequence = 0; ///< wait until so much is applied
  bool all_compared = false;  ///< up to it, everything that the replica had was compared or sent again
};

/// Service termination. The sink makes durable what it has, sends a final report and answers Unregister.
struct Farewell {
  std::uint64_t session = 0;
  bool end = false;    ///< the sink's process is to end too (`--once`, drain)
  std::string reason;
};

using SourceMessage = std::variant<Welcome, Refuse, Frame, SyncRequest, Farewell>;

} // namespace osync::engine
