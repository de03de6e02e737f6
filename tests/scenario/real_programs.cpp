// Programs as they are used: each works in a mirrored tree, and after a flush the replica equals the source.
#include "support/compare_trees.h"
#include "support/descriptor.h"
#include "support/osync_command.h"
#include "support/random.h"
#include "support/samples.h"
#include "support/skip.h"
#include "support/wait.h"

#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>

using namespace osync::test;
namespace fs = std::filesystem;

namespace {

bool has_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  for (std::string directory; std::getline(directories, directory, ':');)
    if (access((directory + "/" + name).c_str(), X_OK) == 0) return true;
  return false;
}

#define OSYNC_NEEDS_PROGRAM(name) OSYNC_SKIP_IF(!has_program(name), std::string(name) + " is not installed")

std::string must_run(const Arguments& argv, const std::map<std::string, std::string>& environment = {}) {
  const Finished finished = run({.argv = argv, .environment = environment}, seconds(120));
  INFO(argv.front() << ": " << describe(finished));
  REQUIRE(finished.exit_code == 0);
  return finished.out;
}

void require_flushed_equal(const Workspace& workspace, Running& running) {
  const Finished flushed = running.flush();
  INFO(describe(flushed));
  INFO(running.log());
  REQUIRE(flushed.exit_code == 0);
  REQUIRE(differences(workspace.source(), workspace.replica()) == "");
  REQUIRE(running.process().running());
}

void require_equal_to_the_end(const Workspace& workspace, Running& running) {
  require_flushed_equal(workspace, running);
  CHECK(rsync_differences(workspace.source(), workspace.replica()) == "");
  CHECK(running.stop() == 0);
}

void rename_file(const std::string& from, const std::string& to) {
  must(rename(from.c_str(), to.c_str()), "rename " + from);
}

/// Written with write(2) and synced, as editors do.
void write_and_sync(const std::string& path, const std::string& content, mode_t mode = 0644) {
  const Descriptor file(
      must(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode), "open " + path));
  REQUIRE(write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  must(fsync(file.get()), "fsync " + path);
}

/// git in the repository `where`, with nothing of the user's own settings.
class Git {
 public:
  Git(std::string where, const std::string& home)
      : where_(std::move(where)), environment_{{"HOME", home},
                                               {"GIT_CONFIG_NOSYSTEM", "1"},
                                               {"GIT_AUTHOR_NAME", "n"},
                                               {"GIT_AUTHOR_EMAIL", "e@example.org"},
                                               {"GIT_COMMITTER_NAME", "n"},
                                               {"GIT_COMMITTER_EMAIL", "e@example.org"}} {}
  std::string operator()(const Arguments& arguments) const {
    return must_run(Arguments{"git", "-c", "init.defaultBranch=main", "-c", "gc.auto=0", "-C", where_} +
                        arguments,
                    environment_);
  }
  void commit(const std::string& message) const {
    (*this)({"add", "-A"});
    (*this)({"commit", "-q", "-m", message});
  }

 private:
  const std::string where_;
  const std::map<std::string, std::string> environment_;
};

} // namespace

TEST_CASE("real programs: git init, commit, branches, checkout, gc and clone") {
  OSYNC_NEEDS_PROGRAM("git");
  const Workspace workspace;
  const auto running = Running::mirror(workspace);
  const std::string repository = workspace.source("repository");
  fs::create_directory(repository);
  const Git git(repository, workspace / "home");
  git({"init", "-q"});
  write_many(repository + "/src", 300, 2000);
  git.commit("first");
  git({"checkout", "-q", "-b", "other"});
  fs::remove_all(repository + "/src/folder1");
  write_many(repository + "/src/folder1/is now deeper", 100, 1500, 2);
  write_many(repository + "/lib", 150, 3000, 3);
  git({"mv", "src/folder2", "moved"});
  git.commit("second");
  for (const char* branch : {"main", "other", "main", "other"}) git({"checkout", "-q", branch});
  require_flushed_equal(workspace, *running);

  git({"gc", "-q", "--prune=now"});
  git({"clone", "-q", repository, workspace.source("clone")}); // by hard links
  git({"worktree", "add", "-q", workspace.source("worktree"), "main"});
  git({"checkout", "-q", "--orphan", "empty"});
  git({"rm", "-rfq", "."});
  require_equal_to_the_end(workspace, *running);
  const Git replica(workspace.replica("repository"), workspace / "home");
  CHECK(replica({"-c", "safe.directory=*", "fsck", "--strict"}).find("missing") == std::string::npos);
}

