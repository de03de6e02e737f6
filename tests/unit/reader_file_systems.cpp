// What differs between file systems and for unprivileged users: mounts, subvolumes, missing handles, missing
// rights.
#include "reader_fixture.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <algorithm>
#include <filesystem>
#include <grp.h>

#include "support/file_systems.h"
#include "support/process.h"

namespace osync::source {
namespace {

namespace fs = std::filesystem;
using engine::EntryRead;
using engine::ListResult;
using engine::SweepResult;
using test::TemporaryDirectory;
using test::write_file;
using Outcome = EntryRead::Outcome;

SweepResult sweep(ReaderOn& on, const std::string& directory = {}) {
  return on.run<SweepResult>(engine::SweepJob{1, on.ref(directory)});
}

/// Runs `work` in a child without any privilege and returns the text that it returns.
std::string as_nobody(const std::function<std::string()>& work) {
  int pipe_fds[2];
  test::must(pipe2(pipe_fds, O_CLOEXEC), "pipe2");
  const pid_t child = test::must(fork(), "fork");
  if (child == 0) {
    std::string text = "cannot drop privileges";
    if (setgroups(0, nullptr) == 0 && setresgid(65534, 65534, 65534) == 0 &&
        setresuid(65534, 65534, 65534) == 0)
      text = work();
    const bool written = write(pipe_fds[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(written ? 0 : 1);
  }
  close(pipe_fds[1]);
  const test::Descriptor output(pipe_fds[0]);
  std::string text(10'000, '\0');
  std::size_t size = 0;
  ssize_t got = 0;
  while ((got = read(output.get(), text.data() + size, text.size() - size)) > 0)
    size += static_cast<std::size_t>(got);
  int status = 0;
  test::must(waitpid(child, &status, 0), "waitpid");
  text.resize(size);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? text : "child failed: " + text;
}

std::string name_of(Outcome outcome) {
  constexpr const char* names[] = {"ready", "absent", "large", "linked",
                                   "torn",  "failed", "mount", "not_done"};
  return names[static_cast<std::size_t>(outcome)];
}

} // namespace

TEST_CASE("reader: files, sparse files, xattrs and ids on file systems of disks") {
  OSYNC_NEEDS_ROOT();
  const std::string type = GENERATE(as<std::string>{}, "ext4", "xfs", "btrfs");
  const auto missing = test::file_system_missing(type);
  OSYNC_SKIP_IF(missing.has_value(), type + ": " + missing.value_or(""));
  const test::FileSystem file_system(type);
  ReaderOn on(file_system.path());
  write_file(file_system / "d/file", "content");
  write_file(file_system / "d/tiny", "t"); // may be kept in the inode, without blocks of its own
  write_file(file_system / "sparse", "head");
  test::must(truncate((file_system / "sparse").c_str(), 100'000), "truncate");
  test::must(setxattr((file_system / "d/file").c_str(), "user.x", "y", 1, 0), "setxattr");
  sync();

  CHECK(on.root().identifier().kind() == IdentityKind::handle);
  const auto found = sweep(on);
  REQUIRE(find_entry(found.directories, "d") != nullptr);
  CHECK(find_entry(found.directories, "d")->id == on.ref("d").id);
  CHECK(found.mounts.empty());
  const auto read = on.read(on.ref("d"), {"file", "tiny"});
  REQUIRE(read.status.ok());
  CHECK(read.entries[0].outcome == Outcome::ready);
  CHECK(text_of(read.payload, read.entries[0].operation) == "content");
  const auto& xattrs = read.entries[0].operation.attributes.xattrs;
  CHECK(std::find(xattrs.begin(), xattrs.end(), Xattr{"user.x", "y"}) != xattrs.end());
  CHECK(read.entries[1].outcome == Outcome::ready);
  CHECK(on.read_one("sparse").outcome == Outcome::large);
  const auto opened = on.run<engine::FileOpened>(engine::OpenFileJob{1, on.ref(), "sparse"});
  const auto chunk = on.run<engine::FileChunk>(engine::ReadFileJob{2, opened.file, 0, 1u << 20});
  CHECK(chunk.data.size() < 100'000);
  CHECK(on.run<engine::FileChunk>(engine::ReadFileJob{3, opened.file, chunk.data.size(), 1u << 20}).end);
  CHECK(on.run<engine::FileClosed>(engine::CloseFileJob{4, opened.file, true}).status.ok());
  auto previous = on.ref("d").id;
  for (int i = 0; i < 20; ++i) { // ext4 and btrfs give the inode number again
    fs::remove_all(file_system / "d");
    fs::create_directory(file_system / "d");
    REQUIRE(on.ref("d").id != previous);
    previous = on.ref("d").id;
  }
}

TEST_CASE("reader: mount points are told and not entered, or crossed when that is asked for") {
  OSYNC_NEEDS_ROOT();
  TemporaryDirectory directory;
  for (const char* path : {"tree/mounted", "tree/bound", "tree/plain", "outside/inside"})
    fs::create_directories(directory / path);
  write_file(directory / "tree/file", "");
  write_file(directory / "outside/file", "outside");
  ReaderOn on(directory / "tree");
  if (GENERATE(false, true)) on.root().disable_openat2();
  const auto hidden = on.ref("mounted");
  const auto mounted = test::Mount::tmpfs(directory / "tree/mounted", 1 << 20);
  const auto bound =
      test::Mount::bind(directory / "outside", directory / "tree/bound"); // the same file system
  const auto bound_file = test::Mount::bind(directory / "outside/file", directory / "tree/file");
  write_file(directory / "tree/mounted/below/file", "in there");

  auto found = sweep(on);
  std::sort(found.mounts.begin(), found.mounts.end());
  CHECK(found.mounts == std::vector<std::string>{"bound", "mounted"});
  REQUIRE(found.directories.size() == 1);
  CHECK(found.directories[0].name == "plain");
  const auto read = on.read(on.ref(), {"mounted", "bound", "file", "plain"});
  for (int i = 0; i < 3; ++i) CHECK(read.entries[i].outcome == Outcome::mount);
  CHECK(read.entries[3].outcome == Outcome::ready);
  const auto listed = on.list(on.ref(), {});
  for (const char* name : {"mounted", "bound", "file"}) CHECK(find_entry(listed.entries, name)->mount);
  CHECK_FALSE(find_entry(listed.entries, "plain")->mount);
  CHECK(on.run<engine::FileOpened>(engine::OpenFileJob{1, on.ref(), "file"}).status.code() == Code::stale);
  // What was known before the mount is hidden, not gone; and nothing is reached through the mounts.
  CHECK(on.root().open_directory(hidden, DirectoryAccess::list).status().code() == Code::stale);
  for (const char* path : {"mounted/below", "bound", "bound/inside"})
    CHECK(on.root().open_directory(on.ref(path), DirectoryAccess::look).status().code() == Code::stale);

  ReaderOn crossing(directory / "tree", false);
  found = sweep(crossing);
  CHECK(found.mounts.empty());
  CHECK(found.directories.size() == 3);
  for (const char* name : {"mounted", "bound", "plain"})
    CHECK(find_entry(found.directories, name)->id == crossing.ref(name).id);
  const auto below = sweep(crossing, "mounted");
  REQUIRE(below.directories.size() == 1);
  CHECK(crossing.read({"mounted/below", below.directories[0].id}, {"file"}).entries[0].outcome ==
        Outcome::ready);
  CHECK(crossing.read_one("file").outcome == Outcome::ready);
}

TEST_CASE("reader: a btrfs subvolume is another file system although it is no mount") {
  OSYNC_NEEDS_ROOT();
  const auto missing = test::file_system_missing("btrfs");
  OSYNC_SKIP_IF(missing.has_value(), missing.value_or(""));
  const test::FileSystem file_system("btrfs");
  const auto made = test::run({.argv = {"btrfs", "subvolume", "create", file_system / "volume"}});
  INFO(test::describe(made));
  REQUIRE(made.exit_code == 0);
  fs::create_directory(file_system / "plain");
  const bool one_file_system = GENERATE(true, false);
  ReaderOn on(file_system.path(), one_file_system);
  const auto found = sweep(on);
  CHECK(found.mounts.size() == (one_file_system ? 1u : 0u));
  CHECK(found.directories.size() == (one_file_system ? 1u : 2u));
  CHECK(on.read_one("volume").outcome == (one_file_system ? Outcome::mount : Outcome::ready));
  CHECK(find_entry(on.list(on.ref()).entries, "volume")->mount == one_file_system);
  if (!one_file_system) CHECK(on.read(on.ref("volume"), {}).status.ok());
}

TEST_CASE("reader: without file handles (overlay) ids come from inode and birth time") {
  OSYNC_NEEDS_ROOT();
  const auto missing = test::file_system_missing("ext4");
  OSYNC_SKIP_IF(missing.has_value(), missing.value_or(""));
  // With layers on different file systems and no xino, files have other device numbers than directories. With
  // all on one ext4, inode numbers are those of ext4, which gives them again at once.
  const bool one_layer_file_system = GENERATE(false, true);
  const test::FileSystem upper("ext4");
  TemporaryDirectory directory;
  const std::string lower = one_layer_file_system ? upper / "lower" : directory / "lower";
  fs::create_directories(lower + "/old");
  fs::create_directory(directory / "merged");
  for (const char* path : {"upper", "work"}) fs::create_directory(upper / path);
  write_file(lower + "/old/file", "from below");
  fs::create_hard_link(lower + "/old/file", lower + "/linked");
  const std::string options =
      "lowerdir=" + lower + ",upperdir=" + upper / "upper" + ",workdir=" + upper / "work" + ",xino=off";
  const bool mounted = mount("overlay", (directory / "merged").c_str(), "overlay", 0, options.c_str()) == 0;
  OSYNC_SKIP_IF(!mounted, "overlay cannot be mounted here");
  const std::shared_ptr<void> unmount(nullptr,
                                      [&](void*) { umount2((directory / "merged").c_str(), MNT_DETACH); });
  ReaderOn on(directory / "merged");
  OSYNC_SKIP_IF(on.root().identifier().kind() == IdentityKind::handle, "overlay has file handles here");
  CHECK(on.root().identifier().kind() == IdentityKind::birth_time);
  const auto found = sweep(on);
  REQUIRE(found.directories.size() == 1);
  CHECK(found.mounts.empty());
  CHECK(found.directories[0].id == on.ref("old").id);
  CHECK(found.directories[0].id != on.root().id());
  const auto read = on.read({"old", found.directories[0].id}, {"file"});
  REQUIRE(read.status.ok());
  CHECK(read.entries[0].outcome == Outcome::linked); // not "mount", whatever its device number is
  CHECK_FALSE(find_entry(on.list(on.ref("old"), {}).entries, "file")->mount);
  fs::create_directory(directory / "merged/new");
  auto previous = on.ref("new");
  for (int i = 0; i < 20; ++i) {
    fs::remove(directory / "merged/new");
    fs::create_directory(directory / "merged/new");
    REQUIRE(on.ref("new").id != previous.id);
    previous = on.ref("new");
  }
}

TEST_CASE("reader: what an unprivileged user may not read is a failure, never an absence") {
  OSYNC_NEEDS_ROOT(); // to become somebody without privilege
  TemporaryDirectory directory;
  test::must(chmod(directory.path().c_str(), 0755), "chmod");
  write_file(directory / "secret", "x");
  write_file(directory / "public", "readable");
  write_file(directory / "unlistable/file", "x");
  write_file(directory / "unsearchable/file", "x");
  write_file(directory / "closed/file", "x");
  const auto mode = [&](const char* name, mode_t bits) {
    test::must(chmod((directory / name).c_str(), bits), "chmod");
  };
  mode("secret", 0600);
  mode("public", 0644);
  mode("unlistable", 0711);
  mode("unsearchable", 0744);
  mode("closed", 0700);
  const std::string text = as_nobody([&] {
    std::string out;
    auto root = SourceRoot::open(directory.path().string(), true);
    if (!root.ok()) return root.status().to_string();
    KeepingLogger logger;
    const engine::Rules rules;
    SourceReader reader(*root.value(), nullptr, rules, {}, logger);
    const auto scan = [&](const engine::DirectoryRef& at, engine::ScanMode scan_mode) {
      engine::ScanJob job;
      job.directory = at;
      job.mode = scan_mode;
      return *reader.run(job);
    };
    std::vector<engine::DirectoryRef> directories;
    auto top = std::get<engine::ReadResult>(scan({"", root.value()->id()}, engine::ScanMode::transfer));
    std::sort(top.entries.begin(), top.entries.end(),
              [](const EntryRead& a, const EntryRead& b) { return a.operation.name < b.operation.name; });
    for (const auto& entry : top.entries) {
      out += entry.operation.name + " " + name_of(entry.outcome) + " " +
             std::string(code_name(entry.status.code())) + " " + std::string(entry.status.path()) + "\n";
      if (entry.id.valid()) directories.push_back({entry.operation.name, entry.id});
    }
    const auto compared = std::get<ListResult>(scan({"", root.value()->id()}, engine::ScanMode::compare));
    const auto* secret = find_entry(compared.entries, "secret");
    out += secret != nullptr && secret->attributes.type == FileType::unknown ? "secret never equal\n" : "?\n";
    for (const auto& one : directories) {
      const auto listed = std::get<engine::ReadResult>(scan(one, engine::ScanMode::transfer));
      engine::ReadJob job;
      job.directory = one;
      job.names = {"file", "none"};
      const auto read = std::get<engine::ReadResult>(*reader.run(job));
      out += one.path + ": scan " + std::string(code_name(listed.status.code())) + " " +
             (listed.entries.empty() ? "-" : name_of(listed.entries[0].outcome)) + ", look " +
             std::string(code_name(read.status.code())) +
             (read.entries.empty()
                  ? ""
                  : " " + name_of(read.entries[0].outcome) + " " + name_of(read.entries[1].outcome)) +
             "\n";
    }
    return out;
  });
  CHECK(text == "closed ready ok \n"
                "public ready ok \n"
                "secret failed denied secret\n"
                "unlistable ready ok \n"
                "unsearchable ready ok \n"
                "secret never equal\n"
                "closed: scan denied -, look ok failed failed\n"
                "unlistable: scan denied -, look ok ready absent\n"
                "unsearchable: scan ok failed, look ok failed failed\n");
}

} // namespace osync::source
