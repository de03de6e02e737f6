// What the source engine asks of the source's file system, and what comes back.
//
// The engine makes no system call: it hands out jobs, drivers (core/src/source/) run them in worker threads, in any
// order and side by side, and hand the results in. Every job is answered by exactly one result with the same id.
//
// A directory is named by a path, which is only a guess, and by its identity, which decides: the driver opens the path
// below the root without following any symlink, compares the identity, and answers Code::stale on a mismatch and
// Code::not_found where a component is missing or no directory. Only not_found for an *entry* below a directory whose
// identity was right means that the entry is gone; any other error keeps the replica's copy.
//
// Plain values; no thread of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <variant>
#include <vector>

#include "osync/operation.h"
#include "osync/status.h"
#include "osync/types.h"

namespace osync::engine {

using JobId = std::uint64_t;
using CursorId = std::uint64_t; ///< an open directory in the driver; 0: none
using FileId = std::uint64_t;   ///< an open large file in the driver; 0: none

struct DirectoryRef {
  std::string path; ///< relative to the source root; empty for the root. May exceed PATH_MAX
  ObjectId id;
};

/// Watch a directory and name its subdirectories: the quick pass that makes the whole tree live.
struct SweepJob {
  JobId id = 0;
  DirectoryRef directory;
};

struct FoundDirectory {
  std::string name;
  ObjectId id;
};

struct SweepResult {
  JobId id = 0;
  Status status;
  Status watch; ///< of Watcher::watch
  std::vector<FoundDirectory> directories;
  std::vector<std::string> mounts; ///< names that are on another file system, and therefore not in `directories`
};

enum class ScanMode : std::uint8_t {
  transfer, ///< the replica has nothing there: read entries with their contents
  compare,  ///< read attributes; the sink compares
};

/// Watch a directory (if asked to), then read its next entries. The cursor stays open in the driver from the first
/// piece until `end`, an error, or CloseCursorJob.
struct ScanJob {
  JobId id = 0;
  DirectoryRef directory;
  ScanMode mode = ScanMode::transfer;
  CursorId cursor = 0;             ///< 0: from the beginning
  bool watch = false;
  std::uint32_t max_entries = 256;
  std::uint32_t max_bytes = 512u << 10; ///< transfer: stop adding contents beyond it (one entry is always done)
  Timestamp since; ///< compare: entries with a ctime at or after it come with digest and xattrs; zero: all of them
};

/// Look at single entries of a directory and read what they are now. No names: only the directory's own attributes.
struct ReadJob {
  JobId id = 0;
  DirectoryRef directory;
  std::vector<std::string> names;
  std::uint32_t max_bytes = 512u << 10;
  bool include_linked = false; ///< read contents of files with several links too, instead of answering `linked`
  bool count_links = false;    ///< read no contents: what is no directory is answered `linked`, also with one link
};

/// One entry as it was found.
struct EntryRead {
  enum class Outcome : std::uint8_t {
    ready,    ///< `operation` is complete (put_file, make_directory, make_symlink, make_special)
    absent,   ///< ENOENT below the right directory
    large,    ///< a regular file above the inline limit, or sparse: open it with OpenFileJob; attributes are set
    linked,   ///< a file of any type but directory with several links, not read; attributes and id are set
    torn,     ///< changed while it was read; the operation holds what was read (attributes from before)
    failed,   ///< `status` says why; the replica's copy is kept
    mount,    ///< on another file system than the root; not entered
    not_done, ///< the byte budget was used up before; ask again
  };
  Outcome outcome = Outcome::ready;
  bool excluded = false; ///< with `mount`: it is no mount, but the rules leave it out
  Status status;
  Operation operation; ///< name is always set
  ObjectId id;         ///< of directories
};

/// Of ScanJob in mode transfer and of ReadJob. The directory's attributes were read before its first entry.
struct ReadResult {
  JobId id = 0;
  Status status; ///< of the directory; entries are valid only when ok. A scan that fails midway answers its error
  Status watch;  ///< where the job asked for a watch
  Attributes directory_attributes;
  std::vector<EntryRead> entries;
  Buffer payload;
  CursorId cursor = 0; ///< of a scan that is not at its end
  bool end = true;
};

/// One entry of a listing, for comparison by the sink.
struct ListedEntry {
  std::string name;
  Attributes attributes; ///< has_xattrs only where `has_digest`
  std::string target;    ///< symlinks
  ObjectId id;           ///< directories; not sent
  bool has_digest = false; ///< digest (regular files) and xattrs are given and are to be compared too
  Digest digest;
  bool mount = false;      ///< on another file system: never compared, wanted or deleted
};

struct ListResult {
  JobId id = 0;
  Status status;
  Status watch;
  Attributes directory_attributes;
  std::vector<ListedEntry> entries;
  CursorId cursor = 0;
  bool end = true;
};

/// Which entries of a directory are names of these inodes, as readdir tells (no entry is opened): finds the other names of
/// files that have got more links.
struct FindLinksJob {
  JobId id = 0;
  DirectoryRef directory;
  std::shared_ptr<const std::unordered_set<std::uint64_t>> inodes;
};

struct LinksFound {
  JobId id = 0;
  Status status;
  std::vector<std::string> names;
};

struct CloseCursorJob { ///< no result
  CursorId cursor = 0;
};

struct OpenFileJob {
  JobId id = 0;
  DirectoryRef directory;
  std::string name;
};

struct FileOpened {
  JobId id = 0;
  Status status; ///< not_found: gone; stale: no longer a regular file, look again
  FileId file = 0;
  Attributes attributes; ///< with xattrs, read before the first byte
};

/// Read the next piece of data at or after `offset`, skipping holes. Jobs on one file are issued one at a time, with
/// growing offsets.
struct ReadFileJob {
  JobId id = 0;
  FileId file = 0;
  std::uint64_t offset = 0;
  std::uint32_t max_bytes = 1u << 20;
};

struct FileChunk {
  JobId id = 0;
  Status status;
  std::uint64_t offset = 0; ///< of `data`
  Buffer data;              ///< empty: no more data
  bool end = false;
};

/// Check that the file is still what was opened (identity by name, statx before and after), and close it. Always
/// answered; the file id is void afterwards.
struct CloseFileJob {
  JobId id = 0;
  FileId file = 0;
  bool check = true;
};

struct FileClosed {
  JobId id = 0;
  Status status; ///< stale: torn or replaced
  Digest digest; ///< XXH3-128 over, for each chunk in order, its offset (8 bytes little-endian) and its bytes
};

using SourceJob =
    std::variant<SweepJob, ScanJob, ReadJob, FindLinksJob, CloseCursorJob, OpenFileJob, ReadFileJob, CloseFileJob>;
using SourceJobResult =
    std::variant<SweepResult, ReadResult, ListResult, LinksFound, FileOpened, FileChunk, FileClosed>;

} // namespace osync::engine
