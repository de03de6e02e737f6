// Every kind of message survives encoding and decoding, field by field.
#include <catch2/catch.hpp>

#include "support/random_messages.h"
#include "wire/codec.h"

namespace osync {
namespace {

using test::difference;
using test::RandomMessages;

engine::SinkMessage through(const engine::SinkMessage& message) {
  Result<engine::SinkMessage> decoded = wire::decode_sink_message(wire::encode(message));
  INFO(decoded.status().to_string());
  REQUIRE(decoded.ok());
  return std::move(decoded).value();
}

engine::SourceMessage through(const engine::SourceMessage& message) {
  Result<engine::SourceMessage> decoded = wire::decode_source_message(wire::encode(message));
  INFO(decoded.status().to_string());
  REQUIRE(decoded.ok());
  return std::move(decoded).value();
}

engine::Frame through_frame(engine::Frame frame) {
  return std::get<engine::Frame>(through(engine::SourceMessage(std::move(frame))));
}

engine::Frame frame_of(OperationGroup group) {
  engine::Frame frame;
  group.sequence = 1;
  frame.items.emplace_back(std::move(group));
  return frame;
}

} // namespace

TEST_CASE("wire: random messages of every kind come back equal, field by field", "[wire]") {
  constexpr std::uint64_t seeds = 300;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    RandomMessages random(seed);
    for (std::size_t kind = 0; kind < std::variant_size_v<engine::SinkMessage>; ++kind) {
      const engine::SinkMessage message = random.sink_message(kind);
      INFO("seed " << seed << ", sink message of kind " << kind);
      REQUIRE(difference(message, through(message)) == "");
    }
    for (std::size_t kind = 0; kind < std::variant_size_v<engine::SourceMessage>; ++kind) {
      const engine::SourceMessage message = random.source_message(kind);
      INFO("seed " << seed << ", source message of kind " << kind);
      REQUIRE(difference(message, through(message)) == "");
    }
  }
}

TEST_CASE("wire: every kind of operation comes back equal on its own", "[wire]") {
  RandomMessages random(11);
  for (int kind = 0; kind <= static_cast<int>(OperationKind::set_attributes); ++kind)
    for (int i = 0; i < 50; ++i) {
      OperationGroup group;
      std::string payload;
      group.operations.push_back(random.operation(static_cast<OperationKind>(kind), payload));
      group.payload = Buffer::copy_of(payload);
      const engine::SourceMessage message = frame_of(group);
      INFO("operation kind " << kind);
      REQUIRE(difference(message, through(message)) == "");
    }
}

TEST_CASE("wire: values at their bounds travel", "[wire]") {
  OperationGroup group;
  group.directory = std::string(255, 'd');
  while (group.directory.size() + 256 <= wire::max_path_bytes) group.directory += '/' + std::string(255, 'd');
  Operation link;
  link.kind = OperationKind::make_link;
  link.name = std::string(255, 'n');
  link.target = group.directory;
  Operation symlink;
  symlink.kind = OperationKind::make_symlink;
  symlink.name = "s";
  symlink.attributes.type = FileType::symlink;
  symlink.attributes.mtime = {std::numeric_limits<std::int64_t>::min(), 999'999'999};
  symlink.target = std::string(wire::max_symlink_bytes, '/');
  Operation file;
  file.name = "f";
  file.attributes.type = FileType::regular;
  file.attributes.mode = 07777;
  file.attributes.size = std::numeric_limits<std::int64_t>::max();
  file.attributes.has_xattrs = true;
  for (std::size_t i = 0; i < 15; ++i)
    file.attributes.xattrs.push_back({std::string(wire::max_xattr_name_bytes, static_cast<char>('a' + i)),
                                      std::string(wire::max_xattr_value_bytes, 'v')});
  group.operations = {link, symlink, file};
  const engine::SourceMessage message = frame_of(group);
  CHECK(difference(message, through(message)) == "");
  for (const Operation& operation : group.operations)
    CHECK(wire::can_travel(group.directory, operation).ok());
}

TEST_CASE("wire: what only means something on the source does not travel", "[wire]") {
  engine::ListingPiece piece;
  piece.sequence = 1;
  engine::ListedEntry entry;
  entry.name = "a";
  entry.attributes.type = FileType::regular;
  entry.attributes.blocks = 8;
  entry.attributes.inode = 77;
  entry.attributes.ctime = {5, 6};
  entry.id = {1, 2};
  piece.entries.push_back(entry);
  entry.name = "b";
  entry.attributes.links = 2;
  piece.entries.push_back(entry);
  entry.name = "c";
  entry.attributes.type = FileType::directory; // its links are its subdirectories, not names
  piece.entries.push_back(entry);
  engine::Frame frame;
  frame.items.emplace_back(piece);

  const engine::Frame back = through_frame(frame);
  const auto& entries = std::get<engine::ListingPiece>(back.items.at(0)).entries;
  REQUIRE(entries.size() == 3);
  for (const engine::ListedEntry& e : entries) {
    CHECK(e.attributes.blocks == 0);
    CHECK(e.attributes.ctime == Timestamp{});
    CHECK_FALSE(e.id.valid());
  }
  CHECK(entries[0].attributes.inode == 0);
  CHECK(entries[1].attributes.inode == 77); // the link group
  CHECK(entries[2].attributes.inode == 0);
}

