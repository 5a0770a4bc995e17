"""One clock for every client of `peer.py`: its files on disk, and /proc.

A transfer begins when the first byte is written to a file of a downloader, whatever the clients
print of it, and ends when the last downloader says that it is complete. CPU time is counted
between the same two moments.

A virtual machine pays dearly for memory that its host has to find first, and gives back what has
been free for a second or two. The page cache of a fresh file would be such memory for some runs
and not for others. So a fresh download runs against a `Ballast`: files of zeros in the page
cache, deleted piece by piece as the download grows, so that everybody writes into memory that was
in use a moment ago, as on a machine of one's own.
"""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
POLL = 0.002  # seconds
PART = 32 << 20  # bytes of one ballast file
AHEAD = 16  # parts deleted before the first byte: a second of a fast download, less than the host waits for
PATIENCE = 600.0  # seconds


@dataclass(frozen=True)
class Measured:
    """One transfer: its time, CPU seconds of the measured and of the other processes, memory."""

    seconds: float
    cpu: float
    partner_cpu: float
    peak_mib: float


def cpu_seconds(pid):
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def peak_mib(pid):
    """The largest resident memory of a process; mapped files count."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def fill(path, size):
    """A file of zeros, all of it in the page cache."""
    zeros = bytes(1 << 20)
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(zeros)


class Ballast:
    """Page cache to be handed to a download of `size` bytes; empty for none.

    Deleted at the pace at which the machine's page cache grows: what a file has reserved on disk
    says nothing of how much of it has been written.
    """

    def __init__(self, folder, size=0):
        count = size // PART + AHEAD if size else 0
        self._parts = [folder / f".ballast-{number}" for number in range(count)]
        for part in self._parts:
            fill(part, PART)
        self._stop = threading.Event()
        self._thread = None

    def follow(self):
        """Delete as much as the page cache grows, from now on."""
        self._level = _cached()
        self._free(AHEAD)
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def end(self):
        """Delete the rest."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._free(len(self._parts))

    def _watch(self):
        while self._parts and not self._stop.wait(2 * POLL):
            # As much is free for the download as was deleted and has not been written again.
            self._free((_cached() - self._level) // PART + AHEAD)

    def _free(self, count):
        for _ in range(min(count, len(self._parts))):
            self._parts.pop().unlink()


def _cached():
    """Bytes of page cache of the whole machine."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Cached:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("/proc/meminfo says nothing of the page cache")


def _mark(target):
    """Something that changes with the first write."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    return (status.st_mtime_ns, status.st_size) if status.st_blocks else None


class Stopwatch:
    """Made before the downloaders start, so that their first write cannot be missed."""

    def __init__(self, targets):
        self._targets = targets
        self._marks = [_mark(target) for target in targets]

    def time(self, downloaders, measured, partners, ballast):
        """Wait for the transfer's beginning and end.

        Parameters
        ----------
        downloaders : list of Client
            As many as targets, in the same order.
        measured, partners : list of Client
            Whose CPU is counted; memory is the largest of the measured.
        """
        end = time.perf_counter() + PATIENCE
        while all(_mark(target) == mark for target, mark in zip(self._targets, self._marks)):
            if time.perf_counter() > end or any(client.process.poll() for client in downloaders):
                raise SystemExit(f"{downloaders[0].process.args}: downloads nothing")
            time.sleep(POLL)
        start = time.perf_counter()
        before, partners_before = _sum(measured), _sum(partners)
        ballast.follow()
        last = max(client.completed(target) for client, target in zip(downloaders, self._targets))
        cpu, partner_cpu = _sum(measured) - before, _sum(partners) - partners_before
        peak = max(peak_mib(client.pid) for client in measured)
        ballast.end()
        return Measured(last - start, cpu, partner_cpu, peak)


def _sum(clients):
    return sum(client.cpu() for client in clients)
