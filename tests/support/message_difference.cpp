// Messages compared field by field.
#include <algorithm>
#include <string>

#include "support/random_messages.h"

namespace osync::test {

using namespace engine;

namespace {

/// Collects the first difference; the place is built only once there is one.
class Comparison {
 public:
  template <class Value>
  Comparison& field(const char* name, const Value& left, const Value& right) {
    if (found_.empty() && !(left == right)) found_ = name;
    return *this;
  }

  /// Values that differ() compares.
  template <class Value>
  Comparison& object(const std::string& name, const Value& left, const Value& right) {
    if (!found_.empty()) return *this;
    const std::string inside = differ(left, right);
    if (!inside.empty()) found_ = name + '.' + inside;
    return *this;
  }

  template <class Value>
  Comparison& list(const std::string& name, const std::vector<Value>& left, const std::vector<Value>& right) {
    field((name + ".size").c_str(), left.size(), right.size());
    for (std::size_t i = 0; found_.empty() && i < left.size(); ++i)
      object(name + '[' + std::to_string(i) + ']', left[i], right[i]);
    return *this;
  }

  [[nodiscard]] const std::string& found() const { return found_; }

 private:
  template <class Value>
  static std::string differ(const Value& left, const Value& right);

  std::string found_;
};

void compare(Comparison& c, const Attributes& a, const Attributes& b) {
  c.field("type", a.type, b.type)
      .field("mode", a.mode, b.mode)
      .field("uid", a.uid, b.uid)
      .field("gid", a.gid, b.gid);
  c.field("device_major", a.device_major, b.device_major)
      .field("device_minor", a.device_minor, b.device_minor);
  c.field("links", a.links, b.links).field("size", a.size, b.size).field("blocks", a.blocks, b.blocks);
  c.field("inode", a.inode, b.inode).field("mtime", a.mtime, b.mtime).field("ctime", a.ctime, b.ctime);
  c.field("has_xattrs", a.has_xattrs, b.has_xattrs).field("xattrs", a.xattrs, b.xattrs);
}

void compare(Comparison& c, const Status& a, const Status& b) {
  c.field("code", a.code(), b.code()).field("sys_errno", a.sys_errno(), b.sys_errno());
  c.field("path", a.path(), b.path()).field("message", a.message(), b.message());
}

void compare(Comparison& c, const ReplicaIdentity& a, const ReplicaIdentity& b) {
  c.field("source", a.source, b.source)
      .field("replica", a.replica, b.replica)
      .field("epoch", a.epoch, b.epoch);
}

void compare(Comparison& c, const SinkCapabilities& a, const SinkCapabilities& b) {
  c.field("owners", a.owners, b.owners)
      .field("devices", a.devices, b.devices)
      .field("xattrs", a.xattrs, b.xattrs);
  c.field("privileged_xattrs", a.privileged_xattrs, b.privileged_xattrs);
  c.field("hard_links", a.hard_links, b.hard_links)
      .field("case_sensitive", a.case_sensitive, b.case_sensitive);
  c.field("time_granularity_ns", a.time_granularity_ns, b.time_granularity_ns);
  c.field("description", a.description, b.description);
}

void compare(Comparison& c, const Operation& a, const Operation& b) {
  c.field("kind", a.kind, b.kind).field("possibly_torn", a.possibly_torn, b.possibly_torn);
  c.field("name", a.name, b.name)
      .object("attributes", a.attributes, b.attributes)
      .field("target", a.target, b.target);
  c.field("stage", a.stage, b.stage).field("offset", a.offset, b.offset);
  c.field("payload_offset", a.payload_offset, b.payload_offset).field("length", a.length, b.length);
  c.field("digest", a.digest, b.digest);
}

void compare(Comparison& c, const OperationGroup& a, const OperationGroup& b) {
  c.field("sequence", a.sequence, b.sequence).field("directory", a.directory, b.directory);
  c.field("has directory_attributes", a.directory_attributes.has_value(), b.directory_attributes.has_value());
  if (a.directory_attributes && b.directory_attributes)
    c.object("directory_attributes", *a.directory_attributes, *b.directory_attributes);
  c.list("operations", a.operations, b.operations);
  c.field("payload", std::ranges::equal(a.payload.bytes(), b.payload.bytes()), true);
}

void compare(Comparison& c, const ListedEntry& a, const ListedEntry& b) {
  c.field("name", a.name, b.name)
      .object("attributes", a.attributes, b.attributes)
      .field("target", a.target, b.target);
  c.field("id", a.id, b.id)
      .field("has_digest", a.has_digest, b.has_digest)
      .field("digest", a.digest, b.digest);
  c.field("mount", a.mount, b.mount);
}

void compare(Comparison& c, const ListingPiece& a, const ListingPiece& b) {
  c.field("sequence", a.sequence, b.sequence).field("directory", a.directory, b.directory);
  c.field("listing", a.listing, b.listing).field("first", a.first, b.first).field("last", a.last, b.last);
  c.list("entries", a.entries, b.entries);
}

template <class... Kinds>
void compare(Comparison& c, const std::variant<Kinds...>& a, const std::variant<Kinds...>& b) {
  c.field("kind", a.index(), b.index());
  if (a.index() != b.index()) return;
  std::visit([&]<class Kind>(const Kind& left) { c.object("message", left, std::get<Kind>(b)); }, a);
}

void compare(Comparison& c, const Register& a, const Register& b) {
  c.field("version", a.version, b.version)
      .field("build", a.build, b.build)
      .field("pipeline", a.pipeline, b.pipeline);
  c.field("replica_name", a.replica_name, b.replica_name).object("identity", a.identity, b.identity);
  c.field("take_over", a.take_over, b.take_over);
}

void compare(Comparison& c, const Ready& a, const Ready& b) {
  c.field("session", a.session, b.session).object("identity", a.identity, b.identity);
  c.field("window", a.window, b.window)
      .field("empty", a.empty, b.empty)
      .field("adopted", a.adopted, b.adopted);
  c.field("compare_contents", a.compare_contents, b.compare_contents);
  c.object("capabilities", a.capabilities, b.capabilities);
}

void compare(Comparison& c, const WireFailure& a, const WireFailure& b) {
  c.field("sequence", a.sequence, b.sequence)
      .field("index", a.index, b.index)
      .object("status", a.status, b.status);
}

void compare(Comparison& c, const Acknowledge& a, const Acknowledge& b) {
  c.field("session", a.session, b.session).field("received", a.received, b.received);
  c.field("applied", a.applied, b.applied).field("durable", a.durable, b.durable);
  c.list("failures", a.failures, b.failures);
}

void compare(Comparison& c, const ListingAnswer::Want& a, const ListingAnswer::Want& b) {
  c.field("name", a.name, b.name).field("absent", a.absent, b.absent);
}

void compare(Comparison& c, const ListingAnswer::Extra& a, const ListingAnswer::Extra& b) {
  c.field("name", a.name, b.name)
      .field("directory", a.directory, b.directory)
      .field("entries", a.entries, b.entries);
}

void compare(Comparison& c, const ListingAnswer& a, const ListingAnswer& b) {
  c.field("session", a.session, b.session).field("sequence", a.sequence, b.sequence);
  c.object("status", a.status, b.status).list("wants", a.wants, b.wants).list("extras", a.extras, b.extras);
  c.field("last", a.last, b.last);
}

void compare(Comparison& c, const TransferReport& a, const TransferReport& b) {
  c.field("session", a.session, b.session).field("entries_applied", a.entries_applied, b.entries_applied);
  c.field("bytes_applied", a.bytes_applied, b.bytes_applied);
  c.field("operations_failed", a.operations_failed, b.operations_failed)
      .field("applied", a.applied, b.applied);
  c.field("durable", a.durable, b.durable).field("final", a.final, b.final);
}

void compare(Comparison& c, const Unregister& a, const Unregister& b) {
  c.field("session", a.session, b.session).object("status", a.status, b.status);
}

void compare(Comparison& c, const Welcome& a, const Welcome& b) {
  c.field("session", a.session, b.session)
      .field("version", a.version, b.version)
      .field("build", a.build, b.build);
  c.field("source", a.source, b.source);
  c.field("durability_interval_ms", a.durability_interval_ms, b.durability_interval_ms);
}

void compare(Comparison& c, const Refuse& a, const Refuse& b) {
  c.field("code", a.code, b.code).field("reason", a.reason, b.reason);
}

void compare(Comparison& c, const Frame& a, const Frame& b) {
  c.field("session", a.session, b.session).list("items", a.items, b.items);
}

void compare(Comparison& c, const SyncRequest& a, const SyncRequest& b) {
  c.field("session", a.session, b.session).field("sequence", a.sequence, b.sequence);
  c.field("all_compared", a.all_compared, b.all_compared);
}

void compare(Comparison& c, const Farewell& a, const Farewell& b) {
  c.field("session", a.session, b.session).field("end", a.end, b.end).field("reason", a.reason, b.reason);
}

template <class Value>
std::string Comparison::differ(const Value& left, const Value& right) {
  Comparison inside;
  compare(inside, left, right);
  return inside.found();
}

} // namespace

std::string difference(const SinkMessage& left, const SinkMessage& right) {
  Comparison c;
  compare(c, left, right);
  return c.found();
}

std::string difference(const SourceMessage& left, const SourceMessage& right) {
  Comparison c;
  compare(c, left, right);
  return c.found();
}

} // namespace osync::test
