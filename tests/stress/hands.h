// What an operation works with: open directories of the tree in use, names in them, a seeded generator, a
// log.
//
// Everything is reached through directory descriptors and never through a symlink, so that no race between
// two writers can lead out of the tree. Directories stay open while others move or remove them, as shells and
// servers keep them. A Hands object belongs to one writer thread; several writers work in the same tree.
#pragma once

#include "stress/operation_log.h"
#include "support/descriptor.h"
#include "support/random.h"

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace osync::stress {

using Folder = std::shared_ptr<test::Descriptor>;

/// A name in an open directory, as readdir(3) showed it; it may be another one by now.
struct Entry {
  Folder folder;
  std::string name;
  unsigned char type = 0; ///< DT_*

  [[nodiscard]] int at() const { return folder->get(); }
};

/// What all writers of a run share.
struct Shared {
  std::string root;             ///< the source
  std::string outside;          ///< beside it, on the same file system: trees come from there and go there
  std::string archive;          ///< a tar file with a varied tree
  std::atomic<long> entries{0}; ///< about how many names the tree has; above `most` writers remove
  long most = 6000;
  std::shared_mutex border; ///< held alone by who moves things out of the root, shared by all others
  OperationLog log;
};

/// This top-level folder holds paths beyond PATH_MAX: it stays where it is, because rsync cannot look at it.
inline const std::string deep_folder = "deep";

/// An operation found nothing to work on.
inline constexpr int nothing_there = -1;

class Hands {
 public:
  Hands(Shared& shared, unsigned writer, std::uint64_t seed);

  test::Random random;

  [[nodiscard]] Shared& shared() { return shared_; }
  /// One of the open directories, now and then another one than before.
  [[nodiscard]] Folder folder();
  /// Opened anew by a walk from the root.
  [[nodiscard]] Folder walk(const Folder& from);
  [[nodiscard]] Folder root();
  [[nodiscard]] Folder outside();
  /// An entry of a directory; `type`: DT_REG and so on, DT_UNKNOWN for any.
  [[nodiscard]] std::optional<Entry> any(unsigned char type);
  [[nodiscard]] std::optional<Entry> any_in(const Folder& folder, unsigned char type);
  [[nodiscard]] std::optional<Entry> file();
  [[nodiscard]] std::optional<Entry> directory();
  /// From a universe of few names, so that names collide; now and then a strange one.
  [[nodiscard]] std::string new_name();
  [[nodiscard]] Entry new_entry();
  /// A size as file sizes are: mostly small.
  [[nodiscard]] std::size_t new_size();

  /// Opens a regular file for writing, and nothing else whatever stands at the name by now.
  [[nodiscard]] test::Descriptor open_file(const Entry& entry, int flags);
  /// Holds the object itself, whatever it is, for calls through reference().
  [[nodiscard]] test::Descriptor hold(const Entry& entry, bool not_a_symlink = true);
  /// A path that names the held object itself.
  [[nodiscard]] static std::string reference(const test::Descriptor& held);
  /// Writes `size` random bytes at `offset`; 0 or errno.
  [[nodiscard]] int write_at(const test::Descriptor& file, off_t offset, std::size_t size);

  /// Logs what was tried; returns 0, or errno of `result` when negative.
  int did(const char* what, long result, const Entry& entry);
  int did(const char* what, long result, const Entry& entry, const Entry& other);
  int did(const char* what, long result, const test::Descriptor& file);
  /// Whether an open file or directory was last seen under a name outside of the root.
  [[nodiscard]] bool is_outside(int descriptor) const;
  void counted(long change) { shared_.entries += change; }

  /// Files that stay open, some of them beyond the end of the writing.
  std::vector<test::Descriptor> held_files;
  /// Removed directories that somebody still stands in.
  std::vector<test::Descriptor> held_directories;

 private:
  [[nodiscard]] static std::string path_of(int descriptor);
  [[nodiscard]] std::string path(const Entry& entry) const;
  [[nodiscard]] OperationLog::Object object(const Entry& entry) const;

  Shared& shared_;
  const unsigned writer_;
  std::array<Folder, 16> places_;
};

} // namespace osync::stress
