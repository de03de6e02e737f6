// Frames to the wire: attributes, operations, listing pieces, and the payload parts.
#include <variant>

#include "wire/convert.h"
#include "wire/header.h"
#include "wire/payloads.h"

namespace osync::wire {
namespace {

void put_attributes(const osync::Attributes& from, Attributes& to) {
  to.set_type(static_cast<FileType>(from.type));
  to.set_mode(from.mode);
  to.set_uid(from.uid);
  to.set_gid(from.gid);
  if (from.links != 1) to.set_links(from.links);
  to.set_size(from.size);
  to.set_mtime_seconds(from.mtime.seconds);
  to.set_mtime_nanoseconds(from.mtime.nanoseconds);
  to.set_device_major(from.device_major);
  to.set_device_minor(from.device_minor);
  if (!from.has_xattrs) return;
  to.set_has_xattrs(true);
  for (const osync::Xattr& xattr : from.xattrs) {
    Xattr& out = *to.add_xattrs();
    out.set_name(xattr.name);
    out.set_value(xattr.value);
  }
}

void put_digest(const osync::Digest& from, auto& to) {
  to.set_digest_high(from.high);
  to.set_digest_low(from.low);
}

/// What the kind does not use does not travel.
void put_operation(const osync::Operation& from, Operation& to) {
  to.set_kind(static_cast<OperationKind>(from.kind));
  to.set_possibly_torn(from.possibly_torn);
  if (from.attributes.type != osync::FileType::unknown)
    put_attributes(from.attributes, *to.mutable_attributes());
  switch (from.kind) {
  case osync::OperationKind::put_file:
    to.set_payload_offset(from.payload_offset);
    to.set_length(from.length);
    break;
  case osync::OperationKind::stage_data:
    to.set_stage(from.stage);
    to.set_offset(from.offset);
    to.set_payload_offset(from.payload_offset);
    to.set_length(from.length);
    return; // no name
  case osync::OperationKind::discard_stage:
    to.set_stage(from.stage);
    return;
  case osync::OperationKind::publish:
    to.set_stage(from.stage);
    put_digest(from.digest, to);
    break;
  case osync::OperationKind::make_symlink:
  case osync::OperationKind::make_link:
    to.set_target(from.target);
    break;
  case osync::OperationKind::move_directory:
    to.set_target(from.target);
    to.set_stage(from.stage);
    break;
  case osync::OperationKind::remove:
    to.set_stage(from.stage);
    break;
  case osync::OperationKind::make_directory:
  case osync::OperationKind::make_special:
  case osync::OperationKind::set_attributes:
    break;
  }
  to.set_name(from.name);
}

void put_group(const osync::OperationGroup& from, const PayloadPlace& place, OperationGroup& to) {
  to.set_sequence(from.sequence);
  if (!from.directory.empty()) to.set_directory(from.directory);
  if (from.directory_attributes)
    put_attributes(*from.directory_attributes, *to.mutable_directory_attributes());
  to.mutable_operations()->Reserve(static_cast<int>(from.operations.size()));
  for (const osync::Operation& operation : from.operations) put_operation(operation, *to.add_operations());
  to.set_payload_part(place.part);
  to.set_payload_offset(place.offset);
  to.set_payload_length(place.length);
}

void put_entry(const engine::ListedEntry& from, ListedEntry& to) {
  to.set_name(from.name);
  put_attributes(from.attributes, *to.mutable_attributes());
  if (from.attributes.type == osync::FileType::symlink && !from.target.empty()) to.set_target(from.target);
  if (from.has_digest) {
    to.set_has_digest(true);
    put_digest(from.digest, to);
  }
  to.set_mount(from.mount);
  if (from.attributes.links > 1 && from.attributes.type != osync::FileType::directory)
    to.set_link_group(from.attributes.inode);
}

void put_listing(const engine::ListingPiece& from, ListingPiece& to) {
  to.set_sequence(from.sequence);
  if (!from.directory.empty()) to.set_directory(from.directory);
  to.set_listing(from.listing);
  to.set_first(from.first);
  to.set_last(from.last);
  to.set_verify(from.verify);
  to.mutable_entries()->Reserve(static_cast<int>(from.entries.size()));
  for (const engine::ListedEntry& entry : from.entries) put_entry(entry, *to.add_entries());
}

/// Payloads of a frame's groups, in order; a listing piece counts as one without.
PackedPayloads pack(const engine::Frame& frame) {
  static const Buffer none;
  std::vector<const Buffer*> payloads;
  payloads.reserve(frame.items.size());
  for (const engine::StreamItem& item : frame.items) {
    const auto* group = std::get_if<osync::OperationGroup>(&item);
    payloads.push_back(group != nullptr ? &group->payload : &none);
  }
  return pack_payloads(payloads);
}

} // namespace

void put_frame(const engine::Frame& from, Frame& to, std::vector<Buffer>& parts) {
  PackedPayloads packed = pack(from);
  to.set_session(from.session);
  for (const Buffer& part : packed.parts) to.add_part_checksums(checksum(part.bytes()));
  for (std::size_t i = 0; i < from.items.size(); ++i) {
    StreamItem& item = *to.add_items();
    if (const auto* group = std::get_if<osync::OperationGroup>(&from.items[i]))
      put_group(*group, packed.places[i], *item.mutable_group());
    else
      put_listing(std::get<engine::ListingPiece>(from.items[i]), *item.mutable_listing());
  }
  parts = std::move(packed.parts);
}

} // namespace osync::wire
