// Well-formed protobufs that a peer of good will would never send, one for each check.
#include <catch2/catch.hpp>

#include "osync.pb.h"
#include "support/random_messages.h"
#include "wire/codec.h"
#include "wire/header.h"

namespace osync {
namespace {

Message message_of(const wire::Envelope& envelope, std::vector<Buffer> payloads = {}) {
  Message message;
  message.header = std::string(wire::magic) + envelope.SerializeAsString();
  wire::seal(message.header);
  message.payloads = std::move(payloads);
  return message;
}

/// Checks that a source's message is refused, and that the reason contains `expected`.
void refused_by_sink(const wire::Envelope& envelope, const std::string& expected,
                     std::vector<Buffer> payloads = {}) {
  const Status status = wire::decode_source_message(message_of(envelope, std::move(payloads))).status();
  INFO(status.to_string());
  CHECK(status.code() == Code::corrupt);
  CHECK(std::string(status.message()).find(expected) != std::string::npos);
}

void refused_by_source(const wire::Envelope& envelope, const std::string& expected) {
  const Status status = wire::decode_sink_message(message_of(envelope)).status();
  INFO(status.to_string());
  CHECK(status.code() == Code::corrupt);
  CHECK(std::string(status.message()).find(expected) != std::string::npos);
}

wire::Envelope versioned() {
  wire::Envelope envelope;
  envelope.set_version(engine::protocol_version);
  return envelope;
}

/// A frame of one group (sequence 7) with one valid put_file of 4 bytes, for tests to spoil.
struct FrameOfOne {
  wire::Envelope envelope = versioned();
  wire::Frame* frame = envelope.mutable_frame();
  wire::OperationGroup* group = frame->add_items()->mutable_group();
  wire::Operation* operation = group->add_operations();
  wire::Attributes* attributes = operation->mutable_attributes();
  std::vector<Buffer> payloads = {Buffer::copy_of("data")};

  FrameOfOne() {
    frame->add_part_checksums(wire::checksum(payloads[0].bytes()));
    group->set_sequence(7);
    group->set_payload_part(1);
    group->set_payload_length(4);
    operation->set_name("file");
    operation->set_length(4);
    attributes->set_type(wire::FILE_TYPE_REGULAR);
  }

  void refused(const std::string& expected) const { refused_by_sink(envelope, expected, payloads); }

  /// Makes it an operation of another kind, without content.
  wire::Operation& as(wire::OperationKind kind, wire::FileType type) {
    operation->set_kind(kind);
    operation->set_length(0);
    attributes->set_type(type);
    return *operation;
  }
};

struct ListingOfOne {
  wire::Envelope envelope = versioned();
  wire::ListingPiece* listing = envelope.mutable_frame()->add_items()->mutable_listing();
  wire::ListedEntry* entry = listing->add_entries();

