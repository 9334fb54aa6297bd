"""What the processes of a variant spend, read from /proc. Source: proc(5)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LISTENING = "0A"
_RESET_PEAK = "5"
_GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The processes of one variant: descendants of `root`, and whatever works in `directory`.

    A Postgres leaves its starter's family tree, but its working directory is its cluster.
    """

    root: int
    directory: Path

    def pids(self) -> list[int]:
        """Return the processes that live now."""
        parents = {pid: _parent(pid) for pid in _all_pids()}
        return [pid for pid in parents if self._descends(pid, parents) or self._works_here(pid)]

    def cpu_s(self) -> float:
        """Return the CPU seconds of all of them so far, ended and waited-for children included."""
        return sum(_ticks(pid) for pid in self.pids()) / _TICKS_PER_S

    def listeners(self, port: int) -> list[int]:
        """Return those that hold the listening socket: the processes that take the uploads."""
        socket = f"socket:[{_listening_inode(port)}]"
        return [pid for pid in self.pids() if socket in _open_files(pid)]

    def _descends(self, pid: int, parents: dict[int, int]) -> bool:
        while pid > 1:
            if pid == self.root:
                return True
            pid = parents.get(pid, 0)
        return False

    def _works_here(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(self.directory)
        except (*_GONE, PermissionError):
            return False


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except _GONE:
        return 0


def peak_rss_bytes(pid: int) -> int:
    """Return the highest resident memory since `reset_peak`; 0 when the process has ended."""
    with suppress(*_GONE):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def reset_peak(pid: int) -> None:
    """Let the kernel begin anew with the highest resident memory."""
    with suppress(*_GONE):
        Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)


@dataclass(slots=True, kw_only=True)
class Growth:
    """How the largest grower of some processes grew while it was watched."""

    before_bytes: int = 0
    after_bytes: int = 0
    peak_bytes: int = 0
    samples: int = 0

    @property
    def peak_growth_bytes(self) -> int:
        # The kernel counts in batches, so a process at rest may seem to peak below its beginning.
        return max(0, self.peak_bytes - self.before_bytes)


@dataclass(slots=True, kw_only=True)
class _Watched:
    pid: int
    before_bytes: int
    sampled_bytes: list[int] = field(default_factory=list)


@contextmanager
def watched(pids: list[int], *, per_s: int = 0) -> Iterator[Growth]:
    """Watch the memory of `pids`; what is yielded is filled in at the end.

    The peak is the kernel's own, which misses nothing; with `per_s` samples are taken beside it.
    """
    each = [_Watched(pid=pid, before_bytes=rss_bytes(pid)) for pid in pids]
    for one in each:
        reset_peak(one.pid)
    growth, stop = Growth(), threading.Event()
    sampler = threading.Thread(target=_sample, args=(each, stop, per_s), daemon=True)
    if per_s:
        sampler.start()
    try:
        yield growth
    finally:
        stop.set()
        if per_s:
            sampler.join()
        peaks = {one.pid: max([peak_rss_bytes(one.pid), *one.sampled_bytes]) for one in each}
        if each:
            most = max(each, key=lambda one: peaks[one.pid] - one.before_bytes)
            growth.before_bytes = most.before_bytes
            growth.after_bytes = rss_bytes(most.pid)
            growth.peak_bytes = peaks[most.pid]
            growth.samples = len(most.sampled_bytes)


def _sample(each: list[_Watched], stop: threading.Event, per_s: int) -> None:
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        due += 1 / per_s
        for one in each:
            one.sampled_bytes.append(rss_bytes(one.pid))


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """Return the fields after the name, which may hold spaces and parentheses itself."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except _GONE:
        return []


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _ticks(pid: int) -> int:
    return sum(int(field) for field in _stat(pid)[11:15])


def _listening_inode(port: int) -> str:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                return fields[9]
    return "none"


def _open_files(pid: int) -> set[str]:
    found: set[str] = set()
    with suppress(*_GONE, PermissionError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(*_GONE):
                found.add(str(entry.readlink()))
    return found
