// `.osync/identity`: whose replica this is, as a small text file of one version. Pure but for read and write.
//
//   osync-replica 1
//   source 32 hexadecimal digits
//   replica 32 hexadecimal digits
//   epoch NUMBER
//   adopted yes|no
#pragma once

#include <string>
#include <string_view>

#include "osync/sink.h"
#include "osync/status.h"

namespace osync::sink_fs {

inline constexpr const char* identity_name = "identity";

struct IdentityRecord {
  ReplicaIdentity identity;
  bool adopted = false;
};

[[nodiscard]] std::string format_identity(const IdentityRecord& record);

/// Errors: unsupported (another version), corrupt, each with what to do.
[[nodiscard]] Result<IdentityRecord> parse_identity(std::string_view text);

/// From `.osync`, open at `directory`. Errors: not_found where there is none.
[[nodiscard]] Result<IdentityRecord> read_identity(int directory);

} // namespace osync::sink_fs
