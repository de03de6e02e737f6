// SourceReader's scans: the pieces of one directory's listing, for transfer (entries with contents) and for
// comparison (attributes). Both walk the same cursor; they differ in what they make of a name.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "source/reader.h"
#include "source/reader_list.h"
#include "source/reader_look.h"

namespace osync::source {

using namespace engine;

namespace {

constexpr std::size_t usual_entries = 64; ///< room made at once: growing moves all entries so far

/// What became of a name.
enum class Taken : std::uint8_t {
  yes,
  left_out,
  next_piece, ///< it does not fit any more
};

/// A piece of a transfer scan.
class Transfer {
 public:
  using Result = ReadResult;
  Transfer(ReaderContext& context, const OpenDirectory& directory, const ScanJob& job)
      : look_(context, directory, job.max_bytes, false) {}

  Taken take(std::string_view name, Result& result) {
    if (look_.full()) return Taken::next_piece;
    EntryRead& entry = result.entries.emplace_back();
    look_.look(std::string(name), entry);
    if (entry.outcome != EntryRead::Outcome::not_done && entry.outcome != EntryRead::Outcome::absent &&
        !look_.excluded())
      return Taken::yes;
    const bool fits = entry.outcome != EntryRead::Outcome::not_done;
    result.entries.pop_back();
    return fits ? Taken::left_out : Taken::next_piece;
  }
  void finish(Result& result) { result.payload = look_.finish(); }

 private:
  Look look_;
};

/// A piece of a compare scan.
class Compare {
 public:
  using Result = ListResult;
  Compare(ReaderContext& context, const OpenDirectory& directory, const ScanJob& job)
      : lister_(context, directory, job.since, job.max_bytes) {}

  Taken take(std::string_view name, Result& result) {
    if (lister_.full()) return Taken::next_piece;
    if (lister_.list(std::string(name), result.entries.emplace_back())) return Taken::yes;
    result.entries.pop_back();
    return Taken::left_out;
  }
  void finish(Result&) {}

 private:
  Lister lister_;
};

} // namespace

SourceReader::Answer SourceReader::run_job(const ScanJob& job) {
  return job.mode == ScanMode::transfer ? scan<Transfer>(job) : scan<Compare>(job);
}

template <class Piece>
SourceReader::Answer SourceReader::scan(const ScanJob& job) {
  typename Piece::Result result;
  result.id = job.id;
  auto lease = scan_cursor(job, result.watch);
  if (!lease.ok()) {
    result.status = lease.status();
    return result;
  }
  Cursor& cursor = *lease.value().item();
  const OpenDirectory directory(context_, cursor.fd.get(), job.directory.path);
  Status status =
      read_directory_attributes(context_, directory.fd, false, directory.path, result.directory_attributes);
  Piece piece(context_, directory, job);
  const std::size_t most = std::clamp(job.max_entries, 1u, std::max(context_.limits.piece_entries, 1u));
  result.entries.reserve(std::min(most, usual_entries));
  const DirectoryEntry* entry = nullptr;
  while (status.ok()) {
    status = interrupted_status(directory.path);
    if (status.ok()) status = cursor.stream.peek(directory.fd, directory.path, entry);
    if (!status.ok() || entry == nullptr || result.entries.size() >= most) break;
    if (piece.take(entry->text(), result) == Taken::next_piece) break;
    cursor.stream.advance();
  }
  if (!status.ok()) { // what was read of it is no listing: the lease closes the cursor
    result.entries.clear();
    result.status = std::move(status);
    return result;
  }
  piece.finish(result);
  result.end = entry == nullptr;
  if (!result.end) result.cursor = lease.value().keep();
  return result;
}

Result<SourceReader::CursorLease> SourceReader::scan_cursor(const ScanJob& job, Status& watch_status) {
  return job.cursor == 0 ? first_piece(job, watch_status) : later_piece(job);
}

Result<SourceReader::CursorLease> SourceReader::first_piece(const ScanJob& job, Status& watch_status) {
  auto lease = cursors_.reserve();
  if (!lease.valid())
    return Status(Code::limit, "scan: too many directories are being scanned", job.directory.path);
  auto fd = open(job.directory, DirectoryAccess::list);
  if (!fd.ok()) return fd.status();
  // Before the first name is read: what changes afterwards is reported, what changed before is found.
  if (job.watch) watch_status = watch(fd.value().get(), job.directory);
  auto cursor = std::make_unique<Cursor>();
  cursor->fd = std::move(fd).value();
  lease.set(std::move(cursor));
  return lease;
}

Result<SourceReader::CursorLease> SourceReader::later_piece(const ScanJob& job) {
  auto lease = cursors_.take(job.cursor);
  if (!lease.valid()) return Status(Code::invalid, "scan: no such cursor", job.directory.path);
  // The cursor still reads the directory that it was opened on; whether the engine's path still means it is
  // to be known.
  auto fd = open(job.directory, DirectoryAccess::look);
  if (!fd.ok()) return fd.status();
  return lease;
}

} // namespace osync::source
