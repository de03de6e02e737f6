// The process helper: output, exit codes, deadlines, signals, terminals, and nothing left behind.
#include "support/process.h"
#include "support/skip.h"
#include "support/wait.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <unistd.h>

using namespace osync::test;

TEST_CASE("run: captures both streams apart, more than a pipe holds, and the exit code") {
  const Finished finished = run({{"sh", "-c", "seq 100000; echo wrong >&2; exit 3"}});
  CHECK(finished.exit_code == 3);
  CHECK(finished.err == "wrong\n");
  CHECK(finished.out.size() == 588895);
  CHECK_FALSE(finished.timed_out);
  CHECK(run({{"no-such-command-at-all"}}).exit_code == 127);
  CHECK(run({{"sh", "-c", "kill -TERM $$"}}).exit_code == 128 + SIGTERM);
}

TEST_CASE("run: arguments and environment reach the command as they are, and no standard input") {
  CHECK(run({{"printf", "%s|", "a b", "$HOME", ""}}).out == "a b|$HOME||");
  CHECK(run({{"sh", "-c", "echo $ADDED $PATH"}, {{"ADDED", "here"}, {"PATH", "/bin"}}}).out == "here /bin\n");
  CHECK(run({{"cat"}}).out.empty());
}

TEST_CASE("run: a command that does not end is killed at its deadline") {
  const Finished finished = run({{"sh", "-c", "echo begun; sleep 1000"}}, milliseconds(100));
  CHECK(finished.timed_out);
  CHECK(finished.exit_code == -1);
}

TEST_CASE("Process: lines come one by one, and the end of the process ends the waiting") {
  Process process({{"sh", "-c", "echo one; echo two; printf three"}});
  CHECK(process.read_line(Process::Stream::out) == "one");
  CHECK(process.read_line(Process::Stream::out) == "two");
  CHECK_FALSE(process.read_line(Process::Stream::out).has_value());
  CHECK(process.wait_exit() == 0);
  CHECK_FALSE(process.wait_for_text("four"));
  CHECK(process.out() == "one\ntwo\nthree");
}

TEST_CASE("Process: signals by pid, and when each was taken") {
  Process process({{"sh", "-c", "trap 'echo caught' INT; echo ready; while :; do sleep 0.01; done"}});
  REQUIRE(process.wait_for_text("ready"));
  process.send(SIGINT);
  REQUIRE(process.wait_signal_taken(SIGINT));
  REQUIRE(process.wait_for_text("caught"));
  CHECK(process.running());
  CHECK(process.peak_memory() > 0);
  process.send(SIGKILL);
  CHECK(process.wait_exit() == 128 + SIGKILL);
  process.send(SIGKILL); // reaped: must not hit whoever has the number now
}

TEST_CASE("Process: its whole group is gone with the object") {
  pid_t child = 0;
  {
    Process process({{"sh", "-c", "sleep 1000 & echo $!; wait"}});
    const auto line = process.read_line(Process::Stream::out);
    REQUIRE(line.has_value());
    child = std::stoi(*line);
    REQUIRE(kill(child, 0) == 0);
  }
  CHECK(wait_until([&] { // the orphan may stay a zombie where nobody reaps orphans
    const Finished state = run({{"ps", "-o", "stat=", "-p", std::to_string(child)}});
    return state.out.empty() || state.out.front() == 'Z';
  }));
}

TEST_CASE("Process: with a terminal of its own, and a hang-up reaches it") {
  Process process({.argv = {"sh", "-c",
                            "test -t 0 && test -t 1 && test -t 2 && echo terminal; "
                            "trap 'echo hung up; exit 9' HUP; echo ready; while :; do sleep 0.01; done"},
                   .terminal = true});
  CHECK(process.read_line(Process::Stream::out) == "terminal");
  REQUIRE(process.wait_for_text("ready"));
  process.send(SIGHUP);
  CHECK(process.wait_exit() == 9);
}

TEST_CASE("Process: as another user") {
  OSYNC_NEEDS_ROOT();
  CHECK(run({.argv = {"id", "-u"}, .user = 65534}).out == "65534\n");
  CHECK(run({.argv = {"id", "-G"}, .user = 65534}).out == "65534\n");
}