TEST_CASE("wire: fields that a kind of operation does not use are left at home", "[wire]") {
  OperationGroup group;
  group.payload = Buffer::copy_of("content");
  for (const OperationKind kind :
       {OperationKind::put_file, OperationKind::remove, OperationKind::discard_stage}) {
    Operation o;
    o.kind = kind;
    o.name = "n";
    o.attributes.type = FileType::regular;
    o.target = "left over";
    o.stage = 5;
    o.offset = 6;
    o.length = 7;
    o.digest = {8, 9};
    group.operations.push_back(o);
  }
  const engine::Frame back = through_frame(frame_of(group));
  const auto& operations = std::get<OperationGroup>(back.items.at(0)).operations;
  REQUIRE(operations.size() == 3);
  for (const Operation& o : operations) {
    CHECK(o.target.empty());
    CHECK(o.offset == 0);
    CHECK(o.digest == Digest{});
    CHECK(o.stage == (o.kind == OperationKind::put_file ? 0 : 5)); // a removal may put aside under a number
    CHECK(o.length == (o.kind == OperationKind::put_file ? 7 : 0));
  }
  CHECK(operations[2].name.empty());
}

TEST_CASE("wire: text for people is cut to its bound, and travels", "[wire]") {
  const std::string text(5000, 'x');
  const auto unregister = std::get<engine::Unregister>(
      through(engine::SinkMessage(engine::Unregister{1, Status(Code::no_space, text, text, 28)})));
  CHECK(unregister.status.code() == Code::no_space);
  CHECK(unregister.status.sys_errno() == 28);
  CHECK(unregister.status.message().size() == wire::max_text_bytes);
  CHECK(unregister.status.path().size() == wire::max_failure_path_bytes);
  const auto refuse =
      std::get<engine::Refuse>(through(engine::SourceMessage(engine::Refuse{Code::conflict, text})));
  CHECK(refuse.reason.size() == wire::max_text_bytes);
}

TEST_CASE("wire: header_bound() is no less than what encoding adds", "[wire]") {
  RandomMessages random(21);
  for (int i = 0; i < 2000; ++i) {
    engine::Frame frame = frame_of({});
    auto& group = std::get<OperationGroup>(frame.items[0]);
    const std::size_t before = wire::encode(engine::SourceMessage(frame)).header.size();
    std::string payload;
    group.operations.push_back(random.operation(static_cast<OperationKind>(random.below(10)), payload));
    const std::size_t operation = wire::encode(engine::SourceMessage(frame)).header.size();
    // The lengths of the objects around may grow by 3 bytes each.
    REQUIRE(operation - before <= wire::header_bound(group.operations[0]) + 9);

    engine::ListingPiece piece;
    piece.sequence = 2;
    frame.items.emplace_back(piece);
    const std::size_t without = wire::encode(engine::SourceMessage(frame)).header.size();
    const engine::ListedEntry entry = random.entry();
    std::get<engine::ListingPiece>(frame.items[1]).entries.push_back(entry);
    const std::size_t with = wire::encode(engine::SourceMessage(frame)).header.size();
    REQUIRE(with - without <= wire::header_bound(entry) + 9);
  }
}

TEST_CASE("wire: can_travel() names what a message cannot hold", "[wire]") {
  Operation file;
  file.name = "f";
  file.attributes.type = FileType::regular;
  file.attributes.has_xattrs = true;
  CHECK(wire::can_travel("", file).ok());
  CHECK(wire::can_travel(std::string(wire::max_path_bytes + 1, 'd'), file).code() == Code::limit);

  Operation many = file;
  for (std::size_t i = 0; i <= wire::max_xattrs; ++i)
    many.attributes.xattrs.push_back({"user." + std::to_string(100000 + i), ""});
  CHECK(wire::can_travel("", many).code() == Code::limit);
  many.attributes.xattrs.pop_back();
  CHECK(wire::can_travel("", many).ok());

  Operation heavy = file;
  for (std::size_t i = 0; i < 17; ++i)
    heavy.attributes.xattrs.push_back(
        {std::string(1, static_cast<char>('a' + i)), std::string(wire::max_xattr_value_bytes, 'v')});
  CHECK(wire::can_travel("", heavy).code() == Code::limit);

  Operation symlink;
  symlink.kind = OperationKind::make_symlink;
  symlink.target = std::string(wire::max_symlink_bytes + 1, 't');
  CHECK(wire::can_travel("", symlink).code() == Code::limit);

  engine::ListedEntry entry;
  entry.name = "e";
  CHECK(wire::can_travel("d", entry).ok());
  entry.attributes = many.attributes;
  entry.attributes.xattrs.push_back({"user.z", ""});
  CHECK(wire::can_travel("d", entry).code() == Code::limit);
  CHECK(std::string(wire::can_travel("d", entry).message()).find("xattrs: 16385, at most 16384") !=
        std::string::npos);
}

} // namespace osync