  ListingOfOne() {
    listing->set_sequence(7);
    entry->set_name("file");
    entry->mutable_attributes()->set_type(wire::FILE_TYPE_REGULAR);
  }
  void refused(const std::string& expected) const { refused_by_sink(envelope, expected); }
};

const std::vector<std::string> bad_names = {
    "", ".", "..", "a/b", "/", std::string("a\0b", 3), std::string(256, 'n')};

} // namespace

TEST_CASE("wire hostile: the unspoilt samples decode", "[wire]") {
  const FrameOfOne one;
  const auto group = wire::decode_source_message(message_of(one.envelope, one.payloads));
  INFO(group.status().to_string());
  CHECK(group.ok());
  CHECK(wire::decode_source_message(message_of(ListingOfOne().envelope)).ok());
}

TEST_CASE("wire hostile: names", "[wire]") {
  for (const std::string& name : bad_names) {
    FrameOfOne put;
    put.operation->set_name(name);
    put.refused("frame: item 0 (sequence 7): operation 0: name");
    ListingOfOne listing;
    listing.entry->set_name(name);
    listing.refused("frame: item 0 (sequence 7): entry 0: name");
    wire::Envelope wants = versioned();
    wants.mutable_listing_answer()->set_sequence(1);
    wants.mutable_listing_answer()->add_wants()->set_name("good");
    wants.mutable_listing_answer()->add_wants()->set_name(name);
    refused_by_source(wants, "listing answer: want 1: name");
    wire::Envelope extras = versioned();
    extras.mutable_listing_answer()->set_sequence(1);
    extras.mutable_listing_answer()->add_extras()->set_name(name);
    refused_by_source(extras, "listing answer: extra 0: name");
  }
}

TEST_CASE("wire hostile: paths", "[wire]") {
  for (const std::string path : {"/etc", "a//b", "a/", "../x", "a/../b", "."}) {
    FrameOfOne put;
    put.group->set_directory(path);
    put.refused("frame: item 0 (sequence 7): directory");
    ListingOfOne listing;
    listing.listing->set_directory(path);
    listing.refused("directory");
    FrameOfOne link;
    link.as(wire::OPERATION_MAKE_LINK, wire::FILE_TYPE_REGULAR).set_target(path);
    link.refused("operation 0: link target");
  }
  FrameOfOne deep;
  std::string path = "d";
  while (path.size() <= wire::max_path_bytes) path += "/d";
  deep.group->set_directory(path);
  deep.refused("directory: 65537 bytes, at most 65536");
}

TEST_CASE("wire hostile: kinds and types", "[wire]") {
  FrameOfOne kind;
  kind.operation->set_kind(static_cast<wire::OperationKind>(11));
  kind.refused("operation kind 11 is unknown, the last known is 10");
  FrameOfOne negative;
  negative.operation->set_kind(static_cast<wire::OperationKind>(-1));
  negative.refused("operation kind -1 is unknown");
  FrameOfOne type;
  type.attributes->set_type(static_cast<wire::FileType>(8));
  type.refused("file type 8 is unknown, the last known is 7");
  ListingOfOne listed;
  listed.entry->mutable_attributes()->set_type(static_cast<wire::FileType>(300));
  listed.refused("entry 0: file type 300 is unknown");

  using Pair = std::pair<wire::OperationKind, wire::FileType>;
  for (const auto& [wrong, other] : {Pair{wire::OPERATION_PUT_FILE, wire::FILE_TYPE_DIRECTORY},
                                     Pair{wire::OPERATION_MAKE_DIRECTORY, wire::FILE_TYPE_REGULAR},
                                     Pair{wire::OPERATION_MAKE_SYMLINK, wire::FILE_TYPE_REGULAR},
                                     Pair{wire::OPERATION_MAKE_SPECIAL, wire::FILE_TYPE_REGULAR},
                                     Pair{wire::OPERATION_MAKE_SPECIAL, wire::FILE_TYPE_DIRECTORY},
                                     Pair{wire::OPERATION_PUBLISH, wire::FILE_TYPE_FIFO}}) {
    FrameOfOne one;
    one.as(wrong, other);
    one.refused("does not fit the kind of operation");
  }
  FrameOfOne untyped;
  untyped.attributes->set_type(wire::FILE_TYPE_UNKNOWN);
  untyped.refused("attributes: given without a file type");
  FrameOfOne bare;
  bare.operation->clear_attributes();
  bare.refused("file type 0 does not fit");
  FrameOfOne change;
  change.as(wire::OPERATION_SET_ATTRIBUTES, wire::FILE_TYPE_REGULAR).clear_attributes();
  change.refused("file type 0 does not fit");
  FrameOfOne directory;
  directory.group->mutable_directory_attributes()->set_type(wire::FILE_TYPE_REGULAR);
  directory.refused("attributes of the directory: file type: is no directory's");
}

TEST_CASE("wire hostile: attributes", "[wire]") {
  FrameOfOne mode;
  mode.attributes->set_mode(010000);
  mode.refused("mode: 4096, at most 4095");
  FrameOfOne time;
  time.attributes->set_mtime_nanoseconds(1'000'000'000);
  time.refused("mtime: 1000000000 ns");
  FrameOfOne size;
  size.attributes->set_size(1ull << 63);
  size.refused("size: 9223372036854775808");
  FrameOfOne directory;
  directory.group->mutable_directory_attributes()->set_type(wire::FILE_TYPE_DIRECTORY);
  directory.group->mutable_directory_attributes()->set_mode(0xffffffff);
  directory.refused("attributes of the directory: mode");
  ListingOfOne listed;
  listed.entry->mutable_attributes()->set_mtime_nanoseconds(0xffffffff);
  listed.refused("entry 0: mtime");
}

TEST_CASE("wire hostile: extended attributes", "[wire]") {
  const auto refused = [](const std::vector<std::pair<std::string, std::string>>& xattrs,
                          const char* expected) {
    FrameOfOne one;
    one.attributes->set_has_xattrs(true);
    for (const auto& [name, value] : xattrs) {
      wire::Xattr& xattr = *one.attributes->add_xattrs();
      xattr.set_name(name);
      xattr.set_value(value);
    }
    one.refused(expected);
  };
  refused({{"", "v"}}, "a name is empty or holds NUL");
  refused({{std::string("a\0", 2), "v"}}, "a name is empty or holds NUL");
  refused({{std::string(256, 'n'), "v"}}, "xattr name: 256 bytes, at most 255");
  refused({{"user.a", std::string(65537, 'v')}}, "xattr value: 65537 bytes, at most 65536");
  refused({{"user.b", ""}, {"user.a", ""}}, "not ascending by name");
  refused({{"user.a", ""}, {"user.a", ""}}, "not ascending by name");
  std::vector<std::pair<std::string, std::string>> many;
  for (std::size_t i = 0; i <= wire::max_xattrs; ++i)
    many.emplace_back("user." + std::to_string(100000 + i), "");
  refused(many, "xattrs: 16385, at most 16384");
  many.resize(17);
  for (auto& xattr : many) xattr.second.assign(65536, 'v');
  refused(many, "xattrs of one object: 1114299 bytes, at most 1048576");
  FrameOfOne unsaid;
  unsaid.attributes->add_xattrs()->set_name("user.a");
  unsaid.refused("xattrs: given, and said not to be");
}

TEST_CASE("wire hostile: targets", "[wire]") {
  FrameOfOne none;
  none.as(wire::OPERATION_MAKE_SYMLINK, wire::FILE_TYPE_SYMLINK);
  none.refused("symlink without a target");
  FrameOfOne nul;
  nul.as(wire::OPERATION_MAKE_SYMLINK, wire::FILE_TYPE_SYMLINK).set_target(std::string("a\0b", 3));
  nul.refused("symlink target holds NUL");
  FrameOfOne longest;
  longest.as(wire::OPERATION_MAKE_SYMLINK, wire::FILE_TYPE_SYMLINK).set_target(std::string(4096, 't'));
  longest.refused("symlink target: 4096 bytes, at most 4095");
  FrameOfOne link;
  link.as(wire::OPERATION_MAKE_LINK, wire::FILE_TYPE_REGULAR);
  link.refused("link without a target");
  FrameOfOne file;
  file.operation->set_target("t");
  file.refused("target: given, and neither symlink, link nor move");
  FrameOfOne move;
  move.as(wire::OPERATION_MOVE_DIRECTORY, wire::FILE_TYPE_DIRECTORY);
  move.refused("move without a directory");
  FrameOfOne outside;
  outside.as(wire::OPERATION_MOVE_DIRECTORY, wire::FILE_TYPE_DIRECTORY).set_target("a/../../b");
  outside.refused("directory to move");
  FrameOfOne moved_file;
  moved_file.as(wire::OPERATION_MOVE_DIRECTORY, wire::FILE_TYPE_REGULAR).set_target("a");
  moved_file.refused("does not fit the kind of operation");
  ListingOfOne listed;
  listed.entry->set_target("t");
  listed.refused("target: given, and the entry is no symlink");
  ListingOfOne listed_link;
  listed_link.entry->mutable_attributes()->set_type(wire::FILE_TYPE_SYMLINK);
  listed_link.entry->set_target(std::string(4096, 't'));
  listed_link.refused("symlink target: 4096 bytes");
}

TEST_CASE("wire hostile: stages, digests and offsets", "[wire]") {
  FrameOfOne publish;
  publish.as(wire::OPERATION_PUBLISH, wire::FILE_TYPE_REGULAR);
  publish.refused("stage: missing");
  FrameOfOne unnamed;
  unnamed.as(wire::OPERATION_PUBLISH, wire::FILE_TYPE_REGULAR).set_stage(1);
  unnamed.operation->clear_name();
  unnamed.refused("name: 0 bytes that are no name");
  FrameOfOne data;
  data.as(wire::OPERATION_STAGE_DATA, wire::FILE_TYPE_REGULAR).clear_name();
  data.refused("stage: missing");
  FrameOfOne named;
  named.as(wire::OPERATION_STAGE_DATA, wire::FILE_TYPE_REGULAR).set_stage(1);
  named.refused("name: given, and the stage is no entry yet");
  FrameOfOne discard;
  discard.as(wire::OPERATION_DISCARD_STAGE, wire::FILE_TYPE_REGULAR).clear_name();
  discard.refused("stage: missing");
  FrameOfOne file;
  file.operation->set_stage(1);
  file.refused("stage: given, and the operation has none");
  FrameOfOne digest;
  digest.operation->set_digest_low(1);
  digest.refused("digest: given, and nothing is published");
  FrameOfOne offset;
  offset.operation->set_offset(1);
  offset.refused("offset: given, and no data is staged");
  FrameOfOne beyond;
  beyond.as(wire::OPERATION_STAGE_DATA, wire::FILE_TYPE_REGULAR).set_stage(1);
  beyond.operation->clear_name();
  beyond.operation->set_length(4);
  beyond.operation->set_offset((1ull << 63) - 4);
  beyond.refused("is beyond the largest file");
  ListingOfOne listed;
  listed.entry->set_digest_high(1);
  listed.refused("digest: given, and said not to be");
  ListingOfOne group;
  group.entry->set_link_group(5);
  group.refused("link group: given for a directory or for an entry of one link");
}

TEST_CASE("wire hostile: payload ranges", "[wire]") {
  const auto refused = [](std::uint32_t offset, std::uint32_t length) {
    FrameOfOne one;
    one.operation->set_payload_offset(offset);
    one.operation->set_length(length);
    one.refused("operation 0: payload: bytes");
  };
  refused(0, 5);
  refused(1, 4);
  refused(5, 0);
  refused(0xffffffff, 1);
  refused(1, 0xffffffff);
  FrameOfOne removal;
  removal.as(wire::OPERATION_REMOVE, wire::FILE_TYPE_REGULAR).set_length(1);
  removal.refused("payload: given, and the operation has no content");
  FrameOfOne part;
  part.group->set_payload_part(2);
  part.refused("payload: part 2 of 1");
  FrameOfOne outside;
  outside.group->set_payload_length(5);
  outside.refused("payload: bytes 0 + 5 of part 1");
  FrameOfOne shorter;
  shorter.group->set_payload_length(3);
  shorter.operation->set_length(3);
  shorter.refused("frame: payload: 3 of 4 bytes of part 1 belong to a group");
  FrameOfOne without;
  without.group->set_payload_part(0);
  without.refused("payload: a range without a part");
}

TEST_CASE("wire hostile: sequences", "[wire]") {
  const auto refused = [](const std::vector<std::uint64_t>& sequences, const char* expected) {
    wire::Envelope envelope = versioned();
    for (const std::uint64_t sequence : sequences)
      envelope.mutable_frame()->add_items()->mutable_listing()->set_sequence(sequence);
    refused_by_sink(envelope, expected);
  };
  refused({0}, "item 0: sequence 0, expected at least 1");
  refused({4, 4}, "item 1: sequence 4, expected 5");
  refused({4, 6}, "item 1: sequence 6, expected 5");
  refused({4, 5, 3}, "item 2: sequence 3, expected 6");
  refused({0xffffffffffffffff, 0}, "item 1: sequence 0, expected 0"); // no wrapping
  wire::Envelope empty = versioned();
  empty.mutable_frame()->add_items();
  refused_by_sink(empty, "item 0: sequence 0");
}

TEST_CASE("wire hostile: counts", "[wire]") {
  wire::Envelope items = versioned();
  for (std::size_t i = 0; i <= wire::max_items; ++i)
    items.mutable_frame()->add_items()->mutable_listing()->set_sequence(i + 1);
  refused_by_sink(items, "items: 4097, at most 4096");

  FrameOfOne operations;
  for (std::size_t i = 0; i < wire::max_operations; ++i)
    *operations.group->add_operations() = *operations.operation;
  operations.refused("operations: 4097, at most 4096");

  ListingOfOne entries;
  for (std::size_t i = 0; i < wire::max_entries; ++i) *entries.listing->add_entries() = *entries.entry;
  entries.refused("entries: 4097, at most 4096");

  wire::Envelope records = versioned();
  for (std::uint64_t i = 0; i < 5; ++i) {
    wire::ListingPiece& piece = *records.mutable_frame()->add_items()->mutable_listing();
    piece = *entries.listing;
    piece.mutable_entries()->RemoveLast();
    piece.set_sequence(i + 1);
  }
  refused_by_sink(records, "operations and entries: 20480, at most 16384");

  wire::Envelope failures = versioned();
  wire::Envelope wants = versioned();
  wire::Envelope extras = versioned();
  wants.mutable_listing_answer()->set_sequence(1);
  extras.mutable_listing_answer()->set_sequence(1);
  for (std::size_t i = 0; i <= wire::max_failures; ++i) failures.mutable_acknowledge()->add_failures();
  for (std::size_t i = 0; i <= wire::max_wants; ++i)
    wants.mutable_listing_answer()->add_wants()->set_name("w");
  for (std::size_t i = 0; i <= wire::max_extras; ++i)
    extras.mutable_listing_answer()->add_extras()->set_name("e");
  refused_by_source(failures, "failures: 1025, at most 1024");
  refused_by_source(wants, "wants: 4097, at most 4096");
  refused_by_source(extras, "extras: 4097, at most 4096");
}

TEST_CASE("wire hostile: more objects than a header may hold are refused before they are made", "[wire]") {
  constexpr std::size_t objects = 800'000; // of two bytes each
  FrameOfOne one;
  for (std::size_t i = 0; i < objects; ++i) one.group->add_operations();
  one.refused("envelope: its objects would take more than 33554432 bytes");
  FrameOfOne xattrs;
  for (std::size_t i = 0; i < objects; ++i) xattrs.attributes->add_xattrs();
  xattrs.refused("envelope: its objects would take more than 33554432 bytes");
  wire::Envelope failures = versioned();
  for (std::size_t i = 0; i <= objects; ++i) failures.mutable_acknowledge()->add_failures();
  refused_by_source(failures, "envelope: its objects would take more");
  wire::Envelope wants = versioned();
  for (std::size_t i = 0; i <= objects; ++i) wants.mutable_listing_answer()->add_wants();
  refused_by_source(wants, "envelope: its objects would take more");
}

TEST_CASE("wire hostile: failures in acknowledgements and answers", "[wire]") {
  const auto refused = [](const wire::Failure& failure, const char* expected) {
    wire::Envelope acknowledge = versioned();
    wire::OperationFailure& entry = *acknowledge.mutable_acknowledge()->add_failures();
    entry.set_sequence(3);
    *entry.mutable_failure() = failure;
    refused_by_source(acknowledge, expected);
    wire::Envelope answer = versioned();
    answer.mutable_listing_answer()->set_sequence(1);
    *answer.mutable_listing_answer()->mutable_failure() = failure;
    refused_by_source(answer, expected);
    wire::Envelope leave = versioned();
    *leave.mutable_unregistration()->mutable_failure() = failure;
    refused_by_source(leave, expected);
  };
  wire::Failure failure;
  refused(failure, "failure: code 0, expected 1 to 17");
  failure.set_code(static_cast<wire::Code>(18));
  refused(failure, "failure: code 18, expected 1 to 17");
  failure.set_code(wire::CODE_IO);
  failure.set_sys_errno(4096);
  refused(failure, "failure: errno: 4096");
  failure.set_sys_errno(5);
  failure.set_message(std::string(1025, 'm'));
  refused(failure, "message: 1025 bytes, at most 1024");
  failure.clear_message();
  failure.set_path(std::string(1025, 'p'));
  refused(failure, "path: 1025 bytes, at most 1024");

  wire::Envelope zero = versioned();
  zero.mutable_acknowledge()->add_failures()->mutable_failure()->set_code(wire::CODE_IO);
  refused_by_source(zero, "acknowledge: failure 0: sequence 0");
}

TEST_CASE("wire hostile: acknowledgements out of order", "[wire]") {
  wire::Envelope durable = versioned();
  durable.mutable_acknowledge()->set_durable(1);
  refused_by_source(durable, "received 0, applied 0, durable 1: expected durable <= applied <= received");
  wire::Envelope applied = versioned();
  applied.mutable_acknowledge()->set_applied(1);
  refused_by_source(applied, "expected durable <= applied <= received");
  wire::Envelope answer = versioned();
  answer.mutable_listing_answer()->set_last(true);
  refused_by_source(answer, "listing answer: sequence 0");
}

TEST_CASE("wire hostile: session messages", "[wire]") {
  wire::Envelope identity = versioned();
  identity.mutable_registration()->mutable_identity()->set_source("fifteen bytes..");
  refused_by_source(identity, "register: identity of the source: 15 bytes, expected 0 or 16");
  wire::Envelope replica = versioned();
  replica.mutable_ready()->mutable_capabilities()->set_time_granularity_ns(1);
  replica.mutable_ready()->mutable_identity()->set_replica(std::string(17, 'r'));
  refused_by_source(replica, "ready: identity of the replica: 17 bytes");
  wire::Envelope label = versioned();
  label.mutable_registration()->set_replica_name("a\nb");
  refused_by_source(label, "replica name: holds control characters");
  wire::Envelope pipeline = versioned();
  pipeline.mutable_registration()->set_pipeline(std::string(256, 'p'));
  refused_by_source(pipeline, "pipeline: 256 bytes, at most 255");
  wire::Envelope build = versioned();
  build.mutable_registration()->set_build(std::string(1025, 'b'));
  refused_by_source(build, "build: 1025 bytes");
  wire::Envelope granularity = versioned();
  granularity.mutable_ready();
  refused_by_source(granularity, "ready: time granularity: 0 ns, expected at least 1");
  wire::Envelope welcome = versioned();
  welcome.mutable_welcome()->set_source("x");
  refused_by_sink(welcome, "welcome: identity of the source: 1 bytes");
  wire::Envelope refuse = versioned();
  refuse.mutable_refuse();
  refused_by_sink(refuse, "refuse: code 0");
  wire::Envelope farewell = versioned();
  farewell.mutable_farewell()->set_reason(std::string(1025, 'r'));
  refused_by_sink(farewell, "farewell: reason: 1025 bytes");
}

TEST_CASE("wire hostile: messages of the wrong side, and of none", "[wire]") {
  test::RandomMessages random(3);
  for (std::size_t kind = 0; kind < std::variant_size_v<engine::SinkMessage>; ++kind)
    CHECK(wire::decode_source_message(wire::encode(random.sink_message(kind))).status().code() ==
          Code::corrupt);
  for (std::size_t kind = 0; kind < std::variant_size_v<engine::SourceMessage>; ++kind)
    CHECK(wire::decode_sink_message(wire::encode(random.source_message(kind))).status().code() ==
          Code::corrupt);
  refused_by_sink(versioned(), "message 0 is not one that a source sends");
  refused_by_source(versioned(), "message 0 is not one that a sink sends");
}

} // namespace osync
