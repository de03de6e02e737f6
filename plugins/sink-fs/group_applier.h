// Applies one OperationGroup: opens its directory once, makes one operation after the other, and leaves the
// directory with the attributes it should have.
//
// A new name is created in place with as few system calls as possible; an existing one is replaced by a
// temporary that is complete before it gets the name. The operations themselves are in entry_operations.cpp.
// Threads: one object in one thread; several objects side by side share Services, all of which are
// thread-safe.
#pragma once

#include <optional>
#include <string>

#include "attributes.h"
#include "directory_access.h"
#include "osync/operation.h"
#include "replacer.h"
#include "stages.h"

namespace osync::sink_fs {

class GroupApplier {
 public:
  struct Services {
    const Tree& tree;
    const DirectoryAccess& access;
    const AttributeWriter& writer;
    Stages& stages;
    Losses& losses;
    Replacer::Services replacing;
    bool case_sensitive;
  };

  GroupApplier(const Services& services, const OperationGroup& group) : services_(services), group_(group) {}

  /// Applies the group; failures are appended to `result`.
  void run(GroupResult& result);

 private:
  /// What a file made in a directory gets from the kernel, learned from the first one (set-gid directories,
  /// BSD group semantics, squashed or mapped users make it differ from the process's own).
  struct Made {
    bool known = false;
    uid_t uid = 0;
    gid_t gid = 0;
  };
  /// Where a temporary is made: `.osync/stage`, or beside the target.
  struct Temporary {
    int place = -1;
    std::string name;
  };

  // group_applier.cpp
  Status open_directory();
  Status finish_directory();
  Status apply_with_space(const Operation& operation);
  Status apply(const Operation& operation);
  Status apply_to_entry(const Operation& operation);
  Status check_entry(const Operation& operation);
  [[nodiscard]] bool hides_behind_case(const char* name);
  bool inherits_acl();
  [[nodiscard]] bool owner_is_right(const Operation& operation, const Made& made) const;
  Result<Present> learn(const Target& target, Made& made, bool inherits, const Operation& operation);
  [[nodiscard]] EntryPath path_of(const Operation& operation) const {
    return {group_.directory, operation.name};
  }
  [[nodiscard]] Status failed(int error, std::string_view what, const Operation& operation) const;
  Result<Temporary> temporary();
  /// Runs `make(place, name, made, inherits)` on a temporary and publishes what it made; again beside the
  /// target where the stage turns out to be on another file system.
  template <class Make>
  Status replace(const Operation& operation, FileType type, Make make);

  // entry_operations.cpp
  Status put_file(const Operation& operation);
  Status fill_file(int fd, mode_t asked, Made& made, bool inherits, const Operation& operation);
  Status make_directory(const Operation& operation);
  Status set_existing_directory(Fd directory, const Operation& operation);
  Status replace_by_directory(const Operation& operation);
  Status make_node(const Operation& operation);
  Status dress_node(int place, const char* name, Made& made, bool inherits, const Operation& operation);
  Status set_attributes(const Operation& operation);
  Status make_link(const Operation& operation);
  Status publish(const Operation& operation);
  Status publish_beside(int from, const Operation& operation);
  [[nodiscard]] int create_node(int place, const char* name, const Operation& operation) const;

  // move_directory.cpp
  struct Origin {
    DirectoryInUse in_use;
    int parent = -1; ///< in_use's, or the limbo's
    std::string name;
  };
  Status move_directory(const Operation& operation);
  Result<Origin> find_origin(const Operation& operation);
  [[nodiscard]] int rename_here(const Origin& origin, const char* name, Status& room);

  const Services& services_;
  const OperationGroup& group_;
  DirectoryInUse directory_;
  std::optional<Replacer> replacer_;
  Made made_here_;
  Made made_in_stage_;
  std::optional<bool> inherits_acl_;
  bool beside_ = false;  ///< a rename from `.osync/stage` to this directory gave EXDEV
  bool changed_ = false; ///< by the operation in progress
};

} // namespace osync::sink_fs
