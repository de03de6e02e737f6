// Memory for contents: buffers that are filled by read(2) without being cleared first, and come back when the
// last Buffer that shares them is released, in whatever thread.
//
// Thread-safety: PayloadPool from any thread; a PayloadWriter belongs to one job. Bounds: a buffer holds
// `buffer_bytes`; at most `idle` unused ones are kept. How many are in use is bounded by the jobs and by the
// engine's limit on what is in flight; waiting here for one could block every worker.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "osync/types.h"

namespace osync::source {

class PayloadPool : public std::enable_shared_from_this<PayloadPool> {
 public:
  using Storage = std::unique_ptr<std::byte[]>;

  static std::shared_ptr<PayloadPool> make(std::size_t buffer_bytes, std::size_t idle);

  [[nodiscard]] Storage take();
  void give(Storage storage) noexcept;
  /// `storage` as bytes that return it here at the end of their life.
  [[nodiscard]] Buffer share(Storage storage, std::size_t size);

  [[nodiscard]] std::size_t buffer_bytes() const noexcept { return buffer_bytes_; }
  [[nodiscard]] std::size_t idle() const;

 private:
  PayloadPool(std::size_t buffer_bytes, std::size_t idle) : buffer_bytes_(buffer_bytes), idle_bound_(idle) {
    idle_.reserve(idle_bound_);
  }

  const std::size_t buffer_bytes_;
  const std::size_t idle_bound_;
  mutable std::mutex mutex_;
  std::vector<Storage> idle_;
};

/// Collects the contents of one job's entries back to back.
class PayloadWriter {
 public:
  /// Contents of less than `small` bytes are copied out, so that a few of them do not hold a whole buffer.
  PayloadWriter(PayloadPool& pool, std::size_t small) noexcept : pool_(pool), small_(small) {}
  ~PayloadWriter();
  PayloadWriter(const PayloadWriter&) = delete;
  PayloadWriter& operator=(const PayloadWriter&) = delete;

  /// Where the next content goes: what is left of the buffer.
  [[nodiscard]] std::span<std::byte> space();
  /// Keeps the first `size` bytes of space().
  void commit(std::size_t size) noexcept { used_ += size; }
  [[nodiscard]] std::size_t used() const noexcept { return used_; }
  /// Everything committed; the writer is empty afterwards.
  [[nodiscard]] Buffer finish();

 private:
  PayloadPool& pool_;
  std::size_t small_;
  PayloadPool::Storage storage_;
  std::size_t used_ = 0;
};

} // namespace osync::source
