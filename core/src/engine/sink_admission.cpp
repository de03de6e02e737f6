#include "engine/sink_admission.h"

namespace osync::engine {
namespace {

Admission refused(std::string message) {
  Admission admission;
  admission.refusal = Status(Code::conflict, std::move(message));
  return admission;
}

Admission admit_own(const AdmissionRequest& request) {
  const ReplicaIdentity& found = request.state.identity;
  Admission admission;
  admission.adopted = request.state.adopted;
  admission.identity = {request.source, found.replica, found.epoch + 1};
  if (found.source == request.source) return admission;
  if (!request.take_over)
    return refused(
        "the replica belongs to source " + uuid_text(found.source) + ", expected " +
        uuid_text(request.source) +
        " (another source, or this one after its state directory was lost); name another DST, or use "
        "--take-over to make it a replica of this source after a comparison of all contents");
  // A new name, so that the source does not take it for a replica that it has compared before.
  admission.identity.replica = request.new_replica;
  admission.compare_contents = true;
  return admission;
}

} // namespace

Admission decide_admission(const AdmissionRequest& request) {
  if (request.state.content == ReplicaState::Content::own_identity) return admit_own(request);
  Admission admission;
  admission.identity = {request.source, request.new_replica, 1};
  if (request.state.content == ReplicaState::Content::empty) {
    admission.empty = true;
    return admission;
  }
  if (!request.adopt)
    return refused(
        "the replica root is not empty and has no identity of osync (.osync/), expected an empty directory "
        "or a replica; name another DST, or use --adopt to keep what is there and compare it");
  admission.adopted = true;
  admission.compare_contents = true;
  return admission;
}

std::string uuid_text(const Uuid& uuid) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += digits[uuid[i] >> 4];
    text += digits[uuid[i] & 15];
  }
  return text;
}

} // namespace osync::engine
