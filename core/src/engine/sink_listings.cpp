#include "engine/sink_listings.h"

#include <algorithm>
#include <utility>

namespace osync::engine {
namespace {

// Takes what fits of `from` into the answers, opening new parts as needed.
class AnswerParts {
 public:
  AnswerParts(std::uint64_t session, std::uint64_t sequence, std::size_t limit)
      : session_(session), sequence_(sequence), limit_(limit) {
    open();
  }
  void add(ListingAnswer::Want want) { room().wants.push_back(std::move(want)); }
  void add(ListingAnswer::Extra extra) { room().extras.push_back(std::move(extra)); }
  [[nodiscard]] std::vector<ListingAnswer> finish(Status status) {
    parts_.back().status = std::move(status);
    parts_.back().last = true;
    return std::move(parts_);
  }

 private:
  void open() {
    ListingAnswer part;
    part.session = session_;
    part.sequence = sequence_;
    part.last = false;
    parts_.push_back(std::move(part));
  }
  ListingAnswer& room() {
    if (parts_.back().wants.size() + parts_.back().extras.size() >= limit_) open();
    return parts_.back();
  }

  std::uint64_t session_, sequence_;
  std::size_t limit_;
  std::vector<ListingAnswer> parts_;
};

} // namespace

Status SinkListings::begin(const ListingPiece& piece) {
  if (listings_.contains(piece.listing))
    return {Code::corrupt, "listing " + std::to_string(piece.listing) + " begins twice", piece.directory};
  for (auto other = listings_.begin(); other != listings_.end();) {
    const auto next = std::next(other);
    if (other->second.directory == piece.directory) forget(other);
    other = next;
  }
  listings_[piece.listing] = {piece.directory, std::make_shared<NameSet>(), 0, piece.sequence};
  return {};
}

void SinkListings::forget(std::map<std::uint64_t, Listing>::iterator listing) {
  names_ -= listing->second.count;
  listings_.erase(listing);
}

// The listing that was longest without a piece goes first, never the current one.
void SinkListings::keep_bounds(std::uint64_t current) {
  while (listings_.size() > 1 && (listings_.size() > limits_.listings || names_ > limits_.names)) {
    auto oldest = listings_.end();
    for (auto listing = listings_.begin(); listing != listings_.end(); ++listing)
      if (listing->first != current &&
          (oldest == listings_.end() || listing->second.last_piece < oldest->second.last_piece))
        oldest = listing;
    forget(oldest);
  }
}

Status SinkListings::accept(ListingPiece piece) {
  if (piece.first) {
    if (Status status = begin(piece); !status.ok()) return status;
  }
  Piece pending;
  pending.directory = piece.directory;
  pending.last = piece.last;
  pending.verify = piece.verify;
  const auto listing = listings_.find(piece.listing);
  pending.forgotten = listing == listings_.end();
  if (!pending.forgotten) {
    if (listing->second.directory != piece.directory)
      return {Code::corrupt,
              "listing " + std::to_string(piece.listing) + " of \"" + listing->second.directory +
                  "\" goes on in another directory",
              piece.directory};
    for (const ListedEntry& entry : piece.entries) listing->second.names->add(entry.name);
    // A set that is full keeps no more of them.
    const std::size_t added = std::min(piece.entries.size(), NameSet::bound - listing->second.count);
    listing->second.count += added;
    names_ += added;
    listing->second.last_piece = piece.sequence;
    if (piece.last) {
      pending.seen = listing->second.names;
      forget(listing);
    } else {
      keep_bounds(piece.listing);
    }
  }
  pending.entries = std::move(piece.entries);
  std::erase_if(pending.entries, [](const ListedEntry& entry) { return entry.mount; });
  pieces_.emplace(piece.sequence, std::move(pending));
  return {};
}

InspectJob SinkListings::job(std::uint64_t sequence, SinkJobId id, bool want_extras,
                             std::uint64_t count_bound) const {
  const Piece& piece = pieces_.at(sequence);
  InspectJob job;
  job.id = id;
  job.directory = piece.directory;
  job.items.reserve(piece.entries.size());
  for (const ListedEntry& entry : piece.entries) job.items.push_back({entry.name, entry.has_digest});
  job.find_extras = want_extras && piece.last && !piece.forgotten;
  if (job.find_extras) job.seen = piece.seen;
  job.count_bound = count_bound;
  return job;
}

std::vector<ListingAnswer> SinkListings::answer(std::uint64_t session, std::uint64_t sequence,
                                                InspectDone done, const CompareContext& context,
                                                LinkMap& links) {
  const auto found = pieces_.find(sequence);
  const Piece piece = std::move(found->second);
  pieces_.erase(found);
  AnswerParts parts(session, sequence, limits_.answer_names);
  if (!done.status.ok()) return parts.finish(std::move(done.status));
  if (done.entries.size() != piece.entries.size())
    return parts.finish(Status(Code::internal,
                               "the sink told about " + std::to_string(done.entries.size()) +
                                   " entries, asked about " + std::to_string(piece.entries.size()),
                               piece.directory));
  CompareContext so_compared = context;
  so_compared.directory_times = piece.verify;
  for (std::size_t i = 0; i < piece.entries.size(); ++i) {
    const Difference difference = compare(piece.directory, piece.entries[i], done.entries[i], so_compared, links);
    if (difference == Difference::none) continue;
    parts.add(ListingAnswer::Want{piece.entries[i].name, difference == Difference::absent, difference});
  }
  for (InspectDone::Extra& extra : done.extras)
    parts.add(ListingAnswer::Extra{std::move(extra.name), extra.directory, extra.entries});
  if (piece.last && piece.forgotten)
    return parts.finish(Status(Code::limit,
                               "too many listings at a time: this one's names were forgotten, list it again",
                               piece.directory));
  return parts.finish({});
}

void SinkListings::clear() {
  listings_.clear();
  pieces_.clear();
  names_ = 0;
}

} // namespace osync::engine
