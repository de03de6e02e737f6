// The tools of sink_suite.h: building groups, and a claimed sink.
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <stdexcept>

#include "sink_suite.h"

namespace osync::test {

Attributes some_attributes(FileType type, std::uint32_t mode) {
  Attributes attributes;
  attributes.type = type;
  attributes.mode = mode;
  attributes.uid = geteuid();
  attributes.gid = getegid();
  attributes.mtime = {1'600'000'000, 123'456'789};
  attributes.has_xattrs = true;
  return attributes;
}

Digest digest_of_content(std::string_view content) {
  const XXH128_hash_t hash = XXH3_128bits(content.data(), content.size());
  return {hash.high64, hash.low64};
}

Digest digest_of_pieces(const std::vector<Piece>& pieces) {
  std::string all;
  for (const Piece& piece : pieces) {
    for (unsigned i = 0; i < 8; ++i) all += static_cast<char>(piece.offset >> (8 * i));
    all += piece.data;
  }
  return digest_of_content(all);
}

ReplicaIdentity test_identity(std::uint64_t epoch) {
  ReplicaIdentity identity;
  identity.source.fill(0x5a);
  identity.replica.fill(0xc3);
  identity.epoch = epoch;
  return identity;
}

// ---- GroupBuilder
// -----------------------------------------------------------------------------------------------

Operation& GroupBuilder::add(OperationKind kind, std::string name) {
  Operation operation;
  operation.kind = kind;
  operation.name = std::move(name);
  group_.operations.push_back(std::move(operation));
  return group_.operations.back();
}

GroupBuilder& GroupBuilder::put(std::string name, std::string_view content, Attributes attributes) {
  Operation& operation = add(OperationKind::put_file, std::move(name));
  operation.attributes = std::move(attributes);
  operation.attributes.size = content.size();
  operation.payload_offset = static_cast<std::uint32_t>(payload_.size());
  operation.length = static_cast<std::uint32_t>(content.size());
  payload_ += content;
  return *this;
}

GroupBuilder& GroupBuilder::make_directory(std::string name, Attributes attributes) {
  add(OperationKind::make_directory, std::move(name)).attributes = std::move(attributes);
  return *this;
}

GroupBuilder& GroupBuilder::make_symlink(std::string name, std::string target) {
  Operation& operation = add(OperationKind::make_symlink, std::move(name));
  operation.attributes = some_attributes(FileType::symlink, 0777);
  operation.target = std::move(target);
  return *this;
}

GroupBuilder& GroupBuilder::make_special(std::string name, Attributes attributes) {
  add(OperationKind::make_special, std::move(name)).attributes = std::move(attributes);
  return *this;
}

GroupBuilder& GroupBuilder::make_link(std::string name, std::string target) {
  add(OperationKind::make_link, std::move(name)).target = std::move(target);
  return *this;
}

GroupBuilder& GroupBuilder::stage(std::uint64_t id, std::uint64_t offset, std::string_view data) {
  Operation& operation = add(OperationKind::stage_data, {});
  operation.stage = id;
  operation.offset = offset;
  operation.payload_offset = static_cast<std::uint32_t>(payload_.size());
  operation.length = static_cast<std::uint32_t>(data.size());
  payload_ += data;
  return *this;
}

GroupBuilder& GroupBuilder::publish(std::string name, std::uint64_t id, std::uint64_t size, Digest digest,
                                    Attributes attributes) {
  Operation& operation = add(OperationKind::publish, std::move(name));
  operation.stage = id;
  operation.digest = digest;
  operation.attributes = std::move(attributes);
  operation.attributes.size = size;
  return *this;
}

GroupBuilder& GroupBuilder::discard(std::uint64_t id) {
  add(OperationKind::discard_stage, {}).stage = id;
  return *this;
}

GroupBuilder& GroupBuilder::remove(std::string name) {
  add(OperationKind::remove, std::move(name));
  return *this;
}

GroupBuilder& GroupBuilder::set_attributes(std::string name, Attributes attributes) {
  add(OperationKind::set_attributes, std::move(name)).attributes = std::move(attributes);
  return *this;
}

GroupBuilder& GroupBuilder::directory(Attributes attributes) {
  group_.directory_attributes = std::move(attributes);
  return *this;
}

OperationGroup GroupBuilder::build() const {
  OperationGroup group = group_;
  group.payload = Buffer::copy_of(payload_);
  return group;
}

// ---- ClaimedSink
// ------------------------------------------------------------------------------------------------

ClaimedSink::ClaimedSink(const SinkKit& kit)
    : directory_(std::make_unique<TemporaryDirectory>()), root_(*directory_ / "replica"),
      plugin_(std::make_unique<LoadedPlugin<Sink>>(kit.plugin, kit.options(root_))) {
  begin();
}

ClaimedSink::ClaimedSink(const SinkKit& kit, OptionValues options, const std::string& root)
    : root_(root), plugin_(std::make_unique<LoadedPlugin<Sink>>(kit.plugin, std::move(options))) {
  begin();
}

void ClaimedSink::begin() {
  if (const Status status = (*plugin_)->open(state_, capabilities_); !status.ok())
    throw std::runtime_error("open: " + status.to_string());
  if (const Status status = (*plugin_)->claim(test_identity(state_.identity.epoch + 1), false); !status.ok())
    throw std::runtime_error("claim: " + status.to_string());
}

ClaimedSink::~ClaimedSink() {
  if (plugin_) (*plugin_)->close().ignore("the test that is over has checked what it wanted to");
}

Status ClaimedSink::close() {
  Status status = (*plugin_)->close();
  plugin_.reset();
  return status;
}

GroupResult ClaimedSink::apply(const GroupBuilder& group) {
  GroupResult result;
  (*plugin_)->apply(group.build(), result);
  return result;
}

std::string ClaimedSink::failures(const GroupBuilder& group) {
  std::string text;
  for (const OperationFailure& failure : apply(group).failures)
    text += std::to_string(failure.index) + ": " + std::string(code_name(failure.status.code())) + ": " +
            failure.status.to_string() + "\n";
  return text;
}

Code ClaimedSink::failure(const GroupBuilder& group) {
  const GroupResult result = apply(group);
  if (result.failures.size() > 1) return Code::internal;
  return result.failures.empty() ? Code::ok : result.failures.front().status.code();
}

InspectedEntry ClaimedSink::inspect(const std::string& directory, const std::string& name, bool want_digest) {
  std::vector<InspectedEntry> entries;
  const Status status = (*plugin_)->inspect(directory, {{name, want_digest}}, entries);
  if (status.ok() && entries.size() == 1) return entries.front();
  InspectedEntry entry;
  entry.status = status.ok() ? Status(Code::internal, "not one answer to one question") : status;
  return entry;
}

std::vector<std::string> ClaimedSink::names(const std::string& directory) {
  std::vector<std::string> names;
  const Status status = (*plugin_)->list(directory, [&](const ListedName& listed) {
    names.emplace_back(listed.name);
    return true;
  });
  if (!status.ok()) throw std::runtime_error("list: " + status.to_string());
  std::sort(names.begin(), names.end());
  return names;
}

bool ClaimedSink::holds(const std::string& directory, const std::string& name, std::string_view content) {
  const InspectedEntry entry = inspect(directory, name);
  return entry.status.ok() && entry.attributes.type == FileType::regular &&
         entry.attributes.size == content.size() && entry.digest == digest_of_content(content);
}

} // namespace osync::test
