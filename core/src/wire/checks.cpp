#include "wire/checks.h"

#include <limits>

#include "wire/codec.h"

namespace osync::wire {
namespace {

constexpr std::uint64_t max_file_bytes = std::numeric_limits<std::int64_t>::max(); // off_t

Status refuse(std::string message) { return {Code::corrupt, std::move(message)}; }

Status check_xattrs(const osync::Attributes& attributes) {
  if (!attributes.has_xattrs && !attributes.xattrs.empty())
    return refuse("xattrs: given, and said not to be");
  if (Status status = check_count("xattrs", attributes.xattrs.size(), max_xattrs); !status.ok())
    return status;
  std::size_t bytes = 0;
  std::string_view before;
  for (const osync::Xattr& xattr : attributes.xattrs) {
    if (xattr.name.empty() || xattr.name.find('\0') != std::string::npos)
      return refuse("xattrs: a name is empty or holds NUL");
    if (Status status = check_length("xattr name", xattr.name.size(), max_xattr_name_bytes); !status.ok())
      return status;
    if (Status status = check_length("xattr value", xattr.value.size(), max_xattr_value_bytes); !status.ok())
      return status;
    if (xattr.name <= before) return refuse("xattrs: not ascending by name, each name once");
    before = xattr.name;
    bytes += xattr.name.size() + xattr.value.size();
  }
  return check_length("xattrs of one object", bytes, max_xattr_bytes);
}

Status check_symlink_target(std::string_view target, bool may_be_empty) {
  if (target.empty() && !may_be_empty) return refuse("symlink without a target");
  if (target.find('\0') != std::string_view::npos) return refuse("symlink target holds NUL");
  return check_length("symlink target", target.size(), max_symlink_bytes);
}

std::string type_text(FileType type) { return "file type " + std::to_string(static_cast<unsigned>(type)); }

bool special(FileType type) noexcept {
  return type == FileType::fifo || type == FileType::socket || type == FileType::character_device ||
         type == FileType::block_device;
}

/// Whether the kind states attributes of its entry, and if so, of the right type.
Status check_type(OperationKind kind, FileType type) {
  bool right = true;
  switch (kind) {
  case OperationKind::put_file:
  case OperationKind::publish:
    right = type == FileType::regular;
    break;
  case OperationKind::make_directory:
  case OperationKind::move_directory:
    right = type == FileType::directory;
    break;
  case OperationKind::make_symlink:
    right = type == FileType::symlink;
    break;
  case OperationKind::make_special:
    right = special(type);
    break;
  case OperationKind::set_attributes:
    right = type != FileType::unknown;
    break;
  case OperationKind::make_link:
  case OperationKind::stage_data:
  case OperationKind::discard_stage:
  case OperationKind::remove:
    break; // attributes are not needed, and of any type
  }
  return right ? Status() : refuse("attributes: " + type_text(type) + " does not fit the kind of operation");
}

Status check_target(const osync::Operation& operation) {
  if (operation.kind == OperationKind::make_symlink) return check_symlink_target(operation.target, false);
  if (operation.kind == OperationKind::make_link) {
    if (operation.target.empty()) return refuse("link without a target");
    return check_path("link target", operation.target);
  }
  if (operation.kind == OperationKind::move_directory) {
    if (operation.target.empty() && operation.stage == 0) return refuse("move without a directory");
    return check_path("directory to move", operation.target);
  }
  return operation.target.empty() ? Status() : refuse("target: given, and neither symlink, link nor move");
}

Status check_stage(const osync::Operation& operation) {
  const OperationKind kind = operation.kind;
  const bool staged = kind == OperationKind::stage_data || kind == OperationKind::publish ||
                      kind == OperationKind::discard_stage;
  if (staged && operation.stage == 0) return refuse("stage: missing");
  const bool may_put_aside = kind == OperationKind::remove || kind == OperationKind::move_directory;
  if (!staged && !may_put_aside && operation.stage != 0) return refuse("stage: given, and the operation has none");
  if (kind != OperationKind::publish && operation.digest != osync::Digest{})
    return refuse("digest: given, and nothing is published");
  return {};
}

Status check_range(const osync::Operation& operation, std::size_t payload_bytes) {
  const std::uint64_t begin = operation.payload_offset;
  if (operation.kind != OperationKind::put_file && operation.kind != OperationKind::stage_data) {
    if (begin != 0 || operation.length != 0)
      return refuse("payload: given, and the operation has no content");
  } else if (begin > payload_bytes || operation.length > payload_bytes - begin) {
    return refuse("payload: bytes " + std::to_string(begin) + " + " + std::to_string(operation.length) +
                  " are not within the group's " + std::to_string(payload_bytes));
  }
  if (operation.kind != OperationKind::stage_data)
    return operation.offset == 0 ? Status() : refuse("offset: given, and no data is staged");
  if (operation.offset > max_file_bytes - operation.length)
    return refuse("offset: " + std::to_string(operation.offset) + " + " + std::to_string(operation.length) +
                  " is beyond the largest file");
  return {};
}

} // namespace

Status within(const std::string& place, const Status& status) {
  return {status.code(), place + ": " + std::string(status.message())};
}

Status check_length(const char* what, std::size_t size, std::size_t bound) {
  if (size <= bound) return {};
  return refuse(std::string(what) + ": " + std::to_string(size) + " bytes, at most " + std::to_string(bound));
}

Status check_count(const char* what, std::size_t count, std::size_t bound) {
  if (count <= bound) return {};
  return refuse(std::string(what) + ": " + std::to_string(count) + ", at most " + std::to_string(bound));
}

Status check_name(std::string_view name) {
  if (valid_name(name)) return {};
  return refuse("name: " + std::to_string(name.size()) +
                " bytes that are no name (1 to 255 bytes, no '/' or NUL, not \".\" or \"..\")");
}

Status check_path(const char* what, std::string_view path) {
  if (Status status = check_length(what, path.size(), max_path_bytes); !status.ok()) return status;
  if (valid_relative_path(path)) return {};
  return refuse(std::string(what) + ": " + std::to_string(path.size()) +
                " bytes that are no relative path (valid names between single '/')");
}

Status check_label(const char* what, std::string_view label) {
  for (const char c : label)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return refuse(std::string(what) + ": holds control characters");
  return check_length(what, label.size(), max_label_bytes);
}

Status check_attributes(const osync::Attributes& attributes) {
  if (attributes.mode > 07777)
    return refuse("mode: " + std::to_string(attributes.mode) + ", at most 4095 (07777)");
  if (attributes.mtime.nanoseconds > 999'999'999)
    return refuse("mtime: " + std::to_string(attributes.mtime.nanoseconds) +
                  " ns, expected less than a second");
  if (attributes.size > max_file_bytes)
    return refuse("size: " + std::to_string(attributes.size) + " bytes is beyond the largest file");
  return attributes.has_xattrs || !attributes.xattrs.empty() ? check_xattrs(attributes) : Status();
}

Status check_operation(const osync::Operation& operation, std::size_t payload_bytes) {
  const bool named =
      operation.kind != OperationKind::stage_data && operation.kind != OperationKind::discard_stage;
  if (named || !operation.name.empty())
    if (Status status =
            named ? check_name(operation.name) : refuse("name: given, and the stage is no entry yet");
        !status.ok())
      return status;
  if (Status status = check_type(operation.kind, operation.attributes.type); !status.ok()) return status;
  if (Status status = check_attributes(operation.attributes); !status.ok()) return status;
  if (Status status = check_target(operation); !status.ok()) return status;
  if (Status status = check_stage(operation); !status.ok()) return status;
  return check_range(operation, payload_bytes);
}

Status check_listed_entry(const engine::ListedEntry& entry) {
  if (Status status = check_name(entry.name); !status.ok()) return status;
  if (Status status = check_attributes(entry.attributes); !status.ok()) return status;
  if (!entry.has_digest && entry.digest != osync::Digest{})
    return refuse("digest: given, and said not to be");
  if (entry.attributes.type == FileType::symlink) return check_symlink_target(entry.target, true);
  return entry.target.empty() ? Status() : refuse("target: given, and the entry is no symlink");
}

Status check_acknowledge(const engine::Acknowledge& acknowledge) {
  if (acknowledge.durable <= acknowledge.applied && acknowledge.applied <= acknowledge.received) return {};
  return refuse("acknowledge: received " + std::to_string(acknowledge.received) + ", applied " +
                std::to_string(acknowledge.applied) + ", durable " + std::to_string(acknowledge.durable) +
                ": expected durable <= applied <= received");
}

Status can_travel(std::string_view directory, const osync::Operation& operation) {
  Status status = check_length("path of the directory", directory.size(), max_path_bytes);
  if (status.ok()) status = check_target(operation);
  if (status.ok()) status = check_xattrs(operation.attributes);
  return status.ok() ? status : Status(Code::limit, "cannot be sent: " + std::string(status.message()));
}

Status can_travel(std::string_view directory, const engine::ListedEntry& entry) {
  Status status = check_length("path of the directory", directory.size(), max_path_bytes);
  if (status.ok()) status = check_xattrs(entry.attributes);
  return status.ok() ? status : Status(Code::limit, "cannot be sent: " + std::string(status.message()));
}

} // namespace osync::wire
