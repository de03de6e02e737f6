// Messages of a session to the wire; frames are in encode_frame.cpp.
#include <algorithm>
#include <memory>
#include <string_view>

#include <google/protobuf/arena.h>

#include "wire/arena.h"
#include "wire/codec.h"
#include "wire/convert.h"
#include "wire/header.h"

namespace osync::wire {
namespace {

/// Text for people, cut to its bound.
std::string cut(std::string_view text, std::size_t bound = max_text_bytes) {
  return std::string(text.substr(0, bound));
}

void put_failure(const Status& from, Failure& to) {
  to.set_code(static_cast<Code>(from.code()));
  const int error = from.sys_errno();
  to.set_sys_errno(error > 0 && error <= static_cast<int>(max_errno) ? static_cast<std::uint32_t>(error) : 0);
  to.set_path(cut(from.path(), max_failure_path_bytes));
  to.set_message(cut(from.message()));
}

std::string uuid_bytes(const Uuid& uuid) {
  if (uuid == Uuid{}) return {};
  return {uuid.begin(), uuid.end()};
}

void put_identity(const osync::ReplicaIdentity& from, ReplicaIdentity& to) {
  to.set_source(uuid_bytes(from.source));
  to.set_replica(uuid_bytes(from.replica));
  to.set_epoch(from.epoch);
}

void put_capabilities(const osync::SinkCapabilities& from, SinkCapabilities& to) {
  to.set_owners(from.owners);
  to.set_devices(from.devices);
  to.set_xattrs(from.xattrs);
  to.set_privileged_xattrs(from.privileged_xattrs);
  to.set_hard_links(from.hard_links);
  to.set_case_sensitive(from.case_sensitive);
  to.set_time_granularity_ns(from.time_granularity_ns);
  to.set_description(cut(from.description));
}

/// Fills an envelope by the kind of message.
class Put {
 public:
  Put(Envelope& envelope, std::vector<Buffer>& parts) noexcept : envelope_(envelope), parts_(parts) {
    envelope_.set_version(engine::protocol_version);
  }

  void operator()(const engine::Register& from) {
    envelope_.set_version(from.version);
    Register& to = *envelope_.mutable_registration();
    to.set_build(cut(from.build));
    to.set_pipeline(from.pipeline);
    to.set_replica_name(from.replica_name);
    put_identity(from.identity, *to.mutable_identity());
    to.set_take_over(from.take_over);
  }

  void operator()(const engine::Ready& from) {
    Ready& to = *envelope_.mutable_ready();
    to.set_session(from.session);
    put_identity(from.identity, *to.mutable_identity());
    to.set_window(from.window);
    to.set_empty(from.empty);
    to.set_adopted(from.adopted);
    to.set_compare_contents(from.compare_contents);
    put_capabilities(from.capabilities, *to.mutable_capabilities());
  }

  void operator()(const engine::Acknowledge& from) {
    Acknowledge& to = *envelope_.mutable_acknowledge();
    to.set_session(from.session);
    to.set_received(from.received);
    to.set_applied(from.applied);
    to.set_durable(from.durable);
    for (const engine::WireFailure& failure : from.failures) {
      OperationFailure& out = *to.add_failures();
      out.set_sequence(failure.sequence);
      out.set_index(failure.index);
      put_failure(failure.status, *out.mutable_failure());
    }
  }

  void operator()(const engine::ListingAnswer& from) {
    ListingAnswer& to = *envelope_.mutable_listing_answer();
    to.set_session(from.session);
    to.set_sequence(from.sequence);
    if (!from.status.ok()) put_failure(from.status, *to.mutable_failure());
    for (const engine::ListingAnswer::Want& want : from.wants) {
      Want& out = *to.add_wants();
      out.set_name(want.name);
      out.set_absent(want.absent);
      out.set_difference(static_cast<std::uint32_t>(want.difference));
    }
    for (const engine::ListingAnswer::Extra& extra : from.extras) {
      Extra& out = *to.add_extras();
      out.set_name(extra.name);
      out.set_directory(extra.directory);
      out.set_entries(extra.entries);
    }
    to.set_last(from.last);
  }

  void operator()(const engine::TransferReport& from) {
    TransferReport& to = *envelope_.mutable_transfer_report();
    to.set_session(from.session);
    to.set_entries_applied(from.entries_applied);
    to.set_bytes_applied(from.bytes_applied);
    to.set_operations_failed(from.operations_failed);
    to.set_applied(from.applied);
    to.set_durable(from.durable);
    to.set_is_final(from.final);
  }

  void operator()(const engine::Unregister& from) {
    Unregister& to = *envelope_.mutable_unregistration();
    to.set_session(from.session);
    if (!from.status.ok()) put_failure(from.status, *to.mutable_failure());
  }

  void operator()(const engine::Welcome& from) {
    envelope_.set_version(from.version);
    Welcome& to = *envelope_.mutable_welcome();
    to.set_session(from.session);
    to.set_build(cut(from.build));
    to.set_source(uuid_bytes(from.source));
    to.set_durability_interval_ms(from.durability_interval_ms);
  }

  void operator()(const engine::Refuse& from) {
    Refuse& to = *envelope_.mutable_refuse();
    to.set_code(static_cast<Code>(from.code));
    to.set_reason(cut(from.reason));
  }

  void operator()(const engine::Frame& from) { put_frame(from, *envelope_.mutable_frame(), parts_); }

  void operator()(const engine::SyncRequest& from) {
    SyncRequest& to = *envelope_.mutable_sync_request();
    to.set_session(from.session);
    to.set_sequence(from.sequence);
    to.set_all_compared(from.all_compared);
  }

  void operator()(const engine::Farewell& from) {
    Farewell& to = *envelope_.mutable_farewell();
    to.set_session(from.session);
    to.set_end(from.end);
    to.set_reason(cut(from.reason));
  }

 private:
  Envelope& envelope_;
  std::vector<Buffer>& parts_;
};

template <class Messages>
Message encode_any(const Messages& message) {
  google::protobuf::Arena arena(arena_options());
  auto* envelope = google::protobuf::Arena::CreateMessage<Envelope>(&arena);
  Message out;
  std::visit(Put(*envelope, out.payloads), message);
  const std::size_t bytes = envelope->ByteSizeLong();
  out.header.reserve(magic.size() + bytes + checksum_bytes);
  out.header = magic;
  out.header.resize(magic.size() + bytes);
  envelope->SerializeWithCachedSizesToArray(
      reinterpret_cast<std::uint8_t*>(out.header.data() + magic.size()));
  seal(out.header);
  return out;
}

} // namespace

Message encode(const engine::SinkMessage& message) { return encode_any(message); }
Message encode(const engine::SourceMessage& message) { return encode_any(message); }

} // namespace osync::wire
