// Runs the source engine's jobs (engine/source_jobs.h) on the real file system.
//
// What events cannot tell is decided here by looking, and the order of looking is the engine's correctness: a
// directory is opened below the root, its identity compared, then watched, its own attributes read, and only
// then listed; an entry is held before it is looked at, its attributes are read before its first byte and
// again after the last. Nothing on the source is ever changed: no access times where that can be helped, no
// device or FIFO opened.
//
// Thread-safety: run() from several threads at once; jobs on one cursor or one file come one at a time.
// Bounds: ReaderLimits.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>

#include "engine/rules.h"
#include "engine/source_jobs.h"
#include "osync/logger.h"
#include "osync/watcher.h"
#include "source/directory_stream.h"
#include "source/file_large.h"
#include "source/reader_context.h"
#include "source/reader_limits.h"
#include "source/reader_table.h"
#include "source/source_root.h"

namespace osync::source {

class SourceReader {
 public:
  /// All arguments outlive the reader. `watcher`: null where nothing is watched (then Watcher::watch counts
  /// as done).
  SourceReader(SourceRoot& root, Watcher* watcher, const engine::Rules& rules, ReaderLimits limits,
               Logger& logger);

  /// Does one job in the calling thread and returns its result; none for CloseCursorJob. Failures are in the
  /// result; out of memory answers Code::limit.
  [[nodiscard]] std::optional<engine::SourceJobResult> run(const engine::SourceJob& job) noexcept;

  /// Ends what may take long (a digest, a huge directory): jobs that run now, and later ones, answer
  /// Code::closed. Any thread; for stopping.
  void interrupt() noexcept { context_.interrupted.store(true, std::memory_order_relaxed); }

  /// For tests: what is open between jobs, and unused payload buffers.
  [[nodiscard]] std::size_t open_cursors() const { return cursors_.size(); }
  [[nodiscard]] std::size_t open_files() const { return files_.size(); }
  [[nodiscard]] std::size_t idle_buffers() const { return context_.pool->idle(); }

 private:
  struct Cursor {
    FileDescriptor fd;
    DirectoryStream stream;
  };
  using CursorLease = Table<Cursor>::Lease;
  using Answer = std::optional<engine::SourceJobResult>;

  Answer run_job(const engine::SweepJob& job);
  Answer run_job(const engine::ScanJob& job);
  Answer run_job(const engine::ReadJob& job);
  Answer run_job(const engine::FindLinksJob& job);
  Answer run_job(const engine::CloseCursorJob& job);
  Answer run_job(const engine::OpenFileJob& job);
  Answer run_job(const engine::ReadFileJob& job);
  Answer run_job(const engine::CloseFileJob& job);

  /// The directory, if it is the right one and no replica of its own (that is stale: its parent's next look
  /// says mount).
  Result<FileDescriptor> open(const engine::DirectoryRef& directory, DirectoryAccess access) const;
  Status watch(int directory_fd, const engine::DirectoryRef& directory) const;
  Status sweep(const engine::SweepJob& job, engine::SweepResult& result) const;
  /// Calls `visit` with every entry that is part of the tree as far as its name tells, to the end of the
  /// directory.
  template <class Visit>
  Status for_each_entry(const OpenDirectory& directory, Visit visit) const;
  void sweep_entry(int directory_fd, const DirectoryEntry& entry, engine::SweepResult& result) const;
  Status find_links(const engine::FindLinksJob& job, engine::LinksFound& result) const;
  Status open_file(const engine::OpenFileJob& job, engine::FileOpened& result);

  /// The cursor of a scan: opened, watched where asked, identity compared (again, for a later piece).
  Result<CursorLease> scan_cursor(const engine::ScanJob& job, Status& watch_status);
  Result<CursorLease> first_piece(const engine::ScanJob& job, Status& watch_status);
  Result<CursorLease> later_piece(const engine::ScanJob& job);
  /// Runs one piece: `Reader` is Transfer or Compare of reader_scan.cpp.
  template <class Piece>
  Answer scan(const engine::ScanJob& job);
  Status interrupted_status(const std::string& path) const;

  mutable ReaderContext context_;
  Watcher* watcher_;
  Table<Cursor> cursors_;
  Table<LargeFile> files_;
};

} // namespace osync::source
