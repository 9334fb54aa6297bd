"""In which window of an upload a kill fell."""

from __future__ import annotations

import os
import platform
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.recordings.stages import Stage

_SETTLED_WITHIN_S = 0.02
_STILL = frozenset("TtDZX")
# Numbers of fsync and fdatasync. Source: the kernel's syscall tables.
_SYNCS = {"x86_64": {"74", "75"}, "aarch64": {"82", "83"}}.get(platform.machine(), set())


class Window(StrEnum):
    """What a kill can interrupt. Every window that some upload was in counts."""

    BODY = "body"  # The bytes arrive.
    FSYNC = "fsync"  # A thread is inside fsync or fdatasync of the store.
    STORE = "store"  # The object is made durable; outside of the syncs themselves.
    TRANSACTION = "transaction"  # From the statement's start until its answer.
    ANSWER = "answer"  # Durable, and the sender was not told.
    NONE = "none"  # No upload was in any of these.


class Kind(StrEnum):
    """What was killed, and how the moment was chosen."""

    WEB_STEP = "web at a call"
    POSTGRES_STEP = "Postgres at a call"
    WEB = "web"
    HOUSE = "web, worker, supervisor"
    POSTGRES = "Postgres"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill; `call` is the system call before which it came, where it was chosen by that."""

    kind: Kind
    windows: frozenset[Window]
    call: str | None = None


def freeze(pid: int) -> None:
    """Stop a process for a moment, so that what is read of it is what the kill will interrupt.

    A thread that waits for the disk stops when that is done; it is seen as waiting.
    """
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + _SETTLED_WITHIN_S
    while time.monotonic() < deadline and not all(state in _STILL for state in _states(pid)):
        pass


def look(stages_file: Path, pid: int | None) -> frozenset[Window]:
    """Return the windows that uploads are in; with `pid` the syncs are told from the store."""
    counts = dict(zip(Stage, stages_file.read_bytes(), strict=True))
    found = {Window(str(stage)) for stage, count in counts.items() if count}
    syncing = _syncing(pid) if pid is not None else 0
    if syncing and counts[Stage.STORE]:
        found.add(Window.FSYNC)
        if syncing >= counts[Stage.STORE]:
            found.discard(Window.STORE)
    return frozenset(found) or frozenset({Window.NONE})


def table(kills: Sequence[Kill]) -> str:
    """Return a table: windows down, kinds of kill across, and the number of kills below."""
    header = ["window", *Kind, "all"]
    rows = [
        [
            str(window),
            *(_count([k for k in kills if k.kind is kind], window) for kind in Kind),
            _count(kills, window),
        ]
        for window in Window
    ]
    totals = [str(sum(k.kind is kind for k in kills)) for kind in Kind]
    rows.append(["kills", *totals, str(len(kills))])
    widths = [max(len(row[n]) for row in (header, *rows)) for n in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    )


def _count(kills: Sequence[Kill], window: Window) -> str:
    return str(sum(window in kill.windows for kill in kills))


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return []


def _states(pid: int) -> list[str]:
    states = []
    for task in _tasks(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            states.append((task / "stat").read_text(errors="replace").rpartition(")")[2].split()[0])
    return states


def _syncing(pid: int) -> int:
    syncing = 0
    for task in _tasks(pid):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            syncing += (task / "syscall").read_text().split()[0] in _SYNCS
    return syncing
