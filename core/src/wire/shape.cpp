#include "wire/shape.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "osync.pb.h"
#include "wire/codec.h"
#include "wire/varint.h"

namespace osync::wire {
namespace {

/// What a length-delimited field holds: bytes; an object without objects in it; a message of a session, with
/// few objects in it; or an object to look into.
enum class Shape : std::uint8_t {
  bytes,
  plain,
  session,
  envelope,
  frame,
  item,
  group,
  operation,
  attributes,
  listing,
  entry,
  acknowledge,
  failure,
  answer
};

Shape envelope_field(std::uint64_t field) noexcept {
  switch (field) {
  case Envelope::kFrameFieldNumber:
    return Shape::frame;
  case Envelope::kAcknowledgeFieldNumber:
    return Shape::acknowledge;
  case Envelope::kListingAnswerFieldNumber:
    return Shape::answer;
  default:
    return Shape::session;
  }
}

/// What `field` of an object of shape `parent` holds.
Shape field_shape(Shape parent, std::uint64_t field) noexcept {
  const auto when = [field](int number, Shape shape) {
    return field == static_cast<std::uint64_t>(number) ? shape : Shape::bytes;
  };
  switch (parent) {
  case Shape::envelope:
    return envelope_field(field);
  case Shape::frame:
    return when(Frame::kItemsFieldNumber, Shape::item);
  case Shape::item:
    return field == StreamItem::kGroupFieldNumber ? Shape::group
                                                  : when(StreamItem::kListingFieldNumber, Shape::listing);
  case Shape::group:
    return field == OperationGroup::kOperationsFieldNumber
               ? Shape::operation
               : when(OperationGroup::kDirectoryAttributesFieldNumber, Shape::attributes);
  case Shape::operation:
    return when(Operation::kAttributesFieldNumber, Shape::attributes);
  case Shape::listing:
    return when(ListingPiece::kEntriesFieldNumber, Shape::entry);
  case Shape::entry:
    return when(ListedEntry::kAttributesFieldNumber, Shape::attributes);
  case Shape::attributes:
    return when(Attributes::kXattrsFieldNumber, Shape::plain);
  case Shape::acknowledge:
    return when(Acknowledge::kFailuresFieldNumber, Shape::failure);
  case Shape::failure:
    return when(OperationFailure::kFailureFieldNumber, Shape::plain);
  case Shape::answer:
    return field == ListingAnswer::kWantsFieldNumber || field == ListingAnswer::kExtrasFieldNumber
               ? Shape::plain
               : Shape::bytes;
  case Shape::bytes:
  case Shape::plain:
  case Shape::session:
    break;
  }
  return Shape::bytes;
}

/// What protobuf allocates for an object, and for the pointer to it where there may be several.
constexpr std::size_t object_bytes(Shape shape) noexcept {
  constexpr std::size_t pointer = sizeof(void*);
  switch (shape) {
  case Shape::bytes:
    return 0;
  case Shape::plain:
    return pointer + std::max({sizeof(Xattr), sizeof(Failure), sizeof(Want), sizeof(Extra)});
  case Shape::session:
    return sizeof(Ready) + sizeof(ReplicaIdentity) + sizeof(SinkCapabilities); // the largest
  case Shape::envelope:
    return sizeof(Envelope);
  case Shape::frame:
    return sizeof(Frame);
  case Shape::item:
    return pointer + sizeof(StreamItem);
  case Shape::group:
    return sizeof(OperationGroup);
  case Shape::operation:
    return pointer + sizeof(Operation);
  case Shape::attributes:
    return sizeof(Attributes);
  case Shape::listing:
    return sizeof(ListingPiece);
  case Shape::entry:
    return pointer + sizeof(ListedEntry);
  case Shape::acknowledge:
    return sizeof(Acknowledge);
  case Shape::failure:
    return pointer + sizeof(OperationFailure);
  case Shape::answer:
    return sizeof(ListingAnswer);
  }
  return 0;
}

constexpr bool has_objects(Shape shape) noexcept { return shape > Shape::session; }

enum class Step : std::uint8_t { done, too_many, malformed };

/// The walk: a stack of the objects around `at_`, as deep as the schema.
class Walk {
 public:
  explicit Walk(std::string_view envelope) noexcept : at_(envelope.data()) {
    stack_[0] = {envelope.data() + envelope.size(), Shape::envelope};
  }

  Step run() noexcept {
    while (depth_ > 0) {
      if (at_ == top().end) {
        --depth_;
        continue;
      }
      std::uint64_t tag = 0;
      if (!read_varint(at_, top().end, tag) || !skip_or_enter(tag)) return Step::malformed;
      if (object_bytes_ > max_object_bytes) return Step::too_many;
    }
    return Step::done;
  }

 private:
  struct Level {
    const char* end = nullptr;
    Shape shape = Shape::bytes;
  };

  Level& top() noexcept { return stack_[depth_ - 1]; }

  bool skip(std::uint64_t bytes) noexcept {
    if (bytes > static_cast<std::uint64_t>(top().end - at_)) return false;
    at_ += bytes;
    return true;
  }

  bool skip_or_enter(std::uint64_t tag) noexcept {
    std::uint64_t value = 0;
    switch (tag & 7u) { // the wire type
    case 0:
      return read_varint(at_, top().end, value);
    case 1:
      return skip(8);
    case 5:
      return skip(4);
    case 2:
      return read_varint(at_, top().end, value) && enter(field_shape(top().shape, tag >> 3), value);
    default:
      return false; // groups are not used by proto3
    }
  }

  bool enter(Shape shape, std::uint64_t bytes) noexcept {
    object_bytes_ += object_bytes(shape);
    if (!has_objects(shape) || depth_ == stack_.size()) return skip(bytes);
    if (bytes > static_cast<std::uint64_t>(top().end - at_)) return false;
    stack_[depth_++] = {at_ + bytes, shape};
    return true;
  }

  static constexpr std::size_t schema_depth = 6; // envelope, frame, item, group, operation, attributes
  const char* at_;
  std::array<Level, schema_depth> stack_{};
  std::size_t depth_ = 1;
  std::size_t object_bytes_ = 0;
};

} // namespace

Status check_shape(std::string_view envelope) {
  switch (Walk(envelope).run()) {
  case Step::done:
    return {};
  case Step::too_many:
    return {osync::Code::corrupt,
            "envelope: its objects would take more than " + std::to_string(max_object_bytes) + " bytes"};
  case Step::malformed:
    break;
  }
  return {osync::Code::corrupt, "envelope: malformed: a field does not end within its object"};
}

} // namespace osync::wire
