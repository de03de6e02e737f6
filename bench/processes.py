"""Processes that are measured: started, waited for with a deadline, and what they used (wait4(2)).

Every process started here ends with this one: on any way out of the `Processes` block, and by the kernel
(PR_SET_PDEATHSIG) should this process be killed.
"""

import ctypes
import dataclasses
import os
import resource
import select
import signal
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
SAMPLE_SECONDS = 0.02


class Failed(Exception):
    """A measured command did not do what it should; the text says which, and how it ended."""


@dataclasses.dataclass
class Usage:
    """What one process and its children (those that it waited for) used."""

    exit_code: int
    cpu_seconds: float
    peak_rss_bytes: int  # of the largest single process


def descendants(pid):
    """The process and all below it that are there now."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children_of(found[-1])
    return found


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def peak_rss(pid):
    """VmHWM of a process that is running, in bytes; 0 where it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One running command. Standard error goes to a file, standard output too unless it is to be read."""

    def __init__(self, command, log_path, together, read_output=False):
        self.command = command
        self.log_path = log_path
        self.together = together  # the processes to sample while one of them is waited for
        self.sampled_rss = 0
        with open(log_path, "ab") as log:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if read_output else log, stderr=log,
                preexec_fn=die_with_parent)
        self.usage = None

    @property
    def pid(self):
        return self.popen.pid

    def sample(self):
        if self.usage is None:
            self.sampled_rss = max([self.sampled_rss, *(peak_rss(pid) for pid in descendants(self.pid))])

    def peak(self, used):
        """wait4's maximum starts at this Python's own size (a process keeps its maximum across exec), so that of a
        smaller process only the samples tell: a maximum kept by the kernel, read every 20 ms."""
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used.ru_maxrss * 1024 if used.ru_maxrss > own else self.sampled_rss

    def read_line(self, prefix, deadline):
        """The rest of the first line of output that begins with `prefix`."""
        buffered = b""
        stream = self.popen.stdout.fileno()
        while True:
            readable, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(stream, 4096) if readable else b""
            if not data:
                raise Failed(f"{self.name()} did not say '{prefix}' ({self.how_it_stands()}){self.last_words()}")
            buffered += data
            for line in buffered.decode(errors="replace").splitlines():
                if line.startswith(prefix):
                    return line[len(prefix):]

    def wait(self, deadline):
        """Waits for the end; Failed when the deadline passes first. The exit code is in the result."""
        if self.usage is not None:
            return self.usage
        pidfd = os.pidfd_open(self.pid)
        try:
            poller = select.poll()
            poller.register(pidfd, select.POLLIN)
            while not poller.poll(SAMPLE_SECONDS * 1000):
                if time.monotonic() >= deadline:
                    raise Failed(f"{self.name()} did not end in time{self.last_words()}")
                for process in self.together:
                    process.sample()
        finally:
            os.close(pidfd)
        _, status, used = os.wait4(self.pid, 0)
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        if self.popen.stdout:
            self.popen.stdout.close()
        self.usage = Usage(self.popen.returncode, used.ru_utime + used.ru_stime, self.peak(used))
        return self.usage

    def expect_success(self, deadline, allowed=(0,)):
        usage = self.wait(deadline)
        if usage.exit_code not in allowed:
            raise Failed(f"{self.name()} ended with {usage.exit_code}{self.last_words()}")
        return usage

    def name(self):
        return " ".join(self.command[:4])

    def how_it_stands(self):
        code = self.popen.poll()
        return "still running" if code is None else f"ended with {code}"

    def last_words(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            lines = log.read().splitlines()[-12:]
        return "".join("\n    " + line for line in lines)

    def kill(self):
        if self.usage is None and self.popen.returncode is None:
            for child in children_of(self.pid):
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.popen.kill()
            self.popen.wait()


class Processes:
    """Starts processes and ends what is left of them at the end of the block."""

    def __enter__(self):
        self.all = []
        return self

    def start(self, command, log_path, read_output=False):
        process = Process(command, log_path, self.all, read_output)
        self.all.append(process)
        return process

    def __exit__(self, *_):
        for process in reversed(self.all):
            process.kill()


def run(command, **options):
    """A command that is not measured; Failed with its output when it does not succeed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                          check=False, preexec_fn=die_with_parent, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
