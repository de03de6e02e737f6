#include "source/reader.h"

#include <fcntl.h>

#include <cerrno>
#include <exception>
#include <memory>
#include <new>
#include <utility>
#include <variant>

#include "source/attributes_xattrs.h"
#include "source/reader_look.h"

namespace osync::source {
namespace {

using namespace engine;

/// What every kind of job answers when it could not be done at all.
std::optional<SourceJobResult> failed(const SweepJob& job, Status status) {
  return SweepResult{.id = job.id, .status = std::move(status), .watch = {}, .directories = {}, .mounts = {}};
}
std::optional<SourceJobResult> failed(const ScanJob& job, Status status) {
  if (job.mode == ScanMode::compare) {
    ListResult result;
    result.id = job.id;
    result.status = std::move(status);
    return result;
  }
  ReadResult result;
  result.id = job.id;
  result.status = std::move(status);
  return result;
}
std::optional<SourceJobResult> failed(const ReadJob& job, Status status) {
  ReadResult result;
  result.id = job.id;
  result.status = std::move(status);
  return result;
}
std::optional<SourceJobResult> failed(const FindLinksJob& job, Status status) {
  return LinksFound{.id = job.id, .status = std::move(status), .names = {}};
}
std::optional<SourceJobResult> failed(const CloseCursorJob&, const Status&) { return std::nullopt; }
std::optional<SourceJobResult> failed(const OpenFileJob& job, Status status) {
  return FileOpened{.id = job.id, .status = std::move(status), .file = 0, .attributes = {}};
}
std::optional<SourceJobResult> failed(const ReadFileJob& job, Status status) {
  return FileChunk{.id = job.id, .status = std::move(status), .offset = job.offset, .data = {}, .end = true};
}
std::optional<SourceJobResult> failed(const CloseFileJob& job, Status status) {
  return FileClosed{.id = job.id, .status = std::move(status), .digest = {}};
}

} // namespace

SourceReader::SourceReader(SourceRoot& root, Watcher* watcher, const Rules& rules, ReaderLimits limits,
                           Logger& logger)
    : context_(root, rules, limits, logger), watcher_(watcher), cursors_(limits.max_cursors),
      files_(limits.max_open_files) {}

std::optional<SourceJobResult> SourceReader::run(const SourceJob& job) noexcept {
  return std::visit(
      [this](const auto& one) -> Answer {
        try {
          return run_job(one);
        } catch (const std::bad_alloc&) {
          return failed(one, Status(Code::limit, "out of memory"));
        } catch (const std::exception& error) {
          return failed(one, Status(Code::internal, error.what()));
        }
      },
      job);
}

Result<FileDescriptor> SourceReader::open(const DirectoryRef& directory, DirectoryAccess access) const {
  auto fd = context_.root.open_directory(directory, access);
  if (fd.ok() && !directory.path.empty() && holds_replica(fd.value().get(), ""))
    return Status(Code::stale, "open directory: it holds a replica of its own, which is never entered",
                  directory.path);
  return fd;
}

Status SourceReader::watch(int directory_fd, const DirectoryRef& directory) const {
  if (watcher_ == nullptr || !watcher_->needs_directory_watches()) return {};
  return watcher_->watch(directory_fd, directory.id);
}

Status SourceReader::interrupted_status(const std::string& path) const {
  if (!context_.interrupted.load(std::memory_order_relaxed)) return {};
  return {Code::closed, "stopping", path};
}

SourceReader::Answer SourceReader::run_job(const SweepJob& job) {
  SweepResult result;
  result.id = job.id;
  result.status = sweep(job, result);
  if (!result.status.ok()) {
    result.directories.clear();
    result.mounts.clear();
  }
  return result;
}

template <class Visit>
Status SourceReader::for_each_entry(const OpenDirectory& directory, Visit visit) const {
  DirectoryStream stream;
  const DirectoryEntry* entry = nullptr;
  while (true) {
    Status status = interrupted_status(directory.path);
    if (status.ok()) status = stream.peek(directory.fd, directory.path, entry);
    if (!status.ok() || entry == nullptr) return status;
    if (valid_name(entry->text()) && !directory.is_state(entry->text())) visit(*entry);
    stream.advance();
  }
}

Status SourceReader::sweep(const SweepJob& job, SweepResult& result) const {
  auto fd = open(job.directory, DirectoryAccess::list);
  if (!fd.ok()) return fd.status();
  result.watch = watch(fd.value().get(), job.directory);
  const OpenDirectory directory(context_, fd.value().get(), job.directory.path);
  return for_each_entry(directory, [&](const DirectoryEntry& entry) {
    const bool possible = entry.type == FileType::directory || entry.type == FileType::unknown;
    if (possible && !directory.excludes(context_, entry.text(), true))
      sweep_entry(directory.fd, entry, result);
  });
}

void SourceReader::sweep_entry(int directory_fd, const DirectoryEntry& entry, SweepResult& result) const {
  // An entry that cannot be looked at now is left to the scan, which reports it.
  FileStatus status;
  if (read_status(directory_fd, entry.name, status) != 0 || status.attributes.type != FileType::directory)
    return;
  Identity identity;
  if (context_.root.identifier().identify(directory_fd, entry.name, identity) != 0) return;
  if (context_.root.is_mount(status) || context_.root.is_mount(identity) ||
      holds_replica(directory_fd, entry.text()))
    result.mounts.emplace_back(entry.text());
  else
    result.directories.push_back({std::string(entry.text()), identity.id});
}

SourceReader::Answer SourceReader::run_job(const ReadJob& job) {
  ReadResult result;
  result.id = job.id;
  auto fd = open(job.directory, DirectoryAccess::look);
  if (!fd.ok()) return failed(job, fd.status());
  const OpenDirectory directory(context_, fd.value().get(), job.directory.path);
  result.status =
      read_directory_attributes(context_, directory.fd, true, directory.path, result.directory_attributes);
  if (!result.status.ok()) return result;

  Look look(context_, directory, job.max_bytes, job.include_linked, job.count_links);
  result.entries.resize(job.names.size());
  bool done = false;
  for (std::size_t i = 0; i < job.names.size(); ++i) {
    EntryRead& entry = result.entries[i];
    done = done || look.full();
    if (done) {
      entry.operation.name = job.names[i];
      entry.outcome = EntryRead::Outcome::not_done;
    } else {
      look.look(job.names[i], entry);
      done = entry.outcome == EntryRead::Outcome::not_done;
    }
  }
  result.payload = look.finish();
  return result;
}

SourceReader::Answer SourceReader::run_job(const FindLinksJob& job) {
  LinksFound result;
  result.id = job.id;
  result.status = find_links(job, result);
  if (!result.status.ok()) result.names.clear();
  return result;
}

Status SourceReader::find_links(const FindLinksJob& job, LinksFound& result) const {
  auto fd = open(job.directory, DirectoryAccess::list);
  if (!fd.ok()) return fd.status();
  const OpenDirectory directory(context_, fd.value().get(), job.directory.path);
  return for_each_entry(directory, [&](const DirectoryEntry& entry) {
    if (entry.type != FileType::directory && job.inodes && job.inodes->contains(entry.inode) &&
        !directory.excludes(context_, entry.text(), false))
      result.names.emplace_back(entry.text());
  });
}

SourceReader::Answer SourceReader::run_job(const CloseCursorJob& job) {
  static_cast<void>(cursors_.take(job.cursor)); // the lease closes it
  return std::nullopt;
}

SourceReader::Answer SourceReader::run_job(const OpenFileJob& job) {
  FileOpened result;
  result.id = job.id;
  result.status = open_file(job, result);
  return result;
}

Status SourceReader::open_file(const OpenFileJob& job, FileOpened& result) {
  auto lease = files_.reserve();
  if (!lease.valid()) return {Code::limit, "open file: too many large files are open", job.directory.path};
  auto fd = open(job.directory, DirectoryAccess::look);
  if (!fd.ok()) return fd.status();
  const OpenDirectory directory(context_, fd.value().get(), job.directory.path);
  std::string path = directory.path_of(job.name);
  if (!valid_name(job.name) || directory.is_state(job.name))
    return {Code::invalid, "open file: not a name of an entry", std::move(path)};

  PinnedEntry pinned;
  int error = context_.opener.pin(directory.fd, job.name.c_str(), pinned);
  if (error != 0) return Status::from_errno(error, "open (large file)", std::move(path));
  if (pinned.status.attributes.type != FileType::regular || context_.root.is_mount(pinned.status))
    return {Code::stale, "open file: no longer a regular file of this tree", std::move(path)};
  FileDescriptor file;
  error = context_.opener.reopen_regular(pinned, file);
  if (error != 0) return Status::from_errno(error, "open (large file)", std::move(path));
  result.attributes = pinned.status.attributes;
  error = read_xattrs(file.get(), context_.limits.xattr_bytes, result.attributes);
  if (error != 0 && error != EACCES && error != EPERM) return xattr_error(error, std::move(path));
  lease.set(std::make_unique<LargeFile>(std::move(fd).value(), job.name, std::move(path), std::move(file),
                                        std::move(pinned.status)));
  result.file = lease.keep();
  return {};
}

SourceReader::Answer SourceReader::run_job(const ReadFileJob& job) {
  auto lease = files_.take(job.file);
  if (!lease.valid()) return failed(job, Status(Code::invalid, "read file: no such open file"));
  FileChunk result;
  result.id = job.id;
  result.offset = job.offset;
  result.status = interrupted_status("");
  if (result.status.ok())
    result.status =
        lease.item()->read(job.offset, job.max_bytes, *context_.pool, context_.limits.small_payload, result);
  lease.keep(); // also after an error: the engine closes it
  return result;
}

SourceReader::Answer SourceReader::run_job(const CloseFileJob& job) {
  const auto lease = files_.take(job.file);
  if (!lease.valid()) return failed(job, Status(Code::invalid, "close file: no such open file"));
  FileClosed result;
  result.id = job.id;
  if (job.check) result.status = lease.item()->check();
  result.digest = lease.item()->digest();
  return result;
}

} // namespace osync::source
