// Frames from the wire: payload parts against their checksums, then items one by one.
#include <string>
#include <utility>

#include "wire/checks.h"
#include "wire/codec.h"
#include "wire/convert.h"
#include "wire/header.h"
#include "wire/payloads.h"

namespace osync::wire {
namespace {

std::string numbered(const char* what, std::size_t number) {
  return std::string(what) + ' ' + std::to_string(number);
}

Status unknown_number(const char* what, int number, int last) {
  return {osync::Code::corrupt, std::string(what) + " " + std::to_string(number) +
                                    " is unknown, the last known is " + std::to_string(last)};
}

Status take_attributes(Attributes& from, osync::Attributes& to) {
  if (!take_enum(from.type(), FileType_MAX, to.type))
    return unknown_number("file type", from.type(), FileType_MAX);
  to.mode = from.mode();
  to.uid = from.uid();
  to.gid = from.gid();
  to.links = from.has_links() ? from.links() : 1;
  to.size = from.size();
  to.mtime = {from.mtime_seconds(), from.mtime_nanoseconds()};
  to.device_major = from.device_major();
  to.device_minor = from.device_minor();
  to.has_xattrs = from.has_xattrs();
  if (Status status = check_count("xattrs", static_cast<std::size_t>(from.xattrs_size()), max_xattrs);
      !status.ok())
    return status;
  to.xattrs.reserve(static_cast<std::size_t>(from.xattrs_size()));
  for (Xattr& xattr : *from.mutable_xattrs())
    to.xattrs.push_back({std::move(*xattr.mutable_name()), std::move(*xattr.mutable_value())});
  return {};
}

/// `to` is fresh: a field that is not there keeps its default.
Status take_operation(Operation& from, std::size_t payload_bytes, osync::Operation& to) {
  if (!take_enum(from.kind(), OperationKind_MAX, to.kind))
    return unknown_number("operation kind", from.kind(), OperationKind_MAX);
  to.possibly_torn = from.possibly_torn();
  if (!from.name().empty()) to.name = std::move(*from.mutable_name());
  if (from.has_attributes())
    if (Status status = take_attributes(*from.mutable_attributes(), to.attributes); !status.ok())
      return status;
  if (from.has_attributes() && to.attributes.type == osync::FileType::unknown)
    return {osync::Code::corrupt, "attributes: given without a file type"};
  if (!from.target().empty()) to.target = std::move(*from.mutable_target());
  to.stage = from.stage();
  to.offset = from.offset();
  to.payload_offset = from.payload_offset();
  to.length = from.length();
  to.digest = {from.digest_high(), from.digest_low()};
  return check_operation(to, payload_bytes);
}

Status take_directory(OperationGroup& from, osync::OperationGroup& to) {
  if (!from.directory().empty()) to.directory = std::move(*from.mutable_directory());
  if (Status status = check_path("directory", to.directory); !status.ok()) return status;
  if (!from.has_directory_attributes()) return {};
  osync::Attributes& attributes = to.directory_attributes.emplace();
  Status status = take_attributes(*from.mutable_directory_attributes(), attributes);
  if (status.ok()) status = check_attributes(attributes);
  if (status.ok() && attributes.type != osync::FileType::directory)
    status = Status(osync::Code::corrupt, "file type: is no directory's");
  return status.ok() ? status : within("attributes of the directory", status);
}

Status take_group(OperationGroup& from, PayloadReader& payloads, osync::OperationGroup& to) {
  to.sequence = from.sequence();
  if (Status status = take_directory(from, to); !status.ok()) return status;
  Result<Buffer> payload = payloads.take({from.payload_part(), from.payload_offset(), from.payload_length()});
  if (!payload.ok()) return payload.status();
  to.payload = std::move(payload).value();
  const auto count = static_cast<std::size_t>(from.operations_size());
  if (Status status = check_count("operations", count, max_operations); !status.ok()) return status;
  to.operations.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    Status status =
        take_operation(*from.mutable_operations(static_cast<int>(i)), to.payload.size(), to.operations[i]);
    if (!status.ok()) return within(numbered("operation", i), status);
  }
  return {};
}

Status take_entry(ListedEntry& from, engine::ListedEntry& to) {
  if (!from.name().empty()) to.name = std::move(*from.mutable_name());
  if (from.has_attributes())
    if (Status status = take_attributes(*from.mutable_attributes(), to.attributes); !status.ok())
      return status;
  if (!from.target().empty()) to.target = std::move(*from.mutable_target());
  to.has_digest = from.has_digest();
  to.digest = {from.digest_high(), from.digest_low()};
  to.mount = from.mount();
  to.attributes.inode = from.link_group();
  if (from.link_group() != 0 && (to.attributes.links < 2 || to.attributes.type == osync::FileType::directory))
    return {osync::Code::corrupt, "link group: given for a directory or for an entry of one link"};
  return check_listed_entry(to);
}

Status take_listing(ListingPiece& from, engine::ListingPiece& to) {
  to.sequence = from.sequence();
  to.listing = from.listing();
  to.first = from.first();
  to.last = from.last();
  to.verify = from.verify();
  if (!from.directory().empty()) to.directory = std::move(*from.mutable_directory());
  if (Status status = check_path("directory", to.directory); !status.ok()) return status;
  const auto count = static_cast<std::size_t>(from.entries_size());
  if (Status status = check_count("entries", count, max_entries); !status.ok()) return status;
  to.entries.resize(count);
  for (std::size_t i = 0; i < count; ++i)
    if (Status status = take_entry(*from.mutable_entries(static_cast<int>(i)), to.entries[i]); !status.ok())
      return within(numbered("entry", i), status);
  return {};
}

/// 0: the item holds neither a group nor a listing piece.
std::uint64_t sequence_of(const StreamItem& item) {
  return item.has_group() ? item.group().sequence() : item.listing().sequence();
}

Status take_item(StreamItem& from, PayloadReader& payloads, engine::StreamItem& to) {
  switch (from.item_case()) {
  case StreamItem::kGroup:
    return take_group(*from.mutable_group(), payloads, to.emplace<osync::OperationGroup>());
  case StreamItem::kListing:
    return take_listing(*from.mutable_listing(), to.emplace<engine::ListingPiece>());
  case StreamItem::ITEM_NOT_SET:
    break;
  }
  return {osync::Code::corrupt, "holds neither a group nor a listing piece"};
}

/// The counts that bound everything which follows, and the sequence numbers.
Status check_items(const Frame& frame) {
  Status status = check_count("items", static_cast<std::size_t>(frame.items_size()), max_items);
  if (!status.ok()) return status;
  std::size_t records = 0;
  std::uint64_t expected = frame.items_size() > 0 ? sequence_of(frame.items(0)) : 0;
  for (int i = 0; i < frame.items_size(); ++i, ++expected) {
    const StreamItem& item = frame.items(i);
    records += static_cast<std::size_t>(item.group().operations_size() + item.listing().entries_size());
    const std::uint64_t sequence = sequence_of(item);
    if (sequence == 0 || sequence != expected)
      return within(numbered("item", static_cast<std::size_t>(i)),
                    {osync::Code::corrupt, "sequence " + std::to_string(sequence) + ", expected " +
                                               (i == 0 ? "at least 1" : std::to_string(expected))});
  }
  return check_count("operations and entries", records, max_records);
}

/// "sequences 7 to 9": the groups with a payload in part `number` (from 1).
std::string sequences_in_part(const Frame& frame, std::uint32_t number) {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  for (const StreamItem& item : frame.items()) {
    if (!item.has_group() || item.group().payload_part() != number) continue;
    last = item.group().sequence();
    if (first == 0) first = last;
  }
  return "sequences " + std::to_string(first) + " to " + std::to_string(last);
}

Status check_parts(const Frame& frame, const std::vector<Buffer>& parts) {
  if (static_cast<std::size_t>(frame.part_checksums_size()) != parts.size())
    return {osync::Code::corrupt, "payload: " + std::to_string(parts.size()) + " parts, expected " +
                                      std::to_string(frame.part_checksums_size())};
  Status status = check_count("payload parts", parts.size(), max_parts);
  if (!status.ok()) return status;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    bytes += parts[i].size();
    status = check_length(("payload part " + std::to_string(i + 1)).c_str(), parts[i].size(), max_part_bytes);
    if (status.ok()) status = check_length("payload parts together", bytes, max_payload_bytes);
    if (!status.ok()) return status;
    if (checksum(parts[i].bytes()) != frame.part_checksums(static_cast<int>(i)))
      return {osync::Code::corrupt,
              "payload: checksum (XXH3-64) of part " + std::to_string(i + 1) + " does not match: " +
                  sequences_in_part(frame, static_cast<std::uint32_t>(i + 1)) + " damaged on the way"};
  }
  return {};
}

} // namespace

Result<engine::Frame> take_frame(Frame& from, const std::vector<Buffer>& parts) {
  Status status = check_items(from);
  if (status.ok()) status = check_parts(from, parts);
  if (!status.ok()) return within("frame", status);
  PayloadReader payloads(parts);
  engine::Frame frame;
  frame.session = from.session();
  frame.items.resize(static_cast<std::size_t>(from.items_size()));
  for (std::size_t i = 0; i < frame.items.size(); ++i) {
    StreamItem& item = *from.mutable_items(static_cast<int>(i));
    status = take_item(item, payloads, frame.items[i]);
    if (!status.ok())
      return within("frame: " + numbered("item", i) + " (sequence " + std::to_string(sequence_of(item)) + ")",
                    status);
  }
  status = payloads.finish();
  if (!status.ok()) return within("frame", status);
  return frame;
}

} // namespace osync::wire
