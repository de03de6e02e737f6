#!/usr/bin/env python3
"""The first sync, and one with nothing to do, of osync and rsync side by side.

In turn, in the same run, on the same trees, as two processes over TCP on loopback, on file systems in memory. After each
run source and replica are compared by content; a difference or a failed run is shown, and the exit code is 1.
Wants root (file systems); start it with script/bench, which also builds osync. See README.md for what is measured.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import sys

import file_systems
import peers
import report
from processes import Failed

SHOWN_DIFFERENCES = 5


@dataclasses.dataclass
class Scenario:
    name: str
    title: str
    kind: str  # "ext4" or "tmpfs"
    make: object  # (root, amount)
    files: int
    data_bytes: int
    again: bool  # also measure a second run with nothing changed

    def amount(self):
        return self.data_bytes if self.make is file_systems.make_large else self.files

    def place(self, workplace, name):
        if self.kind == "tmpfs":
            return workplace.tmpfs(name)
        return workplace.ext4(name, self.files, self.data_bytes)

    def memory(self):
        """Twice the data on tmpfs; images on tmpfs have their pages in the page cache too."""
        return self.data_bytes * (2 if self.kind == "tmpfs" else 4) * 5 // 4 + (1 << 30)


def scenarios(quick):
    files = 20_000 if quick else 200_000
    large = (256 if quick else 2048) << 20
    small = files * file_systems.FILE_BYTES
    return [
        Scenario("flat", f"{files:,} x 4 KiB, 1,000 a directory, ext4", "ext4", file_systems.make_flat, files, small, True),
        Scenario("nested", f"{files:,} x 4 KiB, 20 a directory, ext4", "ext4", file_systems.make_nested, files, small, True),
        Scenario("large", f"one file of {large >> 20:,} MiB, tmpfs", "tmpfs", file_systems.make_large, 1, large, False),
    ]


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    """Runs scenarios and collects results; `failed` tells whether anything went wrong."""

    def __init__(self, workplace, contenders, rounds):
        self.workplace = workplace
        self.contenders = contenders
        self.rounds = rounds
        self.results = []
        self.failed = False

    def run_scenario(self, scenario):
        file_systems.need_memory(scenario.memory())
        say(f"{scenario.title}: making the tree")
        with scenario.place(self.workplace, "source") as source:
            scenario.make(source, scenario.amount())
            file_systems.sync_file_system(source)
            first = report.Series(scenario.name, f"first sync: {scenario.title}", scenario.files, scenario.data_bytes)
            again = report.Series(f"{scenario.name}-again", f"nothing changed: {scenario.title}", scenario.files,
                                  scenario.data_bytes)
            self.results += [first, again] if scenario.again else [first]
            for number in range(self.rounds):
                for peer in self.contenders:
                    self.run_pair(scenario, peer, source, number, first, again)

    def run_pair(self, scenario, peer, source, number, first, again):
        """A first sync to a fresh file system, then, where the scenario has it, one with nothing to do."""
        peer.forget()
        with scenario.place(self.workplace, "replica") as place:
            # Below the mount's root: a fresh ext4 is not quite empty, and roots' own attributes differ.
            replica = place / "replica"
            replica.mkdir()
            done = self.run_once(peer, source, replica, number, first)
            if scenario.again:
                if done:
                    self.run_once(peer, source, replica, number, again)
                else:
                    again.add_failure(peer.name, number, "not run: the first sync failed")

    def run_once(self, peer, source, replica, number, series):
        try:
            run = peer.synchronise(source, replica)
            different = peers.differences(source, replica)
            if different:
                shown = "; ".join(different[:SHOWN_DIFFERENCES])
                raise Failed(f"{len(different)} differences after the run: {shown}")
        except Failed as failure:
            self.failed = True
            series.add_failure(peer.name, number, str(failure))
            say(f"  round {number + 1}, {peer.name}: {series.title}: FAILED: {failure}")
            return False
        series.add(peer.name, number, run)
        say(f"  round {number + 1}, {peer.name}: {series.title}: {run.wall_seconds:.2f} s")
        return True

    def count_system_calls(self):
        """Calls a file: from runs with 1,000 and 3,000 files, so that start and end cancel out."""
        few, many = 1000, 3000
        series = report.CallCounts()
        for peer in self.contenders:
            try:
                counts = [self.calls_for(peer, files) for files in (few, many)]
                series.add(peer.name, (counts[1] - counts[0]) / (many - few))
            except Failed as failure:
                self.failed = True
                say(f"  system calls, {peer.name}: FAILED: {failure}")
                series.add_failure(peer.name, str(failure))
        return series

    def calls_for(self, peer, files):
        peer.forget()
        with self.workplace.tmpfs("source") as source, self.workplace.tmpfs("replica") as place:
            file_systems.make_flat(source, files)
            replica = place / "replica"
            replica.mkdir()
            calls = peer.synchronise(source, replica, strace=True).system_calls
            different = peers.differences(source, replica)
            if different:
                raise Failed(f"{len(different)} differences under strace: {different[0]}")
            return calls


def what_is_missing(arguments):
    missing = []
    if os.geteuid() != 0:
        missing.append("root, to make and mount file systems (run it with sudo)")
    for tool in ("rsync", "mkfs.ext4", "mount", "umount", "sync", "strace"):
        if shutil.which(tool) is None:
            missing.append(f"the command {tool}")
    if "osync" in arguments.peers and not os.access(arguments.osync, os.X_OK):
        missing.append(f"osync at {arguments.osync} (script/bench builds it)")
    return missing


def parse_arguments():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20,000 files and 256 MiB instead of 200,000 and 2 GiB")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of every scenario (default: 3)")
    parser.add_argument("--publish", type=pathlib.Path, metavar="DIR", help="write results to DIR, not bench/results")
    parser.add_argument("--osync", default=str(here.parent / "build/release/osync"), metavar="FILE", help="the binary")
    parser.add_argument("--peers", default="osync,rsync", metavar="LIST", help="which to run (default: osync,rsync)")
    parser.add_argument("--scenarios", default="flat,nested,large", metavar="LIST", help="default: flat,nested,large")
    arguments = parser.parse_args()
    arguments.peers = arguments.peers.split(",")
    arguments.scenarios = arguments.scenarios.split(",")
    arguments.results = arguments.publish or here / "results"
    if arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    for peer in arguments.peers:
        if peer not in ("osync", "rsync"):
            parser.error(f"--peers: found {peer}, expected osync or rsync")
    for name in arguments.scenarios:
        if name not in ("flat", "nested", "large"):
            parser.error(f"--scenarios: found {name}, expected flat, nested or large")
    return arguments


def end_on_signal(number, _):
    """SIGTERM and SIGHUP end the bench as SIGINT does: through all the clean-up."""
    raise SystemExit(128 + number)


def measure(arguments):
    with contextlib.ExitStack() as stack:
        workplace = stack.enter_context(file_systems.Workplace())
        contenders = []
        for name in arguments.peers:
            directory = workplace.root / f"{name}-run"
            contenders.append(peers.Rsync(directory) if name == "rsync" else peers.Osync(directory, arguments.osync))
        versions = {peer.name: peer.version() for peer in contenders}
        bench = Bench(workplace, contenders, arguments.rounds)
        for scenario in scenarios(arguments.quick):
            if scenario.name in arguments.scenarios:
                bench.run_scenario(scenario)
        say("system calls a file")
        calls = bench.count_system_calls()
    results = report.Results(bench.results, calls, versions, arguments.quick, arguments.rounds)
    print(results.table())
    for path in results.write(arguments.results):
        say(f"written: {path}")
    return 1 if bench.failed else 0


def main():
    arguments = parse_arguments()
    missing = what_is_missing(arguments)
    if missing:
        for line in missing:
            say(f"bench: missing: {line}")
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_on_signal)
    try:
        return measure(arguments)
    except Failed as failure:
        say(f"bench: {failure}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