TEST_CASE("real programs: a build in the tree") {
  OSYNC_NEEDS_PROGRAM("make");
  OSYNC_NEEDS_PROGRAM("c++");
  OSYNC_NEEDS_PROGRAM("ar");
  const Workspace workspace;
  const auto running = Running::mirror(workspace);
  const std::string project = workspace.source("project");
  std::string objects;
  for (int index = 0; index < 6; ++index) {
    const std::string number = std::to_string(index);
    write_file(project + "/part" + number + ".cpp",
               "int part" + number + "(int x) { return x * " + number + "; }\n");
    objects += " part" + number + ".o";
  }
  write_file(project + "/main.cpp", "int part3(int);\nint main() { return part3(0); }\n");
  write_file(project + "/Makefile", "all: program\n"
                                    "libparts.a:" +
                                        objects +
                                        "\n\tar rcs $@ $^\n"
                                        "program: main.o libparts.a\n\t$(CXX) -g -o $@ $^\n"
                                        "%.o: %.cpp\n\t$(CXX) -g -MMD -c -o $@ $<\n"
                                        "clean:\n\trm -f *.o *.d *.a program\n");
  must_run({"make", "-s", "-C", project, "-j2"});
  require_flushed_equal(workspace, *running);
  must_run({workspace.replica("project/program")});

  must_run({"make", "-s", "-C", project, "clean"});
  must_run({"make", "-s", "-C", project, "-j2"});
  write_file(project + "/part3.cpp", "int part3(int x) { return x + 0; }\n");
  must_run({"make", "-s", "-C", project, "-j2"});
  require_equal_to_the_end(workspace, *running);
  must_run({workspace.replica("project/program")});
}

namespace {

/// Rollback journal and WAL, transactions that fail, vacuum; connections closed at the end.
const char* const database_script = R"python(
import random, sqlite3, sys
generator = random.Random(7)
for name, mode in (("journal.db", "DELETE"), ("wal.db", "WAL"), ("persist.db", "PERSIST")):
    db = sqlite3.connect(sys.argv[1] + "/" + name, isolation_level=None)
    db.execute("PRAGMA mmap_size=0") # stores through a mapping are not seen while it lasts
    db.execute("PRAGMA journal_mode=" + mode)
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, value BLOB)")
    db.execute("CREATE INDEX i ON t (value)")
    for turn in range(30):
        db.execute("BEGIN IMMEDIATE")
        for _ in range(40):
            db.execute("INSERT INTO t (value) VALUES (?)", (generator.randbytes(generator.randrange(2000)),))
        db.execute("UPDATE t SET value = ? WHERE id % 7 = ?", (generator.randbytes(50), turn % 7))
        db.execute("DELETE FROM t WHERE id % 11 = ?", (turn % 11,))
        db.execute("ROLLBACK" if turn % 5 == 4 else "COMMIT")
    db.execute("VACUUM")
    db.close()
)python";

const char* const check_script = R"python(
import sqlite3, sys
for name in ("journal.db", "wal.db", "persist.db"):
    db = sqlite3.connect(sys.argv[1] + "/" + name)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], name
    assert db.execute("SELECT count(*) FROM t").fetchone()[0] > 100, name
)python";

} // namespace

TEST_CASE("real programs: sqlite under writes, with each kind of journal") {
  OSYNC_NEEDS_PROGRAM("python3");
  OSYNC_SKIP_IF(run({{"python3", "-c", "import sqlite3"}}).exit_code != 0, "python3 has no sqlite3");
  const Workspace workspace;
  const auto running = Running::mirror(workspace);
  fs::create_directory(workspace.source("databases"));
  must_run({"python3", "-c", database_script, workspace.source("databases")});
  require_equal_to_the_end(workspace, *running);
  fs::copy(workspace.replica("databases"), workspace / "opened"); // sqlite writes beside what it opens
  must_run({"python3", "-c", check_script, workspace / "opened"});
}

