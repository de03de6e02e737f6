"""A working directory in memory, file systems in it, and the trees to be synchronised.

All is mounted below one tmpfs. In script/bench this happens in a mount namespace of its own, so that nothing stays even
when the process is killed (loop devices of `mount -o loop` are released with their last mount).
"""

import contextlib
import os
import pathlib
import random
import tempfile

from processes import Failed, run

FILE_BYTES = 4096
CONTENT_SEED = 20240501
OLD_NS = 1_600_000_000_000_000_000  # times long past, so that no file looks freshly written to anybody


class Workplace(contextlib.ExitStack):
    """A tmpfs with everything in it; unmounted and removed at the end of the block."""

    def __enter__(self):
        super().__enter__()
        try:
            # Not below /tmp: on this host that may be a disk, and the mount point is all that is written there anyway.
            parent = "/dev/shm" if os.path.isdir("/dev/shm") else None
            self.root = pathlib.Path(tempfile.mkdtemp(prefix="osync-bench.", dir=parent))
            self.callback(os.rmdir, self.root)
            self.mount(["-t", "tmpfs", "-o", "size=90%,nr_inodes=0", "osync-bench"], self.root)
        except BaseException:
            self.close()
            raise
        return self

    def mount(self, how, where):
        run(["mount", *how, str(where)])
        self.callback(unmount, where)

    def directory(self, name):
        path = self.root / name
        path.mkdir()
        return path

    @contextlib.contextmanager
    def ext4(self, name, files, data_bytes):
        """A fresh ext4 on a loop device with room for `files` files and `data_bytes`, for the time of the block."""
        image = self.root / f"{name}.image"
        where = self.directory(name)
        with open(image, "wb") as file:
            file.truncate(data_bytes * 5 // 4 + files * 512 + (256 << 20))
        run(["mkfs.ext4", "-q", "-F", "-N", str(files * 5 // 4 + 20_000), "-E", "lazy_itable_init=0,lazy_journal_init=0",
             str(image)])
        mounted = False
        try:
            run(["mount", "-o", "loop", str(image), str(where)])
            mounted = True
            os.rmdir(where / "lost+found")
            yield where
        finally:
            if mounted:
                unmount(where)
            where.rmdir()
            image.unlink()

    @contextlib.contextmanager
    def tmpfs(self, name):
        """A fresh tmpfs of its own, for the time of the block."""
        where = self.directory(name)
        run(["mount", "-t", "tmpfs", "-o", "size=90%", "osync-bench", str(where)])
        try:
            yield where
        finally:
            unmount(where)
            where.rmdir()


def unmount(where):
    try:
        run(["umount", str(where)])
    except Failed:
        run(["umount", "--lazy", str(where)])  # somebody is still in it, and will not be for long


def need_memory(needed_bytes):
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                available = int(line.split()[1]) * 1024
    if available < needed_bytes:
        raise Failed(f"needs about {needed_bytes >> 20} MiB of memory, {available >> 20} MiB are available: "
                     "try --quick, or fewer scenarios")


class Content:
    """Different bytes for each file, the same on every machine, made quickly: windows of one random block."""

    def __init__(self):
        self.block = random.Random(CONTENT_SEED).randbytes(1 << 20)

    def of(self, number, length):
        start = (number * 7919) % (len(self.block) - length)
        return number.to_bytes(8, "little") + self.block[start:start + length - 8]


def write_file(path, content, number):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(descriptor, content)
        os.utime(descriptor, ns=(OLD_NS + number, OLD_NS + number * 1_000_003))
    finally:
        os.close(descriptor)


def make_flat(root, files):
    """Directories of 1,000 files each."""
    content = Content()
    for number in range(files):
        directory = f"{root}/d{number // 1000:05}"
        if number % 1000 == 0:
            os.mkdir(directory)
        write_file(f"{directory}/file-{number:07}.bin", content.of(number, FILE_BYTES), number)


def make_nested(root, files):
    """Directories three deep with 20 files each, 10 to a directory and 10 of those to another."""
    content = Content()
    for number in range(files):
        leaf = number // 20
        directory = f"{root}/a{leaf // 100:04}/b{leaf // 10 % 10}/c{leaf % 10}"
        if number % 20 == 0:
            os.makedirs(directory)
        write_file(f"{directory}/file-{number:07}.bin", content.of(number, FILE_BYTES), number)


def make_large(root, size):
    """One file of `size` bytes without holes."""
    block = Content().of(1, (1 << 20) - 8)
    with open(f"{root}/large.bin", "wb") as file:
        for number in range(0, size, 1 << 20):
            piece = number.to_bytes(8, "little") + block
            file.write(piece[:min(1 << 20, size - number)])
    os.utime(f"{root}/large.bin", ns=(OLD_NS, OLD_NS))


def sync_file_system(where):
    """syncfs(2) of the file system at `where`."""
    run(["sync", "--file-system", str(where)])
