// The sink's side of listings: what the replica is asked for a listing piece, and what the source is
// answered.
//
// The names of a listing are kept (as hashes) from its first piece to its last, where the names that the
// replica has beyond them are asked for. A listing that its source gave up never ends: it is forgotten when a
// new one of the same directory begins, or when there are too many. Pure; one user at a time. Bounds:
// `listings` listings with together `names` names; pieces waiting are bounded by the credit window.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/compare.h"
#include "engine/messages.h"
#include "engine/sink_jobs.h"

namespace osync::engine {

class SinkListings {
 public:
  struct Limits {
    std::size_t listings = 64;
    std::size_t names = NameSet::bound;
    std::size_t answer_names = 4096; ///< wants and extras in one part of an answer
  };

  explicit SinkListings(const Limits& limits) : limits_(limits) {}

  /// Takes a piece. Errors: corrupt, where it contradicts the pieces before it.
  [[nodiscard]] Status accept(ListingPiece piece);

  /// What the sink is to be asked for a piece that was accepted.
  [[nodiscard]] InspectJob job(std::uint64_t sequence, SinkJobId id, bool want_extras,
                               std::uint64_t count_bound) const;

  /// The answer in parts, the last one marked; the piece is forgotten. Names of entries that differ are
  /// compared with `context` and `links`. Where the listing had to be forgotten the last piece's status is
  /// Code::limit: its wants are right, its extras are not known.
  [[nodiscard]] std::vector<ListingAnswer> answer(std::uint64_t session, std::uint64_t sequence,
                                                  InspectDone done, const CompareContext& context,
                                                  LinkMap& links);

  /// Forgets everything: the session is over.
  void clear();

  [[nodiscard]] std::size_t listings() const noexcept { return listings_.size(); }
  [[nodiscard]] std::size_t pieces() const noexcept { return pieces_.size(); }

 private:
  struct Listing {
    std::string directory;
    std::shared_ptr<NameSet> names;
    std::size_t count = 0;
    std::uint64_t last_piece = 0;
  };
  struct Piece {
    std::string directory;
    std::vector<ListedEntry> entries;    ///< those that are compared
    std::shared_ptr<const NameSet> seen; ///< of the last piece
    bool last = false;
    bool verify = false;
    bool forgotten = false; ///< names of earlier pieces are not known any more
  };

  [[nodiscard]] Status begin(const ListingPiece& piece);
  void forget(std::map<std::uint64_t, Listing>::iterator listing);
  void keep_bounds(std::uint64_t current);

  Limits limits_;
  std::map<std::uint64_t, Listing> listings_;
  std::unordered_map<std::uint64_t, Piece> pieces_; ///< by sequence number
  std::size_t names_ = 0;
};

} // namespace osync::engine
