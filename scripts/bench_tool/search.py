"""S11 and S12: lists and the search by words over many recordings, beside 100,000 of them."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
from psycopg.errors import QueryCanceled
from sqlalchemy.exc import OperationalError

from app.clients.models import EventOrigin
from app.core.clock import SetClock
from app.core.db import APP_ROLE, Database
from app.core.garbage import spare_what_lasts
from app.core.ids import new_id
from app.core.paging import Cursor
from app.custody.ledger import DetailCipher
from app.embedded.postgres import Cluster, EmbeddedPostgres
from app.embedded.roles import grant_roles
from app.identity.actor import Actor
from app.migrate import migrate
from app.playback.models import Mark, MarkKind
from app.recordings import finding
from app.recordings.finding import Sought
from bench_tool import figures
from bench_tool.figures import Spread, Target
from bench_tool.filling import LEFT_FREE_BYTES, fill, make_haste, superuser_url
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section, told_when_cut
from bench_tool.processes import Family
from bench_tool.rounds import Options, say
from bench_tool.targets import Line, at_most, spread
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedStore
from tests.factories import Make

_NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
_MIDDLE = _NOW - timedelta(days=3 * 365 // 2)
_TABLES = frozenset({"clients", "events", "recordings", "legs", "marks"})
"""What lists and search read; of everything else there is next to nothing."""
_DATABASES = ("beside", "audiatur")
_BYTES_EACH = 1_550
"""What a recording takes on the disk with all of these and their indexes, and some more."""
_FILLED = "filled"
"""The file of a folder that is kept: how many recordings each archive has."""
_ROWS = 1_000_000
_BESIDE = 100_000
_SHORT_ROWS, _SHORT_BESIDE = 100_000, 10_000
_PAGE = 51
_LISTS = 20
_SEARCHES = 20
_S11 = Target(number="S11", against="", must=3, stretch=2)
_S12 = Target(number="S12", against="", must=250, stretch=50)
_HEADER = (
    "#",
    "what",
    "against",
    "figure (range)",
    "must / stretch",
    "verdict",
    "CPU ms",
    "p50 ms",
    "p99 ms",
)

_WORDS: Mapping[str, Sequence[str]] = {
    "common, one in five": ("сеть", "принтер", "обновл"),
    "in every name of a file": ("call",),
    "middling, one in a hundred": ("касса",),
    "middling, one in a thousand": ("модем",),
    "rare, one in ten thousand": ("факс",),
    "a client's name": tuple(str(number) for number in range(111, 131)),
    "one number": tuple(str(number) for number in range(34_567, 34_587)),
    "two words": ("сеть модем", "принтер касса", "касса клиент", "факс сеть"),
    "in nothing": ("дирижабль",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A database with so many recordings."""

    recordings: int
    database: Database
    clients: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One list: what it is narrowed to, and after which row it goes on."""

    sought: Sought
    after: Cursor | None = None


@dataclass(slots=True, kw_only=True)
class _Taken:
    """What answers took, round by round, and the processor time of all of them together."""

    rounds: list[list[float]] = field(default_factory=list)
    cpu_s: float = 0.0
    cut_off: int = 0
    """Answers that Postgres broke off at its limit; each counts with the time until then."""

    @property
    def each(self) -> list[float]:
        return [one for took in self.rounds for one in took]

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_s / len(self.each)


def run(options: Options) -> Section:
    """Fill two archives, ask both for the same lists in turn, and the larger one for words."""
    many, beside = _sizes(options)
    folder = options.keep or options.directory / "search"
    server = EmbeddedPostgres(folder)
    title = f"S11, S12: lists and words over {many:,} recordings"
    rows: list[list[str]] = []
    values: list[dict[str, object]] = []
    try:
        cluster = server.hold()
        # Postgres does the work, and this process asks for it.
        family = Family(root=os.getpid(), directory=cluster.directory)
        with (
            archives(server, cluster, folder, (beside, many)) as (small, large),
            told_when_cut(title, _HEADER, rows),
        ):
            # As a server does; otherwise one answer in some hundred waits for Python's collector.
            spare_what_lasts()
            for name, asked in _lists(large).items():
                ours, theirs = _turns(family, (large, small), asked, options.rounds)
                rows.append(_list_row(name, ours, theirs, beside=beside))
                values.append(
                    _values("S11", name, ours)
                    | {
                        "beside_ms": theirs.rounds,
                        "beside_cpu_ms": theirs.cpu_ms,
                    }
                )
                say(f"search: {' | '.join(rows[-1])}")
            for name, said in _WORDS.items():
                asked = [_Asked(sought=Sought(words=one)) for one in said]
                turns = [asked[turn % len(asked)] for turn in range(_SEARCHES)]
                (found,) = _turns(family, (large,), turns, options.rounds)
                rows.append(_words_row(name, found))
                values.append(_values("S12", name, found))
                say(f"search: {' | '.join(rows[-1])}")
    finally:
        server.release_and_maybe_stop()
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    lines = [_line(row, many) for row in rows]
    return Section(title=title, text=figures.table(_HEADER, rows), values=values, lines=lines)


def _sizes(options: Options) -> tuple[int, int]:
    """Return how many recordings are made, and beside how many; the disk is not filled up."""
    if options.is_short:
        return _SHORT_ROWS, _SHORT_BESIDE
    wanted = options.rows or _ROWS
    if options.keep and _kept(options.keep) == (_BESIDE, wanted):
        return wanted, _BESIDE
    room = (shutil.disk_usage(options.directory).free - LEFT_FREE_BYTES) // _BYTES_EACH
    if room < wanted:
        if options.rows:
            raise BenchmarkFailed(f"{wanted:,} recordings take {wanted * _BYTES_EACH:,} bytes.")
        say(f"search: {room:,} recordings and not {wanted:,}, for want of disk")
    return min(wanted, room), _BESIDE


def _kept(folder: Path) -> tuple[int, ...]:
    """Return how many recordings the archives have that were left in a folder."""
    try:
        return tuple(map(int, (folder / _FILLED).read_text(encoding="utf-8").split()))
    except FileNotFoundError:
        return ()


@contextmanager
def archives(
    server: EmbeddedPostgres, cluster: Cluster, folder: Path, recordings: tuple[int, int]
) -> Iterator[tuple[Archive, Archive]]:
    """Give two filled databases of one server, those that are in the folder if there are any."""
    if _kept(folder) == recordings:
        # Whatever was changed since then is an index or a trigger, and is measured too.
        for name in _DATABASES:
            migrate(_of_database(cluster.owner_url, name))
    elif _kept(folder):
        raise BenchmarkFailed(f"{folder} has {_kept(folder)} recordings: name another folder.")
    else:
        migrate(cluster.owner_url)
        grant_roles(cluster)
        cluster = make_haste(server, cluster)
        with psycopg.connect(superuser_url(cluster, "postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE beside TEMPLATE audiatur OWNER audiatur_owner")
        for name, many in zip(_DATABASES, recordings, strict=True):
            say(f"search: making {many:,} recordings")
            _fill(cluster, folder, name, many)
        (folder / _FILLED).write_text(" ".join(map(str, recordings)), encoding="utf-8")
    found: list[Archive] = []
    try:
        for name, many in zip(_DATABASES, recordings, strict=True):
            found.append(_opened(cluster, name, many))
        yield found[0], found[1]
    finally:
        for one in found:
            one.database.close()


def _of_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _database(cluster: Cluster, name: str) -> Database:
    info = {"detail_cipher": DetailCipher(bytes(32))}
    return Database(_of_database(cluster.web_url, name), role=APP_ROLE, info=info)


def _fill(cluster: Cluster, folder: Path, name: str, recordings: int) -> None:
    database = _database(cluster, name)
    keys = MasterKeys.create(folder / f"{name}.key")
    store = SealedStore(FolderStore(folder / f"{name}-store"), keys)
    with database.transaction() as session:
        make = Make(session, SetClock(_NOW), store)
        client = make.client(name="ООО «Василёк»")
        recording = make.recording(client=client)
        make.event(None, origin=EventOrigin.TRIAGE)
        session.add(
            Mark(
                id=new_id(),
                recording_id=recording.id,
                kind=MarkKind.COMMENT,
                from_ms=1,
                note="Обещали перезвонить",
                made_by=make.manager.id,
                made_at=_NOW,
            )
        )
        of = str(recording.id), str(client.id)
    database.close()
    fill(
        superuser_url(cluster, name),
        recordings=recordings,
        recording=of[0],
        client=of[1],
        dispute=str(UUID(int=0)),
        now=_NOW,
        tables=_TABLES,
    )


def _opened(cluster: Cluster, name: str, recordings: int) -> Archive:
    with psycopg.connect(superuser_url(cluster, name)) as connection:
        clients = connection.execute(
            "SELECT id FROM clients WHERE external_id LIKE 'bench-%' ORDER BY id"
        ).fetchall()
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    say(f"search: {recordings:,} recordings take {size[0] / figures.MIB if size else 0:,.0f} MiB")
    return Archive(
        recordings=recordings,
        database=_database(cluster, name),
        clients=tuple(row[0] for row in clients),
    )


def _lists(archive: Archive) -> dict[str, list[_Asked]]:
    """Return what is asked for by each kind of list, its first page and one half way down."""
    agents = ("101", *(f"b{number}" for number in range(30)))
    flags = ("notified", "unknown", "consented", "refused", "pending")
    kinds: dict[str, list[Sought]] = {
        "by time": [Sought()],
        "by client": [Sought(client_id=one) for one in archive.clients[1:300:11]],
        "by agent": [Sought(agent=one) for one in agents],
        "by flag": [Sought(flag=one) for one in flags],
    }
    asked = {}
    for name, each in kinds.items():
        several = [each[turn % len(each)] for turn in range(_LISTS)]
        middle = Cursor(at=_MIDDLE, id=UUID(int=0))
        asked[f"{name}, first page"] = [_Asked(sought=one) for one in several]
        asked[f"{name}, half way down"] = [_Asked(sought=one, after=middle) for one in several]
    return asked


def _turns(
    family: Family, archives: Sequence[Archive], asked: Sequence[_Asked], rounds: int
) -> list[_Taken]:
    """Return what each archive took, asked in turn, after a round that warms up."""
    found = [_Taken() for _ in archives]
    for number in range(rounds + 1):
        for archive, taken in zip(archives, found, strict=True):
            before = family.cpu_s()
            took = [_took(archive, one) for one in asked]
            if number:
                taken.rounds.append([ms for ms, _ in took])
                taken.cut_off += sum(not is_whole for _, is_whole in took)
                taken.cpu_s += family.cpu_s() - before
    return found


def _took(archive: Archive, asked: _Asked) -> tuple[float, bool]:
    """Return the milliseconds until the answer, and whether there was one."""
    began = time.perf_counter()
    try:
        with archive.database.transaction() as session:
            began = time.perf_counter()
            finding.page(
                session, Actor.system("bench"), asked.sought, after=asked.after, limit=_PAGE
            )
            return (time.perf_counter() - began) * 1000, True
    except OperationalError as failure:
        if not isinstance(failure.orig, QueryCanceled):
            raise
        return (time.perf_counter() - began) * 1000, False


def _figure(told: str, taken: _Taken) -> str:
    """Return a figure, and how many answers it had to do without."""
    return f"{told}, {taken.cut_off} cut off" if taken.cut_off else told


def _list_row(name: str, ours: _Taken, theirs: _Taken, *, beside: int) -> list[str]:
    medians = (map(statistics.median, taken.rounds) for taken in (ours, theirs))
    ratio = Spread.of([our / other for our, other in zip(*medians, strict=True)])
    return [
        _S11.number,
        f"list {name}",
        f"{beside:,} recordings",
        _figure(spread(ratio), ours),
        f"{_S11.must:.0f} / {_S11.stretch:.0f}",
        at_most(ratio.median, _S11.must, _S11.stretch).value,
        f"{ours.cpu_ms:.1f} / {theirs.cpu_ms:.1f}",
        *_times(ours),
    ]


def _words_row(name: str, taken: _Taken) -> list[str]:
    p99 = _p99(taken.each)
    return [
        _S12.number,
        f"newest 50 with a word: {name}",
        "–",
        _figure(f"p99 {p99:.0f} ms", taken),
        f"{_S12.must:.0f} / {_S12.stretch:.0f} ms",
        at_most(p99, _S12.must, _S12.stretch).value,
        f"{taken.cpu_ms:.1f}",
        *_times(taken),
    ]


def _times(taken: _Taken) -> list[str]:
    each = taken.each
    return [f"{statistics.median(each):.1f}", f"{_p99(each):.1f}"]


def _values(target: str, name: str, taken: _Taken) -> dict[str, object]:
    return {
        "target": target,
        "path": name,
        "ms": taken.rounds,
        "cpu_ms": taken.cpu_ms,
        "cut_off": taken.cut_off,
    }


def _line(row: list[str], recordings: int) -> Line:
    number, path, against, figure, wanted, verdict, cpu_ms, *_ = row
    return Line(
        number=number,
        path=f"{path} ({recordings:,} recordings)",
        against=against,
        figure=figure,
        wanted=wanted,
        verdict=verdict,
        cost=f"{cpu_ms} ms each",
    )


def _p99(took: Sequence[float]) -> float:
    return sorted(took)[max(0, -(-len(took) * 99 // 100) - 1)]
