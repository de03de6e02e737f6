"""The programs that are compared: how each synchronises SOURCE to REPLICA once, as two processes over TCP on loopback.

A run yields a Run: times from the first command until the sink's (or client's) end, and until its bytes are on the
device (syncfs; osync does that itself before it ends, rsync does not).
"""

import dataclasses
import os
import shutil
import signal
import socket
import time

from file_systems import sync_file_system
from processes import Failed, Processes, children_of, run

RUN_SECONDS = 1800  # a run that takes longer has failed


@dataclasses.dataclass
class Run:
    wall_seconds: float
    durable_seconds: float
    cpu_seconds: float
    source_rss_bytes: int
    sink_rss_bytes: int
    system_calls: int = 0  # of both sides; only counted by runs under strace


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, deadline):
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.popen.poll() is not None:
            break
        time.sleep(0.01)
    raise Failed(f"{process.name()} does not listen on port {port}{process.last_words()}")


def counted(command, summary):
    """The command under strace, which writes a table of system calls to `summary`."""
    return ["strace", "--follow-forks", "--summary-only", "--summary-columns=calls,name", "--output", str(summary),
            *command]


def count_of(summary):
    """The last line of an strace table: 'CALLS total'."""
    with open(summary, encoding="ascii", errors="replace") as file:
        last = file.read().split()[-2:]
    if len(last) != 2 or last[1] != "total":
        raise Failed(f"strace left no total in {summary}")
    return int(last[0])


class Clock:
    """Runs from its making; stopped when the sink's side has ended, then once more when its bytes are on the device."""

    def __init__(self):
        self.began = time.monotonic()

    def stop(self, replica):
        self.wall_seconds = time.monotonic() - self.began
        sync_file_system(replica)
        self.durable_seconds = time.monotonic() - self.began


class Peer:
    """`directory` holds logs and state; `strace`: count system calls instead of measuring time."""

    name = ""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir(exist_ok=True)

    def command(self, side, command, strace):
        return counted(command, self.directory / f"{side}.strace") if strace else command

    def result(self, clock, source, sink, strace):
        """`source`, `sink`: the usage of each side."""
        calls = sum(count_of(self.directory / f"{side}.strace") for side in ("source", "sink")) if strace else 0
        return Run(clock.wall_seconds, clock.durable_seconds, source.cpu_seconds + sink.cpu_seconds,
                   source.peak_rss_bytes, sink.peak_rss_bytes, calls)

    def log(self, side):
        path = self.directory / f"{side}.log"
        path.unlink(missing_ok=True)
        return path


class Rsync(Peer):
    """`rsync -aHAX --delete` pulling from a daemon. The daemon is started before the clock."""

    name = "rsync"

    @staticmethod
    def version():
        return run(["rsync", "--version"]).splitlines()[0]

    def forget(self):
        """rsync keeps no state."""

    def configure(self, source):
        path = self.directory / "rsyncd.conf"
        path.write_text(f"use chroot = no\nuid = 0\ngid = 0\nlock file = {self.directory}/rsyncd.lock\n"
                        f"log file = {self.directory}/rsyncd.log\n"
                        f"[source]\npath = {source}\nread only = yes\nnumeric ids = yes\n", encoding="utf-8")
        return path

    def synchronise(self, source, replica, strace=False):
        deadline = time.monotonic() + RUN_SECONDS
        port = free_port()
        daemon_command = ["rsync", "--daemon", "--no-detach", f"--config={self.configure(source)}",
                          "--address=127.0.0.1", f"--port={port}"]
        client_command = ["rsync", "-aHAX", "--numeric-ids", "--delete", f"rsync://127.0.0.1:{port}/source/",
                          f"{replica}/"]
        with Processes() as processes:
            daemon = processes.start(self.command("source", daemon_command, strace), self.log("source"))
            wait_for_port(port, daemon, deadline)
            clock = Clock()
            client = processes.start(self.command("sink", client_command, strace), self.log("sink"))
            sink = client.expect_success(deadline)
            clock.stop(replica)
            return self.result(clock, self.stopped(daemon, deadline, strace), sink, strace)

    @staticmethod
    def stopped(daemon, deadline, strace):
        """Ends the daemon after its last child, so that the child's usage is counted."""
        pid = children_of(daemon.pid)[0] if strace else daemon.pid
        while children_of(pid) and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(pid, signal.SIGTERM)
        return daemon.expect_success(deadline, allowed=(0, 20, -signal.SIGTERM))


class Osync(Peer):
    """`osync source FILE --once` and `osync sink FILE`. Both starts are part of the time."""

    name = "osync"

    def __init__(self, directory, binary):
        super().__init__(directory)
        self.binary = binary

    def version(self):
        return run([self.binary, "--version"]).splitlines()[0]

    def forget(self):
        """Deletes the source's state, as it is before a first sync. The replica's goes with its file system."""
        shutil.rmtree(self.directory / "state", ignore_errors=True)

    def configure(self, source, replica, port):
        path = self.directory / "pipeline.yaml"
        path.write_text(f"""version: 1
pipeline: bench
source:
  root: "{source}"
  control: {{socket: "{self.directory}/source.sock"}}
transport:
  plugin: transport-zmq
  listen: "tcp://127.0.0.1:{port}"
  connect: "tcp://127.0.0.1:{port}"
sink: {{plugin: sink-fs, options: {{root: "{replica}"}}}}
control: {{socket: "{self.directory}/sink.sock"}}
""", encoding="utf-8")
        return str(path)

    def synchronise(self, source, replica, strace=False):
        deadline = time.monotonic() + RUN_SECONDS
        pipeline = self.configure(source, replica, free_port())
        source_command = [self.binary, "source", pipeline, "--once", "--state-dir", f"{self.directory}/state"]
        sink_command = [self.binary, "sink", pipeline]
        with Processes() as processes:
            clock = Clock()
            sender = processes.start(self.command("source", source_command, strace), self.log("source"),
                                     read_output=True)
            sender.read_line("listening on ", deadline)
            receiver = processes.start(self.command("sink", sink_command, strace), self.log("sink"))
            sink_usage = receiver.expect_success(deadline)
            source_usage = sender.expect_success(deadline)
            clock.stop(replica)
            return self.result(clock, source_usage, sink_usage, strace)


def differences(source, replica):
    """What a comparison by content, attributes and link groups finds, one line each; osync's own directory aside."""
    listed = run(["rsync", "-naHAX", "--numeric-ids", "--checksum", "--delete", "-i", "--exclude=/.osync",
                  f"{source}/", f"{replica}/"])
    return listed.splitlines()