TEST_CASE("real programs: editors save in their ways") {
  const Workspace workspace;
  write_many(workspace.source(), 20, 4000);
  const auto running = Running::mirror(workspace);
  Random random(11);
  const std::string file = workspace.source("folder0/file3");
  const std::string folder = workspace.source("folder0/");
  const auto text = [&] { return random.bytes(random.below(20000)); };

  SECTION("vim, backupcopy=no: the old file becomes the backup, a new one takes its name") {
    for (int save = 0; save < 40; ++save) {
      write_and_sync(folder + ".file3.swp", text(), 0600);
      write_and_sync(folder + "4913", ""); // vim tries whether it can create here
      fs::remove(folder + "4913");
      rename_file(file, file + "~");
      write_and_sync(file, text());
      must(chmod(file.c_str(), 0644), "chmod");
      fs::remove(file + "~");
      fs::remove(folder + ".file3.swp");
    }
  }
  SECTION("vim, backupcopy=yes: a copy, then the file in place") {
    fs::create_hard_link(file, workspace.source("other name")); // for which vim does it so
    for (int save = 0; save < 40; ++save) {
      fs::copy_file(file, file + "~");
      write_and_sync(file, text());
      fs::remove(file + "~");
    }
  }
  SECTION("emacs: lock symlink, backup by rename, numbered auto-saves") {
    for (int save = 0; save < 40; ++save) {
      fs::create_symlink("user@host.1234:1700000000", folder + ".#file3");
      write_and_sync(folder + "#file3#", text(), 0600);
      rename_file(file, file + "~");
      write_and_sync(file, text());
      fs::remove(folder + "#file3#");
      fs::remove(folder + ".#file3");
    }
  }
  SECTION("others: a temporary file, fsync, rename over") {
    for (int save = 0; save < 40; ++save) {
      write_and_sync(folder + ".goutputstream-X", text(), 0600);
      must(chmod((folder + ".goutputstream-X").c_str(), 0640), "chmod");
      rename_file(folder + ".goutputstream-X", file);
    }
  }
  require_equal_to_the_end(workspace, *running);
}

TEST_CASE("real programs: vim itself") {
  OSYNC_NEEDS_PROGRAM("vim");
  const Workspace workspace;
  for (int index = 0; index < 3; ++index)
    write_file(workspace.source("text" + std::to_string(index)), "one\ntwo\n");
  const auto running = Running::mirror(workspace);
  for (const char* copy : {"yes", "no", "auto"})
    for (int index = 0; index < 3; ++index)
      must_run({"vim", "-u", "NONE", "-N", "-es", "-c",
                std::string("set backup writebackup backupcopy=") + copy, "-c", "$put ='three'", "-c", "wq",
                workspace.source("text" + std::to_string(index))},
               {{"TERM", "dumb"}, {"HOME", workspace / "home"}});
  REQUIRE(read_file(workspace.source("text0")).find("three") != std::string::npos);
  require_equal_to_the_end(workspace, *running);
}

TEST_CASE("real programs: log rotation by rename and create, and by copy and truncate") {
  const Workspace workspace;
  fs::create_directory(workspace.source("log"));
  const std::string log = workspace.source("log/service.log");
  const auto running = Running::mirror(workspace);
  const auto open_log = [&] {
    return Descriptor(
        must(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640), "open " + log));
  };
  Random random(12);
  const auto write_lines = [&](const Descriptor& file) {
    for (int line = 0; line < 50; ++line) {
      const std::string text = std::to_string(random.next()) + " something happened\n";
      REQUIRE(write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
  };
  const auto shift = [&] { // service.log.1 becomes service.log.2 and so on, the oldest goes
    for (int age = 6; age >= 1; --age)
      if (const std::string old = log + "." + std::to_string(age); fs::exists(old))
        age == 6 ? (void)fs::remove(old) : rename_file(old, log + "." + std::to_string(age + 1));
  };
  Descriptor service = open_log(); // never closed by the service but to open the next one

  SECTION("rename, create; the service writes on into the old file for a while") {
    for (int turn = 0; turn < 25; ++turn) {
      write_lines(service);
      shift();
      rename_file(log, log + ".1");
      Descriptor next = open_log();
      write_lines(service);
      service = std::move(next);
      if (turn % 5 == 4) require_flushed_equal(workspace, *running);
    }
  }
  SECTION("copytruncate") {
    for (int turn = 0; turn < 25; ++turn) {
      write_lines(service);
      shift();
      fs::copy_file(log, log + ".1");
      must(truncate(log.c_str(), 0), "truncate");
      write_lines(service);
      if (turn % 5 == 4) require_flushed_equal(workspace, *running);
    }
  }
  require_equal_to_the_end(workspace, *running);
}

TEST_CASE("real programs: logrotate itself, with compression") {
  OSYNC_NEEDS_PROGRAM("logrotate");
  OSYNC_NEEDS_PROGRAM("gzip");
  const Workspace workspace;
  fs::create_directory(workspace.source("log"));
  const std::string log = workspace.source("log/service.log");
  write_file(workspace / "rotate.conf",
             "\"" + log + "\" {\n rotate 3\n compress\n delaycompress\n create 0640\n}\n");
  const auto running = Running::mirror(workspace);
  for (int turn = 0; turn < 6; ++turn) {
    write_file(log, Random(static_cast<std::uint64_t>(turn)).bytes(5000));
    must_run({"logrotate", "--force", "--state", workspace / "rotate.state", workspace / "rotate.conf"});
  }
  require_equal_to_the_end(workspace, *running);
}
