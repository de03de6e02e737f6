// Streamed files that are not published yet: one file in `.osync/stage/` each, with a running digest.
//
// Threads: any at any time for different stages; the engine never uses one stage from two threads at once.
// Bounds: stage_limit stages, open_stage_limit open descriptors (the least recently used one is closed and
// opened again when it is needed).
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "fd.h"
#include "osync/status.h"
#include "osync/types.h"

namespace osync::sink_fs {

inline constexpr std::size_t stage_limit = 4'096;
inline constexpr std::size_t open_stage_limit = 64;

/// XXH3-128 over, for each piece in order, its offset (8 bytes little-endian) and its bytes (operation.h).
class StageDigest {
 public:
  StageDigest();
  ~StageDigest();
  StageDigest(const StageDigest&) = delete;
  StageDigest& operator=(const StageDigest&) = delete;
  void add(std::uint64_t offset, std::span<const std::byte> data) noexcept;
  [[nodiscard]] Digest value() const noexcept;

 private:
  void* state_;
};

class Stages {
 public:
  /// `directory` is `.osync/stage`, open for as long as stages are used.
  void begin(int directory);
  /// Forgets all stages; their files are left to PrivateArea::clean().
  void close() noexcept;

  /// Writes one piece; the first one makes the stage. A stage that failed once stays void: every later call
  /// answers the same failure until it is taken or discarded. Errors: no_space and others (the file is
  /// removed), limit.
  Status write(std::uint64_t id, std::uint64_t offset, std::span<const std::byte> data);

  /// A stage on its way to its name.
  struct Taken {
    Fd file;          ///< O_RDWR
    std::string name; ///< in the stage directory; the caller renames or removes it
  };
  /// Ends stage `id` for publishing: checks the digest and sets the size. A stage that was never written is
  /// an empty one. Errors: corrupt (digest), and the failure of an earlier write; the stage's file is then
  /// removed.
  Result<Taken> take(std::uint64_t id, std::uint64_t size, const Digest& digest);

  void discard(std::uint64_t id) noexcept;

  [[nodiscard]] std::size_t open_files() const;

 private:
  struct Stage {
    std::string name;
    Fd file;
    StageDigest digest;
    Status failure;
    std::list<std::uint64_t>::iterator
        position; ///< in open_, while `file` is open and the stage is not in use
  };
  using StagePointer = std::shared_ptr<Stage>;

  Result<StagePointer> borrow(std::uint64_t id);
  void give_back(std::uint64_t id, const StagePointer& stage);
  Status open(Stage& stage, bool create) const;
  void fail(Stage& stage, Status status);

  int directory_ = -1;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, StagePointer> stages_;
  std::list<std::uint64_t> open_; ///< idle stages with an open file, the least recently used first
};

} // namespace osync::sink_fs
