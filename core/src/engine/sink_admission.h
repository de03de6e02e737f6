// Whether a source may write into a replica, and as which identity the replica goes on.
//
// A replica that holds something which did not come from this source is never written to without the user's
// word (INTERFACE.md, safety defaults). Pure; any thread.
#pragma once

#include <string>

#include "osync/sink.h"
#include "osync/status.h"

namespace osync::engine {

struct AdmissionRequest {
  ReplicaState state;     ///< as Sink::open found it, or as it was claimed since
  Uuid source{};          ///< who welcomed us
  Uuid new_replica{};     ///< random, for a replica that gets a new identity
  bool adopt = false;     ///< the user accepts what is there
  bool take_over = false; ///< the user accepts a replica of another source
};

struct Admission {
  Status refusal;           ///< conflict, with what was found, what was expected, what to do; ok: admitted
  ReplicaIdentity identity; ///< to be claimed
  bool empty = false;
  bool adopted = false;
  bool compare_contents = false; ///< attributes cannot be trusted
};

[[nodiscard]] Admission decide_admission(const AdmissionRequest& request);

/// 8-4-4-4-12 hex digits in lower case.
[[nodiscard]] std::string uuid_text(const Uuid& uuid);

} // namespace osync::engine
