// The envelope and messages of a session from the wire; frames are in decode_frame.cpp.
#include <algorithm>
#include <string>
#include <utility>

#include <google/protobuf/arena.h>

#include "wire/arena.h"
#include "wire/checks.h"
#include "wire/codec.h"
#include "wire/convert.h"
#include "wire/header.h"
#include "wire/shape.h"

namespace osync::wire {
namespace {

Status refuse(std::string message) { return {osync::Code::corrupt, std::move(message)}; }

Status check_version(std::uint32_t version) {
  if (version == engine::protocol_version) return {};
  return {osync::Code::unsupported, "the peer speaks protocol version " + std::to_string(version) +
                                        ", this osync " + std::to_string(engine::protocol_version) +
                                        ": install the same release on both hosts"};
}

/// Everything up to the envelope as an object in `arena`.
Result<Envelope*> open_envelope(const Message& message, google::protobuf::Arena& arena) {
  const Result<std::string_view> bytes = unseal(message.header);
  if (!bytes.ok()) return bytes.status();
  const Result<std::uint32_t> version = envelope_version(bytes.value());
  if (!version.ok()) return version.status();
  if (Status status = check_version(version.value()); !status.ok()) return status;
  if (Status status = check_shape(bytes.value()); !status.ok()) return status;
  auto* envelope = google::protobuf::Arena::CreateMessage<Envelope>(&arena);
  if (!envelope->ParseFromArray(bytes.value().data(), static_cast<int>(bytes.value().size())))
    return refuse("envelope: malformed: does not parse as osync.wire.Envelope");
  if (envelope->version() != engine::protocol_version) return refuse("envelope: more than one version");
  if (!envelope->has_frame() && !message.payloads.empty())
    return refuse("payload: " + std::to_string(message.payloads.size()) +
                  " parts, and the message is no frame");
  return envelope;
}

/// Refuses with the first of several checks that does not hold.
Status first_failure(const char* place, std::initializer_list<Status> checks) {
  for (const Status& status : checks)
    if (!status.ok()) return within(place, status);
  return {};
}

Status take_uuid(const char* what, const std::string& from, Uuid& to) {
  if (!from.empty() && from.size() != to.size())
    return refuse(std::string(what) + ": " + std::to_string(from.size()) + " bytes, expected 0 or 16");
  std::copy(from.begin(), from.end(), to.begin());
  return {};
}

Status take_identity(const ReplicaIdentity& from, osync::ReplicaIdentity& to) {
  to.epoch = from.epoch();
  Status status = take_uuid("identity of the source", from.source(), to.source);
  return status.ok() ? take_uuid("identity of the replica", from.replica(), to.replica) : status;
}

Status take_code(Code from, osync::Code& to) {
  if (take_enum(from, Code_MAX, to) && to != osync::Code::ok) return {};
  return refuse("code " + std::to_string(static_cast<int>(from)) + ", expected 1 to " +
                std::to_string(Code_MAX));
}

/// Into `to`, the failure; the result says whether it could be read.
Status take_failure(const Failure& from, Status& to) {
  osync::Code code = osync::Code::internal;
  Status status = take_code(from.code(), code);
  if (status.ok()) status = check_length("message", from.message().size(), max_text_bytes);
  if (status.ok()) status = check_length("path", from.path().size(), max_failure_path_bytes);
  if (status.ok() && from.sys_errno() > max_errno)
    status = refuse("errno: " + std::to_string(from.sys_errno()));
  if (!status.ok()) return within("failure", status);
  to = Status(code, from.message(), from.path(), static_cast<int>(from.sys_errno()));
  return {};
}

// ---- sink to source
// ---------------------------------------------------------------------------------------------

Result<engine::SinkMessage> take(const Register& from) {
  engine::Register to;
  Status status = first_failure("register", {take_identity(from.identity(), to.identity),
                                             check_length("build", from.build().size(), max_text_bytes),
                                             check_label("pipeline", from.pipeline()),
                                             check_label("replica name", from.replica_name())});
  if (!status.ok()) return status;
  to.build = from.build();
  to.pipeline = from.pipeline();
  to.replica_name = from.replica_name();
  to.take_over = from.take_over();
  return engine::SinkMessage(std::move(to));
}

Status take_capabilities(const SinkCapabilities& from, osync::SinkCapabilities& to) {
  to.owners = from.owners();
  to.devices = from.devices();
  to.xattrs = from.xattrs();
  to.privileged_xattrs = from.privileged_xattrs();
  to.hard_links = from.hard_links();
  to.case_sensitive = from.case_sensitive();
  to.time_granularity_ns = from.time_granularity_ns();
  to.description = from.description();
  if (to.time_granularity_ns == 0) return refuse("time granularity: 0 ns, expected at least 1");
  return check_length("description", to.description.size(), max_text_bytes);
}

Result<engine::SinkMessage> take(const Ready& from) {
  engine::Ready to;
  Status status = first_failure("ready", {take_identity(from.identity(), to.identity),
                                          take_capabilities(from.capabilities(), to.capabilities)});
  if (!status.ok()) return status;
  to.session = from.session();
  to.window = from.window();
  to.empty = from.empty();
  to.adopted = from.adopted();
  to.compare_contents = from.compare_contents();
  return engine::SinkMessage(std::move(to));
}

Result<engine::SinkMessage> take(const Acknowledge& from) {
  engine::Acknowledge to;
  to.session = from.session();
  to.received = from.received();
  to.applied = from.applied();
  to.durable = from.durable();
  Status status = first_failure(
      "acknowledge", {check_acknowledge(to),
                      check_count("failures", static_cast<std::size_t>(from.failures_size()), max_failures)});
  if (!status.ok()) return status;
  to.failures.resize(static_cast<std::size_t>(from.failures_size()));
  for (std::size_t i = 0; i < to.failures.size(); ++i) {
    const OperationFailure& failure = from.failures(static_cast<int>(i));
    to.failures[i].sequence = failure.sequence();
    to.failures[i].index = failure.index();
    status = failure.sequence() == 0 ? refuse("sequence 0, expected at least 1")
                                     : take_failure(failure.failure(), to.failures[i].status);
    if (!status.ok()) return within("acknowledge: failure " + std::to_string(i), status);
  }
  return engine::SinkMessage(std::move(to));
}

Status take_wants_and_extras(const ListingAnswer& from, engine::ListingAnswer& to) {
  to.wants.reserve(static_cast<std::size_t>(from.wants_size()));
  for (const Want& want : from.wants()) {
    if (Status status = check_name(want.name()); !status.ok())
      return within("want " + std::to_string(to.wants.size()), status);
    if (want.difference() > static_cast<std::uint32_t>(engine::last_difference))
      return within("want " + std::to_string(to.wants.size()),
                    refuse("difference " + std::to_string(want.difference()) + " is unknown"));
    to.wants.push_back({want.name(), want.absent(), static_cast<engine::Difference>(want.difference())});
  }
  to.extras.reserve(static_cast<std::size_t>(from.extras_size()));
  for (const Extra& extra : from.extras()) {
    if (Status status = check_name(extra.name()); !status.ok())
      return within("extra " + std::to_string(to.extras.size()), status);
    to.extras.push_back({extra.name(), extra.directory(), extra.entries()});
  }
  return {};
}

Result<engine::SinkMessage> take(const ListingAnswer& from) {
  engine::ListingAnswer to;
  to.session = from.session();
  to.sequence = from.sequence();
  to.last = from.last();
  Status status = first_failure(
      "listing answer", {from.sequence() != 0 ? Status() : refuse("sequence 0, expected at least 1"),
                         from.has_failure() ? take_failure(from.failure(), to.status) : Status(),
                         check_count("wants", static_cast<std::size_t>(from.wants_size()), max_wants),
                         check_count("extras", static_cast<std::size_t>(from.extras_size()), max_extras)});
  if (!status.ok()) return status;
  status = take_wants_and_extras(from, to);
  if (!status.ok()) return within("listing answer", status);
  return engine::SinkMessage(std::move(to));
}

Result<engine::SinkMessage> take(const TransferReport& from) {
  engine::TransferReport to;
  to.session = from.session();
  to.entries_applied = from.entries_applied();
  to.bytes_applied = from.bytes_applied();
  to.operations_failed = from.operations_failed();
  to.applied = from.applied();
  to.durable = from.durable();
  to.final = from.is_final();
  return engine::SinkMessage(to);
}

Result<engine::SinkMessage> take(const Unregister& from) {
  engine::Unregister to;
  to.session = from.session();
  Status status = from.has_failure() ? take_failure(from.failure(), to.status) : Status();
  if (!status.ok()) return within("unregister", status);
  return engine::SinkMessage(std::move(to));
}

// ---- source to sink
// ---------------------------------------------------------------------------------------------

Result<engine::SourceMessage> take(const Welcome& from) {
  engine::Welcome to;
  Status status = first_failure("welcome", {take_uuid("identity of the source", from.source(), to.source),
                                            check_length("build", from.build().size(), max_text_bytes)});
  if (!status.ok()) return status;
  to.session = from.session();
  to.build = from.build();
  to.durability_interval_ms = from.durability_interval_ms();
  return engine::SourceMessage(std::move(to));
}

Result<engine::SourceMessage> take(const Refuse& from) {
  engine::Refuse to;
  Status status = first_failure("refuse", {take_code(from.code(), to.code),
                                           check_length("reason", from.reason().size(), max_text_bytes)});
  if (!status.ok()) return status;
  to.reason = from.reason();
  return engine::SourceMessage(std::move(to));
}

Result<engine::SourceMessage> take(const SyncRequest& from) {
  return engine::SourceMessage(engine::SyncRequest{from.session(), from.sequence(), from.all_compared()});
}

Result<engine::SourceMessage> take(const Farewell& from) {
  if (Status status = check_length("farewell: reason", from.reason().size(), max_text_bytes); !status.ok())
    return status;
  return engine::SourceMessage(engine::Farewell{from.session(), from.end(), from.reason()});
}

Status wrong_side(const char* expected, Envelope::MessageCase found) {
  return refuse("envelope: message " + std::to_string(static_cast<int>(found)) + " is not one that a " +
                expected + " sends");
}

} // namespace

Result<engine::SinkMessage> decode_sink_message(const Message& message) {
  google::protobuf::Arena arena(arena_options());
  const Result<Envelope*> opened = open_envelope(message, arena);
  if (!opened.ok()) return opened.status();
  const Envelope& envelope = *opened.value();
  switch (envelope.message_case()) {
  case Envelope::kRegistration:
    return take(envelope.registration());
  case Envelope::kReady:
    return take(envelope.ready());
  case Envelope::kAcknowledge:
    return take(envelope.acknowledge());
  case Envelope::kListingAnswer:
    return take(envelope.listing_answer());
  case Envelope::kTransferReport:
    return take(envelope.transfer_report());
  case Envelope::kUnregistration:
    return take(envelope.unregistration());
  default:
    return wrong_side("sink", envelope.message_case());
  }
}

Result<engine::SourceMessage> decode_source_message(const Message& message) {
  google::protobuf::Arena arena(arena_options());
  const Result<Envelope*> opened = open_envelope(message, arena);
  if (!opened.ok()) return opened.status();
  Envelope& envelope = *opened.value();
  switch (envelope.message_case()) {
  case Envelope::kWelcome:
    return take(envelope.welcome());
  case Envelope::kRefuse:
    return take(envelope.refuse());
  case Envelope::kFrame: {
    Result<engine::Frame> frame = take_frame(*envelope.mutable_frame(), message.payloads);
    if (!frame.ok()) return frame.status();
    return engine::SourceMessage(std::move(frame).value());
  }
  case Envelope::kSyncRequest:
    return take(envelope.sync_request());
  case Envelope::kFarewell:
    return take(envelope.farewell());
  default:
    return wrong_side("source", envelope.message_case());
  }
}

} // namespace osync::wire
