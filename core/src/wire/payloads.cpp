#include "wire/payloads.h"

#include <cstring>
#include <memory>
#include <string>

#include "wire/codec.h"

namespace osync::wire {
namespace {

/// Payloads [begin, end) of those that are small, which fill one shared part.
Buffer merge(std::span<const Buffer* const> payloads, std::span<const std::size_t> small, std::size_t bytes) {
  if (small.size() == 1) return *payloads[small.front()];
  auto storage = std::make_shared_for_overwrite<std::byte[]>(bytes);
  std::byte* at = storage.get();
  for (const std::size_t index : small) {
    std::memcpy(at, payloads[index]->data(), payloads[index]->size());
    at += payloads[index]->size();
  }
  const std::byte* data = storage.get();
  return {std::move(storage), data, bytes};
}

} // namespace

PackedPayloads pack_payloads(std::span<const Buffer* const> payloads) {
  PackedPayloads packed;
  packed.places.resize(payloads.size());
  std::vector<std::size_t> small; // in the shared part that is being filled
  std::size_t bytes = 0;
  const auto close_part = [&] {
    if (!small.empty()) packed.parts.push_back(merge(payloads, small, bytes));
    small.clear();
    bytes = 0;
  };
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    const std::size_t size = payloads[i]->size();
    if (size == 0 || size >= merge_below_bytes) continue;
    if (bytes + size > max_merged_bytes) close_part();
    packed.places[i] = {static_cast<std::uint32_t>(packed.parts.size() + 1),
                        static_cast<std::uint32_t>(bytes), static_cast<std::uint32_t>(size)};
    small.push_back(i);
    bytes += size;
  }
  close_part();
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    if (payloads[i]->size() < merge_below_bytes) continue;
    packed.parts.push_back(*payloads[i]);
    packed.places[i] = {static_cast<std::uint32_t>(packed.parts.size()), 0,
                        static_cast<std::uint32_t>(payloads[i]->size())};
  }
  return packed;
}

Result<Buffer> PayloadReader::take(const PayloadPlace& place) {
  if (place.part == 0) {
    if (place.offset == 0 && place.length == 0) return Buffer();
    return Status(Code::corrupt, "payload: a range without a part");
  }
  if (place.part > parts_.size())
    return Status(Code::corrupt,
                  "payload: part " + std::to_string(place.part) + " of " + std::to_string(parts_.size()));
  const Buffer& part = parts_[place.part - 1];
  std::size_t& used = used_[place.part - 1];
  if (place.length == 0 || place.offset != used || place.length > part.size() - used)
    return Status(Code::corrupt, "payload: bytes " + std::to_string(place.offset) + " + " +
                                     std::to_string(place.length) + " of part " + std::to_string(place.part) +
                                     ", expected at least 1 from " + std::to_string(used) + " of " +
                                     std::to_string(part.size()));
  used += place.length;
  return part.part(place.offset, place.length);
}

Status PayloadReader::finish() const {
  for (std::size_t i = 0; i < used_.size(); ++i)
    if (parts_[i].empty() || used_[i] != parts_[i].size())
      return {Code::corrupt, "payload: " + std::to_string(used_[i]) + " of " +
                                 std::to_string(parts_[i].size()) + " bytes of part " +
                                 std::to_string(i + 1) + " belong to a group"};
  return {};
}

} // namespace osync::wire
