#include "source/reader_payload.h"

#include <utility>

namespace osync::source {

std::shared_ptr<PayloadPool> PayloadPool::make(std::size_t buffer_bytes, std::size_t idle) {
  return std::shared_ptr<PayloadPool>(new PayloadPool(buffer_bytes, idle));
}

PayloadPool::Storage PayloadPool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Storage storage = std::move(idle_.back());
      idle_.pop_back();
      return storage;
    }
  }
  return std::make_unique_for_overwrite<std::byte[]>(buffer_bytes_);
}

void PayloadPool::give(Storage storage) noexcept {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < idle_bound_) idle_.push_back(std::move(storage)); // room was reserved: cannot throw
}

Buffer PayloadPool::share(Storage storage, std::size_t size) {
  // The owner keeps the pool alive: a Buffer may outlive the reader.
  struct Owner {
    std::shared_ptr<PayloadPool> pool;
    Storage bytes;
    Owner(std::shared_ptr<PayloadPool> p, Storage b) : pool(std::move(p)), bytes(std::move(b)) {}
    ~Owner() { pool->give(std::move(bytes)); }
  };
  const std::byte* data = storage.get();
  return {std::make_shared<Owner>(shared_from_this(), std::move(storage)), data, size};
}

std::size_t PayloadPool::idle() const {
  const std::lock_guard lock(mutex_);
  return idle_.size();
}

PayloadWriter::~PayloadWriter() {
  if (storage_) pool_.give(std::move(storage_));
}

std::span<std::byte> PayloadWriter::space() {
  if (!storage_) storage_ = pool_.take();
  return {storage_.get() + used_, pool_.buffer_bytes() - used_};
}

Buffer PayloadWriter::finish() {
  const std::size_t used = std::exchange(used_, 0);
  if (used == 0) return {};
  if (used < small_) return Buffer::copy_of(std::span<const std::byte>(storage_.get(), used));
  return pool_.share(std::move(storage_), used);
}

} // namespace osync::source
