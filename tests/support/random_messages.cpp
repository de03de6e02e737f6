#include "support/random_messages.h"

#include <algorithm>
#include <limits>

namespace osync::test {

using namespace engine;

// ---- values
// -----------------------------------------------------------------------------------------------------

/// Small, large, and at the edges alike.
std::uint64_t RandomMessages::number() {
  switch (below(4)) {
  case 0:
    return below(4);
  case 1:
    return below(100'000);
  case 2:
    return random_() >> below(64);
  default:
    return std::numeric_limits<std::uint64_t>::max() - below(2);
  }
}

std::string RandomMessages::bytes(std::size_t most) {
  std::string text(below(most + 1), '\0');
  for (char& c : text) c = static_cast<char>(below(256));
  return text;
}

std::string RandomMessages::name() {
  if (chance(3)) return std::string(255, static_cast<char>('a' + below(26)));
  std::string text = bytes(chance(80) ? 24 : 254) + 'n';
  for (char& c : text)
    if (c == '/' || c == '\0') c = '\xff';
  return text;
}

std::string RandomMessages::path() {
  std::string text;
  const std::uint64_t depth = chance(3) ? 40 : below(6);
  for (std::uint64_t i = 0; i < depth; ++i) text += (i == 0 ? "" : "/") + name();
  return text;
}

std::string RandomMessages::symlink_target() {
  std::string text = chance(5) ? std::string(4095, 't') : bytes(60) + '/';
  std::replace(text.begin(), text.end(), '\0', '.');
  return text;
}

std::vector<Xattr> RandomMessages::xattrs() {
  std::vector<Xattr> list(below(4));
  for (Xattr& xattr : list) {
    xattr.name = "user." + name().substr(0, 200);
    xattr.value = bytes(chance(5) ? 60'000 : 40);
  }
  std::sort(list.begin(), list.end(), [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
  list.erase(
      std::unique(list.begin(), list.end(), [](const Xattr& a, const Xattr& b) { return a.name == b.name; }),
      list.end());
  return list;
}

Attributes RandomMessages::attributes(FileType type) {
  Attributes a;
  a.type = type;
  a.mode = static_cast<std::uint32_t>(below(010000));
  a.uid = static_cast<std::uint32_t>(number());
  a.gid = static_cast<std::uint32_t>(number());
  a.links = chance(80) ? 1 : static_cast<std::uint32_t>(number());
  a.size = number() >> 1;
  a.mtime = {static_cast<std::int64_t>(number()), static_cast<std::uint32_t>(below(1'000'000'000))};
  if (type == FileType::character_device || type == FileType::block_device) {
    a.device_major = static_cast<std::uint32_t>(number());
    a.device_minor = static_cast<std::uint32_t>(number());
  }
  a.has_xattrs = chance(30);
  if (a.has_xattrs) a.xattrs = xattrs();
  return a;
}

Uuid RandomMessages::uuid() {
  Uuid id{};
  if (chance(80))
    for (std::uint8_t& byte : id) byte = static_cast<std::uint8_t>(below(256));
  return id;
}

ReplicaIdentity RandomMessages::identity() {
  ReplicaIdentity id;
  id.source = uuid();
  id.replica = uuid();
  id.epoch = number();
  return id;
}

Status RandomMessages::failure() {
  const auto code = static_cast<Code>(1 + below(static_cast<std::uint64_t>(Code::internal)));
  return {code, bytes(200), path().substr(0, 1000), static_cast<int>(below(4096))};
}

// ---- operations and entries
// -------------------------------------------------------------------------------------

namespace {

constexpr std::uint64_t kinds = static_cast<std::uint64_t>(OperationKind::move_directory) + 1;

FileType any_type(std::uint64_t number) { return static_cast<FileType>(1 + number % 7); }

} // namespace

Operation RandomMessages::operation(OperationKind kind, std::string& payload) {
  Operation o;
  o.kind = kind;
  const bool staged = kind == OperationKind::stage_data || kind == OperationKind::discard_stage;
  if (!staged) o.name = name();
  if (staged || kind == OperationKind::publish) o.stage = 1 + (number() >> 1);
  if (kind == OperationKind::put_file || kind == OperationKind::stage_data) {
    const std::string content = bytes(chance(10) ? 30'000 : 300);
    o.payload_offset = static_cast<std::uint32_t>(payload.size());
    o.length = static_cast<std::uint32_t>(content.size());
    payload += content;
  }
  switch (kind) {
  case OperationKind::put_file:
  case OperationKind::publish:
    o.attributes = attributes(FileType::regular);
    break;
  case OperationKind::make_directory:
  case OperationKind::move_directory:
    o.attributes = attributes(FileType::directory);
    break;
  case OperationKind::make_symlink:
    o.attributes = attributes(FileType::symlink);
    break;
  case OperationKind::make_special:
    o.attributes = attributes(static_cast<FileType>(4 + below(4)));
    break;
  case OperationKind::set_attributes:
    o.attributes = attributes(any_type(below(7)));
    break;
  default:
    break;
  }
  if ((kind == OperationKind::remove && chance(50)) || kind == OperationKind::move_directory) o.stage = number() >> 1;
  if (kind == OperationKind::move_directory) o.target = chance(50) ? path() : std::string();
  if (kind == OperationKind::move_directory && o.target.empty() && o.stage == 0) o.stage = 1;
  if (kind == OperationKind::make_symlink) o.target = symlink_target();
  if (kind == OperationKind::make_link) o.target = path() + (o.target.empty() ? "" : "/");
  if (kind == OperationKind::make_link && o.target.empty()) o.target = name();
  if (kind == OperationKind::stage_data) o.offset = number() >> 2;
  if (kind == OperationKind::publish) o.digest = {number(), number()};
  o.possibly_torn = chance(5);
  return o;
}

OperationGroup RandomMessages::group(std::uint64_t sequence) {
  OperationGroup g;
  g.sequence = sequence;
  g.directory = path();
  if (chance(70)) g.directory_attributes = attributes(FileType::directory);
  std::string payload;
  g.operations.resize(below(8));
  for (Operation& o : g.operations) o = operation(static_cast<OperationKind>(below(kinds)), payload);
  g.payload = Buffer::copy_of(payload);
  return g;
}

ListedEntry RandomMessages::entry() {
  ListedEntry e;
  e.name = name();
  e.attributes = attributes(static_cast<FileType>(below(8)));
  if (e.attributes.type == FileType::symlink) e.target = symlink_target();
  e.has_digest = chance(30);
  if (e.has_digest) e.digest = {number(), number()};
  e.mount = chance(3);
  if (e.attributes.links > 1 && e.attributes.type != FileType::directory) e.attributes.inode = number();
  return e;
}

ListingPiece RandomMessages::listing(std::uint64_t sequence) {
  ListingPiece piece;
  piece.sequence = sequence;
  piece.directory = path();
  piece.listing = number();
  piece.first = chance(50);
  piece.last = chance(50);
  piece.entries.resize(below(10));
  for (ListedEntry& e : piece.entries) e = entry();
  return piece;
}

Frame RandomMessages::frame() {
  Frame f;
  f.session = number();
  f.items.resize(below(6));
  std::uint64_t sequence = 1 + (number() >> 1);
  for (StreamItem& item : f.items) {
    if (chance(70))
      item = group(sequence++);
    else
      item = listing(sequence++);
  }
  return f;
}

// ---- messages
// ---------------------------------------------------------------------------------------------------

Acknowledge RandomMessages::acknowledge() {
  Acknowledge a;
  a.session = number();
  a.received = number();
  a.applied = a.received - std::min(a.received, below(1000));
  a.durable = a.applied - std::min(a.applied, below(1000));
  a.failures.resize(below(4));
  for (WireFailure& f : a.failures)
    f = {1 + (number() >> 1), static_cast<std::uint32_t>(number()), failure()};
  return a;
}

ListingAnswer RandomMessages::answer() {
  ListingAnswer a;
  a.session = number();
  a.sequence = 1 + (number() >> 1);
  if (chance(20)) a.status = failure();
  a.wants.resize(below(6));
  for (ListingAnswer::Want& want : a.wants) want = {name(), chance(50)};
  a.extras.resize(below(6));
  for (ListingAnswer::Extra& extra : a.extras) extra = {name(), chance(50), number()};
  a.last = chance(50);
  return a;
}

Ready RandomMessages::ready() {
  Ready r;
  r.session = number();
  r.identity = identity();
  r.window = number();
  r.empty = chance(50);
  r.adopted = chance(50);
  r.compare_contents = chance(50);
  r.capabilities.owners = chance(50);
  r.capabilities.devices = chance(50);
  r.capabilities.xattrs = chance(50);
  r.capabilities.privileged_xattrs = chance(50);
  r.capabilities.hard_links = chance(50);
  r.capabilities.case_sensitive = chance(50);
  r.capabilities.time_granularity_ns = static_cast<std::uint32_t>(1 + below(2'000'000'000));
  r.capabilities.description = bytes(100);
  return r;
}

SinkMessage RandomMessages::sink_message() { return sink_message(below(std::variant_size_v<SinkMessage>)); }

SinkMessage RandomMessages::sink_message(std::size_t index) {
  switch (index) {
  case 0: {
    Register r;
    r.build = bytes(40);
    r.pipeline = "photos-" + std::to_string(below(1000));
    r.replica_name = "mirror" + std::to_string(below(1000));
    r.identity = identity();
    r.take_over = chance(50);
    return r;
  }
  case 1:
    return ready();
  case 2:
    return acknowledge();
  case 3:
    return answer();
  case 4:
    return TransferReport{number(), number(), number(), number(), number(), number(), chance(50)};
  default:
    return Unregister{number(), chance(50) ? failure() : Status()};
  }
}

SourceMessage RandomMessages::source_message() {
  return source_message(below(std::variant_size_v<SourceMessage>));
}

SourceMessage RandomMessages::source_message(std::size_t index) {
  switch (index) {
  case 0: {
    Welcome w;
    w.session = number();
    w.build = bytes(40);
    w.source = uuid();
    w.durability_interval_ms = static_cast<std::uint32_t>(number());
    return w;
  }
  case 1:
    return Refuse{static_cast<Code>(1 + below(static_cast<std::uint64_t>(Code::internal))), bytes(100)};
  case 2:
    return frame();
  case 3:
    return SyncRequest{number(), number(), chance(50)};
  default:
    return Farewell{number(), chance(50), bytes(100)};
  }
}

} // namespace osync::test
