#include "group_applier.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "directory_reader.h"
#include "names.h"
#include "xattrs.h"

namespace osync::sink_fs {

namespace {

bool works_on_stage_only(OperationKind kind) noexcept {
  return kind == OperationKind::stage_data || kind == OperationKind::discard_stage;
}

} // namespace

Status GroupApplier::failed(int error, std::string_view what, const Operation& operation) const {
  return failure(error, what, path_of(operation).text());
}

void GroupApplier::run(GroupResult& result) {
  const bool stages_only = !group_.directory_attributes &&
                           std::all_of(group_.operations.begin(), group_.operations.end(),
                                       [](const Operation& o) { return works_on_stage_only(o.kind); });
  if (!stages_only)
    if (Status status = open_directory(); !status.ok()) {
      result.failures.push_back({group_failure, std::move(status)});
      return;
    }
  for (std::size_t i = 0; i < group_.operations.size(); ++i) {
    changed_ = false;
    Status status = apply_with_space(group_.operations[i]);
    if (changed_ && status.ok()) ++result.entries_changed;
    if (!status.ok()) result.failures.push_back({static_cast<std::uint32_t>(i), std::move(status)});
  }
  if (stages_only) return;
  if (Status status = finish_directory(); !status.ok())
    result.failures.push_back({group_failure, std::move(status)});
}

Status GroupApplier::open_directory() {
  if (!usable_path(group_.directory, services_.case_sensitive))
    return {Code::invalid, "no path that a replica may have", group_.directory};
  if (group_.directory_attributes && !valid_attributes(*group_.directory_attributes))
    return {Code::invalid, "mode or nanoseconds are out of range", group_.directory};
  auto opened = services_.access.open_for_change(group_.directory);
  if (!opened.ok()) return opened.status();
  directory_ = std::move(opened).value();
  replacer_.emplace(services_.replacing, directory_.fd.get(), group_.directory);
  const bool touches_entries = std::any_of(group_.operations.begin(), group_.operations.end(),
                                           [](const Operation& o) { return !works_on_stage_only(o.kind); });
  if (touches_entries) directory_.stay.will_change();
  return {};
}

/// The directory's own attributes, whatever became of the operations; else what it had before.
Status GroupApplier::finish_directory() {
  Status status;
  if (group_.directory_attributes) {
    const Attributes& wanted = *group_.directory_attributes;
    struct stat now {};
    if (fstat(directory_.fd.get(), &now) != 0)
      return failure(errno, "fstat of the directory", group_.directory);
    const Target target{directory_.fd.get(), false, FileType::directory};
    status = services_.writer.write(target, present_of(now), wanted, false, false, {group_.directory, {}});
    directory_.stay.settle(wanted.mode, wanted.mtime);
  }
  const int error = directory_.stay.leave();
  if (status.ok() && error != 0)
    status = failure(error, "setting mode and mtime of the directory", group_.directory);
  return status;
}

/// Where the disk is full, what waits to be deleted goes first, and the operation is tried once more. Not so
/// a publish: its stage is used up, and the source sends the file again.
Status GroupApplier::apply_with_space(const Operation& operation) {
  Status status = apply(operation);
  if (status.code() != Code::no_space || !services_.replacing.limbo.make_space()) return status;
  return operation.kind == OperationKind::publish ? status : apply(operation);
}

Status GroupApplier::apply(const Operation& operation) {
  try {
    switch (operation.kind) {
    case OperationKind::stage_data: {
      if (operation.payload_offset > group_.payload.size() ||
          operation.length > group_.payload.size() - operation.payload_offset)
        return {Code::invalid, "the operation's data lies outside of its group's payload"};
      const auto data = group_.payload.bytes().subspan(operation.payload_offset, operation.length);
      return services_.stages.write(operation.stage, operation.offset, data);
    }
    case OperationKind::discard_stage:
      services_.stages.discard(operation.stage);
      services_.replacing.limbo.release(operation.stage);
      return {};
    default:
      break;
    }
    if (Status status = check_entry(operation); !status.ok()) return status;
    changed_ = true;
    return apply_to_entry(operation);
  } catch (const std::bad_alloc&) {
    return {Code::limit, "out of memory"};
  } catch (const std::exception& error) {
    return {Code::internal, error.what()};
  }
}

Status GroupApplier::check_entry(const Operation& operation) {
  if (!usable_entry(group_.directory, operation.name, services_.case_sensitive))
    return {Code::invalid, "no name that an entry of a replica may have", path_of(operation).text()};
  if (!valid_attributes(operation.attributes))
    return {Code::invalid, "mode or nanoseconds are out of range", path_of(operation).text()};
  if (!services_.case_sensitive && hides_behind_case(operation.name.c_str()))
    return {Code::exists,
            "the file system takes this name for another one that is there (upper and lower case); rename "
            "one of the "
            "two on the source",
            path_of(operation).text()};
  return {};
}

/// Whether the name finds an entry that is spelled differently: touching it would touch the wrong one.
bool GroupApplier::hides_behind_case(const char* name) {
  struct stat status {};
  if (fstatat(directory_.fd.get(), name, &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
  DirectoryReader reader(Fd(openat(directory_.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!reader.ok()) throw std::bad_alloc();
  while (const dirent* entry = reader.next())
    if (std::string_view(entry->d_name) == name) return false;
  return true;
}

Status GroupApplier::apply_to_entry(const Operation& operation) {
  switch (operation.kind) {
  case OperationKind::put_file:
    return put_file(operation);
  case OperationKind::make_directory:
    return make_directory(operation);
  case OperationKind::make_symlink:
  case OperationKind::make_special:
    return make_node(operation);
  case OperationKind::make_link:
    return make_link(operation);
  case OperationKind::publish:
    return publish(operation);
  case OperationKind::remove:
    return replacer_->remove(operation.name.c_str(), changed_, operation.stage);
  case OperationKind::set_attributes:
    return set_attributes(operation);
  case OperationKind::move_directory:
    return move_directory(operation);
  case OperationKind::stage_data:
  case OperationKind::discard_stage:
    break;
  }
  return {Code::unsupported, "an operation of an unknown kind", path_of(operation).text()};
}

bool GroupApplier::inherits_acl() {
  if (!inherits_acl_) inherits_acl_ = fgetxattr(directory_.fd.get(), default_acl_name, nullptr, 0) > 0;
  return *inherits_acl_;
}

bool GroupApplier::owner_is_right(const Operation& operation, const Made& made) const {
  return made.known && services_.writer.owner_is_right(operation.attributes, made.uid, made.gid);
}

/// What the thing just made is like; the first one tells what the others get.
Result<Present> GroupApplier::learn(const Target& target, Made& made, bool inherits,
                                    const Operation& operation) {
  struct stat status {};
  if (fstat(target.fd, &status) != 0) return failed(errno, "fstat of what was just made", operation);
  made = {true, status.st_uid, status.st_gid};
  Present present = present_of(status);
  present.fresh = true;
  present.inherits_acl = inherits;
  return present;
}

Result<GroupApplier::Temporary> GroupApplier::temporary() {
  PrivateArea& area = services_.replacing.area;
  if (!beside_) return Temporary{area.stage(), area.unique_name()};
  auto name = area.unique_beside_name(group_.directory);
  if (!name.ok()) return name.status();
  return Temporary{directory_.fd.get(), std::move(name).value()};
}

} // namespace osync::sink_fs
