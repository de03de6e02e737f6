"""What was measured: the table for people, the JSON for programs, the picture (plot.py)."""

import dataclasses
import datetime
import json
import os
import platform
import statistics

import plot

BASE, OTHER = "osync", "rsync"  # ratios say how many times as long OTHER takes


class Series:
    """All runs of one scenario: for each peer, one entry a round, None where it failed."""

    def __init__(self, name, title, files, data_bytes):
        self.name = name
        self.title = title
        self.files = files
        self.data_bytes = data_bytes
        self.runs = {}
        self.failures = []

    def add(self, peer, number, run):
        self.runs.setdefault(peer, {})[number] = run

    def add_failure(self, peer, number, text):
        self.runs.setdefault(peer, {})[number] = None
        self.failures.append({"peer": peer, "round": number + 1, "text": text})

    def good(self, peer):
        return [run for run in self.runs.get(peer, {}).values() if run is not None]

    def values(self, peer, field):
        return [getattr(run, field) for run in self.good(peer)]

    def ratios(self, field):
        """OTHER / BASE for the pairs of the same round."""
        base, other = self.runs.get(BASE, {}), self.runs.get(OTHER, {})
        return [getattr(other[n], field) / getattr(base[n], field) for n in sorted(base.keys() & other.keys())
                if base[n] is not None and other[n] is not None]

    def as_json(self):
        return {
            "name": self.name, "title": self.title, "files": self.files, "data_bytes": self.data_bytes,
            "runs": {peer: [None if run is None else dataclasses.asdict(run) for _, run in sorted(rounds.items())]
                     for peer, rounds in self.runs.items()},
            "failures": self.failures,
            "ratios": {field: self.ratios(field) for field in ("wall_seconds", "durable_seconds", "cpu_seconds")},
        }


class CallCounts:
    """System calls a file of each peer's first sync; None where it failed."""

    def __init__(self):
        self.per_file = {}
        self.failures = []

    def add(self, peer, count):
        self.per_file[peer] = count

    def add_failure(self, peer, text):
        self.per_file[peer] = None
        self.failures.append({"peer": peer, "text": text})


def spread(values, form):
    """'median (min..max)'."""
    if not values:
        return "failed"
    middle = form.format(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form.format(min(values))}..{form.format(max(values))})"


def machine():
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) * 1024
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"kernel": platform.release(), "processor": model, "processors": len(os.sched_getaffinity(0)),
            "memory_bytes": memory, "load": os.getloadavg()[0]}


def aligned(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


class Results:
    def __init__(self, series, calls, versions, quick, rounds):
        self.series = series
        self.calls = calls
        self.versions = versions
        self.quick = quick
        self.rounds = rounds
        self.machine = machine()
        self.when = datetime.datetime.now(datetime.timezone.utc)

    def peer_row(self, series, peer):
        mib = 1 << 20
        values = lambda field, scale=1: [value / scale for value in series.values(peer, field)]
        return [peer, spread(values("wall_seconds"), "{:.2f}"), spread(values("durable_seconds"), "{:.2f}"),
                spread(values("cpu_seconds"), "{:.2f}"), spread(values("source_rss_bytes", mib), "{:.0f}"),
                spread(values("sink_rss_bytes", mib), "{:.0f}")]

    def table(self):
        parts = [f"{self.machine['processors']} x {self.machine['processor']}, kernel {self.machine['kernel']}; "
                 f"{'; '.join(self.versions.values())}; rounds: {self.rounds}; median (min..max)"]
        for series in self.series:
            rows = [["", "wall s", "with syncfs s", "CPU s, both", "RSS source MiB", "RSS sink MiB"]]
            rows += [self.peer_row(series, peer) for peer in series.runs]
            parts.append(f"{series.title}\n{aligned(rows)}")
            for field, text in (("wall_seconds", "wall time"), ("durable_seconds", "time with syncfs"),
                                ("cpu_seconds", "CPU")):
                ratios = series.ratios(field)
                if ratios:
                    parts[-1] += f"\n{OTHER} / {BASE}, {text}: {spread(ratios, '{:.2f}')} of {len(ratios)} pairs"
            for failure in series.failures:
                parts[-1] += f"\nFAILED: {failure['peer']}, round {failure['round']}: {failure['text']}"
        calls = [f"{peer} {'failed' if count is None else f'{count:.1f}'}" for peer, count in self.calls.per_file.items()]
        parts.append(f"system calls a file, both sides, first sync: {', '.join(calls)}")
        return "\n\n".join(parts)

    def as_json(self):
        return {"bench": "first_sync", "when": self.when.isoformat(timespec="seconds"), "quick": self.quick,
                "rounds": self.rounds, "machine": self.machine, "versions": self.versions,
                "series": [series.as_json() for series in self.series],
                "system_calls_per_file": self.calls.per_file, "system_call_failures": self.calls.failures}

    def write(self, directory):
        """Writes first_sync.json and first_sync.svg; returns their paths."""
        directory.mkdir(parents=True, exist_ok=True)
        base = "first_sync_quick" if self.quick else "first_sync"
        data, picture = directory / f"{base}.json", directory / f"{base}.svg"
        data.write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")
        groups = [plot.Group(series.title, {peer: series.values(peer, "wall_seconds") for peer in series.runs})
                  for series in self.series]
        note = (f"{self.machine['processors']} x {self.machine['processor']}, kernel {self.machine['kernel']}, "
                f"{self.when:%Y-%m-%d}; {'; '.join(self.versions.values())}")
        picture.write_text(plot.bars("Wall time in seconds: median, min to max", note, groups), encoding="utf-8")
        return [data, picture]
