// Which attributes a replica gets: `attributes:` of the pipeline file. Everything that was read goes through reduce()
// before the engine sees it, so that live changes, the first pass and comparisons agree, and nothing is sent for ever.
// Pure; any thread.
#pragma once

#include <cstdint>

#include "engine/source_jobs.h"

namespace osync::source {

struct AttributeChoice {
  enum class Xattrs : std::uint8_t { all, user, none };

  bool owners = true;  ///< false: what is made or replaced belongs to the sink's user; owners are not compared
  bool devices = true; ///< false: for the replica there are no device nodes
  bool setuid = true;  ///< false: no set-uid and set-gid bits of programs, and no file capabilities
  Xattrs xattrs = Xattrs::all; ///< user: only user.*; none: they are neither sent nor compared

  [[nodiscard]] bool all() const noexcept { return owners && devices && setuid && xattrs == Xattrs::all; }
};

/// Takes out of `result` what the replica does not get. Set-id bits go without owners too: they would give the rights of
/// the sink's user instead of the owner's.
void reduce(engine::SourceJobResult& result, const AttributeChoice& choice);

} // namespace osync::source
