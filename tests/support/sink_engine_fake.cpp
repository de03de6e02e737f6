#include "support/sink_engine_fake.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

namespace osync::test {
namespace {

constexpr std::int64_t touched = -1; ///< mtime of a directory in which something was done

std::string_view payload_of(const OperationGroup& group, const Operation& operation) {
  const auto bytes = group.payload.part(operation.payload_offset, operation.length);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

FakeReplica::FakeReplica() { root_ = make(FileType::directory, attributes_of(FileType::directory, 0755)); }

std::shared_ptr<FakeReplica::Object> FakeReplica::make(FileType type, const Attributes& attributes) {
  auto object = std::make_shared<Object>();
  object->type = type;
  object->mode = attributes.mode;
  object->mtime = attributes.mtime.seconds;
  object->number = next_number_++;
  return object;
}

Result<std::shared_ptr<FakeReplica::Object>> FakeReplica::open_directory(std::string_view path) const {
  return open_directory(path, root_);
}

Result<std::shared_ptr<FakeReplica::Object>> FakeReplica::open_directory(std::string_view path,
                                                                         std::shared_ptr<Object> object) const {
  while (!path.empty()) {
    if ((object->mode & 0100) == 0) return Status(Code::denied, "no passage");
    const std::size_t slash = path.find('/');
    const auto entry = object->entries.find(std::string(path.substr(0, slash)));
    if (entry == object->entries.end() || entry->second->type != FileType::directory)
      return Status(Code::not_found, "no such directory");
    object = entry->second;
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return object;
}

void FakeReplica::put(Object& directory, const std::string& name, std::shared_ptr<Object> object) {
  auto& entry = directory.entries[name];
  if (entry) --entry->names;
  ++object->names;
  entry = std::move(object);
  directory.mtime = touched;
}

Status FakeReplica::link(Object& directory, const Operation& operation) {
  const std::size_t slash = operation.target.rfind('/');
  const std::string parent = slash == std::string::npos ? std::string() : operation.target.substr(0, slash);
  auto opened = open_directory(parent);
  if (!opened.ok()) return opened.status();
  const auto file =
      opened.value()->entries.find(operation.target.substr(slash == std::string::npos ? 0 : slash + 1));
  if (file == opened.value()->entries.end() || file->second->type != FileType::regular)
    return {Code::stale, "nothing to link to"};
  put(directory, operation.name, std::shared_ptr<Object>(file->second));
  return {};
}

/// The directory that it comes from keeps its mtime, as operation.h promises of the one it comes to.
Status FakeReplica::move(Object& directory, const Operation& operation) {
  std::shared_ptr<Object> moved;
  const auto kept = limbo_.find(operation.stage);
  if (operation.stage != 0 && kept == limbo_.end()) return {Code::not_found, "nothing was put aside under this number"};
  if (operation.target.empty()) {
    moved = kept->second;
    limbo_.erase(kept);
  } else {
    const std::size_t slash = operation.target.rfind('/');
    const std::string parent = slash == std::string::npos ? std::string() : operation.target.substr(0, slash);
    auto opened = open_directory(parent, operation.stage != 0 ? kept->second : root_);
    if (!opened.ok()) return opened.status();
    auto& siblings = opened.value()->entries;
    const auto entry = siblings.find(operation.target.substr(slash == std::string::npos ? 0 : slash + 1));
    if (entry == siblings.end() || entry->second->type != FileType::directory) return {Code::not_found, "no such directory"};
    moved = entry->second;
    --moved->names;
    siblings.erase(entry);
  }
  moved->mode = operation.attributes.mode;
  put(directory, operation.name, std::move(moved));
  return {};
}

Status FakeReplica::set_attributes(Object& directory, const Operation& operation) {
  const auto entry = directory.entries.find(operation.name);
  if (entry == directory.entries.end()) return {Code::not_found, "absent"};
  if (entry->second->type != operation.attributes.type) return {Code::stale, "another type"};
  entry->second->mode = operation.attributes.mode;
  entry->second->mtime = operation.attributes.mtime.seconds;
  return {};
}

Status FakeReplica::run(const OperationGroup& group, std::size_t index, Object& directory,
                        std::uint64_t& changed) {
  if (index >= group.operations.size()) {
    if (group.directory_attributes) {
      directory.mode = group.directory_attributes->mode;
      directory.mtime = group.directory_attributes->mtime.seconds;
    }
    return {};
  }
  const Operation& operation = group.operations[index];
  if (fault)
    if (Status status = fault(operation); !status.ok()) return status;
  ++changed;
  switch (operation.kind) {
  case OperationKind::put_file: {
    auto file = make(FileType::regular, operation.attributes);
    file->content = payload_of(group, operation);
    put(directory, operation.name, file);
    return {};
  }
  case OperationKind::make_directory: {
    const auto entry = directory.entries.find(operation.name);
    if (entry == directory.entries.end() || entry->second->type != FileType::directory)
      put(directory, operation.name, make(FileType::directory, operation.attributes));
    else
      entry->second->mode = operation.attributes.mode;
    return {};
  }
  case OperationKind::make_symlink:
  case OperationKind::make_special: {
    auto object = make(operation.attributes.type, operation.attributes);
    object->content = operation.target;
    put(directory, operation.name, object);
    return {};
  }
  case OperationKind::make_link:
    return link(directory, operation);
  case OperationKind::stage_data:
    stages_[operation.stage] += payload_of(group, operation);
    return {};
  case OperationKind::publish: {
    auto file = make(FileType::regular, operation.attributes);
    file->content = stages_[operation.stage];
    stages_.erase(operation.stage);
    put(directory, operation.name, file);
    return {};
  }
  case OperationKind::discard_stage:
    stages_.erase(operation.stage);
    limbo_.erase(operation.stage);
    return {};
  case OperationKind::move_directory:
    return move(directory, operation);
  case OperationKind::remove: {
    const auto entry = directory.entries.find(operation.name);
    if (entry == directory.entries.end()) return {};
    --entry->second->names;
    if (operation.stage != 0 && entry->second->type == FileType::directory) limbo_[operation.stage] = entry->second;
    directory.entries.erase(entry);
    directory.mtime = touched;
    return {};
  }
  case OperationKind::set_attributes:
    return set_attributes(directory, operation);
  }
  return {Code::internal, "an operation that does not exist"};
}

FakeReplica FakeReplica::durable_copy() const {
  FakeReplica copy;
  std::map<const Object*, std::shared_ptr<Object>> made;
  const std::function<std::shared_ptr<Object>(const Object&)> clone = [&](const Object& object) {
    auto& twin = made[&object];
    if (twin) return twin;
    twin = std::make_shared<Object>(object);
    for (auto& [name, entry] : twin->entries) entry = clone(*entry);
    return twin;
  };
  copy.root_ = clone(*root_);
  copy.next_number_ = next_number_;
  return copy;
}

GroupResult FakeReplica::apply(const OperationGroup& group) {
  engine::ApplyJob job;
  job.groups.push_back(std::make_shared<const OperationGroup>(group));
  FakeJob run(*this, job);
  while (true)
    if (auto result = run.step()) return std::get<engine::ApplyDone>(*result).results.front();
}

InspectedEntry FakeReplica::inspect(const Object& directory, const std::string& name) const {
  InspectedEntry found;
  const auto entry = directory.entries.find(name);
  if (entry == directory.entries.end()) {
    found.status = Status(Code::not_found, "absent");
    return found;
  }
  const Object& object = *entry->second;
  found.attributes = attributes_of(object.type, object.mode, object.mtime);
  found.attributes.inode = object.number;
  found.attributes.links = object.type == FileType::directory ? 2 : object.names;
  if (object.type == FileType::symlink)
    found.target = object.content;
  else if (object.type == FileType::regular)
    found.attributes.size = object.content.size();
  found.attributes.has_xattrs = true;
  found.digest = {std::hash<std::string>{}(object.content), object.content.size()};
  return found;
}

engine::InspectDone FakeReplica::inspect(const engine::InspectJob& job) const {
  FakeJob run(const_cast<FakeReplica&>(*this), job); // an inspection changes nothing
  while (true)
    if (auto result = run.step()) return std::get<engine::InspectDone>(*result);
}

std::string FakeReplica::dump() const {
  std::string text;
  std::map<const Object*, int> files;
  const std::function<void(const std::string&, const Object&)> visit = [&](const std::string& path,
                                                                           const Object& object) {
    text += path + " type " + std::to_string(static_cast<int>(object.type)) + " mode " +
            std::to_string(object.mode) + " mtime " + std::to_string(object.mtime) + " \"" + object.content +
            "\"";
    if (object.type == FileType::regular)
      text += " file " + std::to_string(files.emplace(&object, static_cast<int>(files.size())).first->second);
    text += '\n';
    for (const auto& [name, entry] : object.entries) visit(path + "/" + name, *entry);
  };
  visit(".", *root_);
  for (const auto& [stage, content] : stages_)
    text += "stage " + std::to_string(stage) + " \"" + content + "\"\n";
  for (const auto& [number, directory] : limbo_) text += "put aside " + std::to_string(number) + "\n";
  return text;
}

std::optional<engine::SinkJobResult> FakeJob::step() {
  if (const auto* apply = std::get_if<engine::ApplyJob>(&job_)) return step_apply(*apply);
  if (const auto* inspect = std::get_if<engine::InspectJob>(&job_)) return step_inspect(*inspect);
  return engine::SyncDone{std::get<engine::SyncJob>(job_).id, {}};
}

std::optional<engine::SinkJobResult> FakeJob::step_apply(const engine::ApplyJob& job) {
  applied_.id = job.id;
  const OperationGroup& group = *job.groups[group_];
  bool group_ends = false;
  if (!directory_) {
    auto opened = replica_->open_directory(group.directory);
    applied_.results.emplace_back();
    if (opened.ok()) {
      directory_ = opened.value();
      mtime_before_ = directory_->mtime;
    } else
      applied_.results.back().failures.push_back({group_failure, opened.status()});
    group_ends = !opened.ok();
  } else {
    const Status status = replica_->run(group, index_, *directory_, applied_.results.back().entries_changed);
    if (!status.ok())
      applied_.results.back().failures.push_back({static_cast<std::uint32_t>(index_), status});
    group_ends = index_++ >= group.operations.size();
    if (group_ends && !group.directory_attributes)
      directory_->mtime = mtime_before_; // as operation.h promises
  }
  if (!group_ends) return std::nullopt;
  directory_.reset();
  index_ = 0;
  if (++group_ < job.groups.size()) return std::nullopt;
  return std::move(applied_);
}

std::optional<engine::SinkJobResult> FakeJob::step_inspect(const engine::InspectJob& job) {
  inspected_.id = job.id;
  if (!directory_) {
    auto opened = replica_->open_directory(job.directory);
    inspected_.status = opened.status();
    if (!opened.ok()) return std::move(inspected_);
    directory_ = opened.value();
    return std::nullopt;
  }
  if (index_ < job.items.size()) {
    inspected_.entries.push_back(replica_->inspect(*directory_, job.items[index_++].name));
    return std::nullopt;
  }
  if (job.find_extras)
    for (const auto& [name, entry] : directory_->entries)
      if (!job.seen->contains(name))
        inspected_.extras.push_back({name, entry->type == FileType::directory, 1});
  return std::move(inspected_);
}

Attributes attributes_of(FileType type, std::uint32_t mode, std::int64_t mtime) {
  Attributes attributes;
  attributes.type = type;
  attributes.mode = mode;
  attributes.mtime.seconds = mtime;
  return attributes;
}

OperationGroup group_of(std::string directory, std::vector<Operation> operations) {
  OperationGroup group;
  group.directory = std::move(directory);
  group.operations = std::move(operations);
  return group;
}

Operation operation_of(OperationKind kind, std::string name, Attributes attributes) {
  Operation operation;
  operation.kind = kind;
  operation.name = std::move(name);
  operation.attributes = std::move(attributes);
  return operation;
}

Operation put(std::string name, std::uint32_t length) {
  Operation operation =
      operation_of(OperationKind::put_file, std::move(name), attributes_of(FileType::regular));
  operation.length = length;
  return operation;
}

Operation link_to(std::string name, std::string target) {
  Operation operation =
      operation_of(OperationKind::make_link, std::move(name), attributes_of(FileType::regular));
  operation.target = std::move(target);
  return operation;
}

Operation stage_of(OperationKind kind, std::uint64_t stage, std::string name) {
  Operation operation = operation_of(kind, std::move(name), attributes_of(FileType::regular));
  operation.stage = stage;
  return operation;
}

} // namespace osync::test
