// Seeded random engine messages of every kind, and their comparison field by field. For tests and fuzzing of
// whatever carries messages: the wire format, transports, session code.
//
// What is made here is valid (names, paths, ranges, what each kind of operation needs) and holds only what
// travels: change times, allocated blocks and inode numbers (but of listed entries with several links) stay
// zero. Thread-safety: one generator a thread. Bounds: a frame is at most a few hundred KiB.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "engine/messages.h"

namespace osync::test {

class RandomMessages {
 public:
  /// The same seed gives the same messages on every machine.
  explicit RandomMessages(std::uint64_t seed) : random_(seed) {}

  /// One of the kinds, chosen at random; of kind `index` of the variant where that is given.
  engine::SinkMessage sink_message();
  engine::SinkMessage sink_message(std::size_t index);
  engine::SourceMessage source_message();
  engine::SourceMessage source_message(std::size_t index);

  engine::Frame frame();
  Operation operation(OperationKind kind, std::string& payload);
  engine::ListedEntry entry();
  Attributes attributes(FileType type);

  /// Any of [0, bound); bound is at least 1.
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

 private:
  bool chance(unsigned percent) { return below(100) < percent; }
  std::uint64_t number();
  std::string bytes(std::size_t most);
  std::string name();
  std::string path();
  std::string symlink_target();
  std::vector<Xattr> xattrs();
  Uuid uuid();
  ReplicaIdentity identity();
  Status failure();
  OperationGroup group(std::uint64_t sequence);
  engine::ListingPiece listing(std::uint64_t sequence);
  engine::Acknowledge acknowledge();
  engine::ListingAnswer answer();
  engine::Ready ready();

  std::mt19937_64 random_;
};

/// The first field in which two messages differ ("frame.items[3].operations[0].mode"); empty where they are
/// equal.
std::string difference(const engine::SinkMessage& left, const engine::SinkMessage& right);
std::string difference(const engine::SourceMessage& left, const engine::SourceMessage& right);

} // namespace osync::test
