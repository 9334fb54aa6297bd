"""What is read of a running archive: its processes, its temporary files, its database."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from bench_tool.processes import Family

_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)
_ROLES = {"run-web": "web", "run-public": "links", "worker": "workers", "serve": "supervisor"}
_LOOKED_AT = ("supervisor", "web", "links", "workers", "Postgres")
_QUESTION = """
SELECT count(*),
    count(*) FILTER (WHERE state LIKE 'idle in transaction%'
                     AND state_change < clock_timestamp() - interval '5 seconds'),
    (SELECT count(*) FROM procrastinate_jobs
     WHERE status = 'doing' OR status = 'todo' AND coalesce(scheduled_at, now()) <= now())
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What there was at one moment, by name; memory in bytes, the rest counted."""

    at: float
    values: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Where to look: the processes, the folders of what is temporary, the database."""

    family: Family
    temporary: Sequence[Path]
    database: Callable[[], str]

    def sample(self) -> Sample:
        values = Counter[str](dict.fromkeys(_names(), 0))
        for pid in self.family.pids():
            command, state = _command(pid), _state(pid)
            if state == "Z":
                values["ended processes that nobody has waited for"] += 1
                continue
            role = _role(command)
            if role is None:
                continue  # A decoder, which lives for a moment.
            values[f"memory of {role}"] += _own_bytes(pid)
            values[f"threads of {role}"] += _count(Path(f"/proc/{pid}/task"))
            opened = _open(pid)
            values[f"open files of {role}"] += len(opened)
            values[f"sockets of {role}"] += sum(one.startswith("socket:") for one in opened)
        values["temporary files"] = sum(_files(folder) for folder in self.temporary)
        with psycopg.connect(self.database(), autocommit=True, connect_timeout=30) as connection:
            row = connection.execute(_QUESTION).fetchone()
        found = row or (0, 0, 0)
        values["connections to the database"] = found[0]
        values["transactions idle for 5 s and more"] = found[1]
        values["jobs that are due"] = found[2]
        return Sample(at=time.monotonic(), values=dict(values))


@dataclass(slots=True, kw_only=True)
class Series:
    """Samples of a stretch of time, and what hindered taking one."""

    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@contextmanager
def sampling(watched: Watched, *, every_s: float) -> Iterator[Series]:
    """Take samples during the block."""
    series, over = Series(), threading.Event()

    def take() -> None:
        while not over.is_set():
            try:
                series.samples.append(watched.sample())
            except (OSError, psycopg.Error) as exc:
                series.failures.append(f"{type(exc).__name__}: {exc}")
            over.wait(every_s)

    sampler = threading.Thread(target=take, name="sampler", daemon=True)
    sampler.start()
    try:
        yield series
    finally:
        over.set()
        sampler.join()


def _names() -> list[str]:
    each = ("memory", "threads", "open files", "sockets")
    found = [f"{what} of {role}" for what in each for role in _LOOKED_AT]
    return [*found, "ended processes that nobody has waited for"]


def _role(command: list[str]) -> str | None:
    if any(word.startswith("cluster_name=") for word in command) or command[0].startswith(
        "postgres:"
    ):
        return "Postgres"
    if "app.cli" not in command:
        return None
    return next((role for word, role in _ROLES.items() if word in command), None)


def _command(pid: int) -> list[str]:
    with suppress(*_GONE):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    return [""]


def _state(pid: int) -> str:
    with suppress(*_GONE, IndexError):
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        return text.rpartition(")")[2].split()[0]
    return ""


def _own_bytes(pid: int) -> int:
    """Return what would be free without it: what it shares, as Postgres its buffers, left out."""
    with suppress(*_GONE):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    return 0


def _count(folder: Path) -> int:
    with suppress(*_GONE):
        return sum(1 for _ in folder.iterdir())
    return 0


def _open(pid: int) -> list[str]:
    found = []
    with suppress(*_GONE):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(*_GONE):
                found.append(str(entry.readlink()))
    return found


def _files(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    with suppress(*_GONE):
        return sum(1 for one in folder.rglob("*") if not one.is_dir())
    return 0
