"""S11 and S12: lists and the search by words over many recordings, beside 100,000 of them."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import psycopg

from app.clients.models import EventOrigin
from app.core.clock import SetClock
from app.core.db import APP_ROLE, Database
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
from bench_tool.filling import fill, superuser_url
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section
from bench_tool.rounds import Options, say
from bench_tool.targets import Line, at_most
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedStore
from tests.factories import Make

_NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
_MIDDLE = _NOW - timedelta(days=3 * 365 // 2)
_TABLES = frozenset({"clients", "events", "recordings", "legs", "marks"})
"""What lists and search read; of everything else there is next to nothing."""
_DATABASES = ("beside", "audiatur")
_BYTES_EACH = 2_000
"""What a recording takes on the disk with all of these and their indexes, and some more."""
_ROWS = 1_000_000
_BESIDE = 100_000
_SHORT_ROWS, _SHORT_BESIDE = 100_000, 10_000
_PAGE = 51
_LISTS = 20
_SEARCHES = 100
_S11 = Target(number="S11", against="", must=3, stretch=2)
_S12 = Target(number="S12", against="", must=250, stretch=50)
_HEADER = (
    "#",
    "what",
    "against",
    "figure (range)",
    "must / stretch",
    "verdict",
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


def run(options: Options) -> Section:
    """Fill two archives, ask both for the same lists in turn, and the larger one for words."""
    many, beside = _sizes(options)
    server = EmbeddedPostgres(options.directory / "search")
    try:
        cluster = server.hold()
        with archives(cluster, options.directory, (beside, many)) as (small, large):
            lists = {
                name: _turns(small, large, asked, options.rounds)
                for name, asked in _lists(large).items()
            }
            words = {name: _searches(large, options.rounds, said) for name, said in _WORDS.items()}
    finally:
        server.release_and_maybe_stop()
        shutil.rmtree(options.directory / "search", ignore_errors=True)
    rows = [
        *(_list_row(name, *found, beside=beside) for name, found in lists.items()),
        *(_words_row(name, found) for name, found in words.items()),
    ]
    values: list[dict[str, object]] = [
        {"target": "S11", "path": name, "recordings": many, "ms": large, "beside_ms": small}
        for name, (small, large) in lists.items()
    ] + [
        {"target": "S12", "path": name, "recordings": many, "ms": took}
        for name, took in words.items()
    ]
    title = f"S11, S12: lists and words over {many:,} recordings"
    lines = [_line(row, many) for row in rows]
    return Section(title=title, text=figures.table(_HEADER, rows), values=values, lines=lines)


def _sizes(options: Options) -> tuple[int, int]:
    """Return how many recordings are made, and beside how many; no more than half the disk."""
    if options.is_short:
        return _SHORT_ROWS, _SHORT_BESIDE
    wanted = options.rows or _ROWS
    room = shutil.disk_usage(options.directory).free // 2 // _BYTES_EACH
    if room < wanted:
        if options.rows:
            raise BenchmarkFailed(f"{wanted:,} recordings take {wanted * _BYTES_EACH:,} bytes.")
        say(f"search: {room:,} recordings and not {wanted:,}, for want of disk")
    return min(wanted, room), _BESIDE


@contextmanager
def archives(
    cluster: Cluster, directory: Path, recordings: tuple[int, int]
) -> Iterator[tuple[Archive, Archive]]:
    """Give two filled databases of one server."""
    migrate(cluster.owner_url)
    grant_roles(cluster)
    with psycopg.connect(superuser_url(cluster, "postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE beside TEMPLATE audiatur OWNER audiatur_owner")
        # Filling writes all of it once; what a power cut would take is filled anew.
        for setting in ("max_wal_size = '4GB'", "fsync = off", "full_page_writes = off"):
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")
    filled = []
    for name, many in zip(_DATABASES, recordings, strict=True):
        say(f"search: making {many:,} recordings")
        filled.append(_filled(cluster, directory, name, many))
    try:
        yield filled[0], filled[1]
    finally:
        for one in filled:
            one.database.close()


def _filled(cluster: Cluster, directory: Path, name: str, recordings: int) -> Archive:
    url = urlsplit(cluster.web_url)._replace(path=f"/{name}").geturl()
    info = {"detail_cipher": DetailCipher(bytes(32))}
    database = Database(url, role=APP_ROLE, info=info)
    keys = MasterKeys.create(directory / f"{name}.key")
    store = SealedStore(FolderStore(directory / f"{name}-store"), keys)
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
    superuser = superuser_url(cluster, name)
    fill(
        superuser,
        recordings=recordings,
        recording=of[0],
        client=of[1],
        dispute=str(UUID(int=0)),
        now=_NOW,
        tables=_TABLES,
    )
    with psycopg.connect(superuser) as connection:
        clients = connection.execute(
            "SELECT id FROM clients WHERE external_id LIKE 'bench-%' ORDER BY id"
        ).fetchall()
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    say(f"search: {recordings:,} recordings take {size[0] / figures.MIB if size else 0:,.0f} MiB")
    return Archive(
        recordings=recordings, database=database, clients=tuple(row[0] for row in clients)
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
    small: Archive, large: Archive, asked: Sequence[_Asked], rounds: int
) -> tuple[list[list[float]], list[list[float]]]:
    """Return the milliseconds of each round in either, after one that warms up."""
    found: tuple[list[list[float]], list[list[float]]] = ([], [])
    for number in range(rounds + 1):
        for archive, taken in zip((small, large), found, strict=True):
            took = [_took(archive, one) for one in asked]
            if number:
                taken.append(took)
    return found


def _searches(archive: Archive, rounds: int, said: Sequence[str]) -> list[float]:
    """Return the milliseconds of searches, after one of each that warms up."""
    for one in said:
        _took(archive, _Asked(sought=Sought(words=one)))
    times = max(_SEARCHES, rounds * len(said)) if rounds > 1 else len(said)
    return [
        _took(archive, _Asked(sought=Sought(words=said[turn % len(said)]))) for turn in range(times)
    ]


def _took(archive: Archive, asked: _Asked) -> float:
    with archive.database.transaction() as session:
        began = time.perf_counter()
        finding.page(session, Actor.system("bench"), asked.sought, after=asked.after, limit=_PAGE)
        return (time.perf_counter() - began) * 1000


def _list_row(
    name: str, small: list[list[float]], large: list[list[float]], *, beside: int
) -> list[str]:
    pairs = zip(map(statistics.median, large), map(statistics.median, small), strict=True)
    ratio = Spread.of([ours / theirs for ours, theirs in pairs])
    took = [one for each in large for one in each]
    return [
        _S11.number,
        f"list {name}",
        f"{beside:,}",
        f"{ratio.median:.2f} x ({ratio.low:.2f}-{ratio.high:.2f})",
        f"{_S11.must:.0f} / {_S11.stretch:.0f}",
        _verdict(_S11, ratio.median),
        f"{statistics.median(took):.1f}",
        f"{_p99(took):.1f}",
    ]


def _words_row(name: str, took: list[float]) -> list[str]:
    p99 = _p99(took)
    return [
        _S12.number,
        f"newest 50 with a word: {name}",
        "-",
        f"p99 {p99:.0f} ms",
        f"{_S12.must:.0f} / {_S12.stretch:.0f} ms",
        _verdict(_S12, p99),
        f"{statistics.median(took):.1f}",
        f"{p99:.1f}",
    ]


def _line(row: list[str], recordings: int) -> Line:
    number, path, against, figure, wanted, verdict, *_ = row
    return Line(
        number=number,
        path=f"{path} ({recordings:,} recordings)",
        against=against,
        figure=figure,
        wanted=wanted,
        verdict=verdict,
    )


def _verdict(target: Target, figure: float) -> str:
    return at_most(figure, target.must, target.stretch).value


def _p99(took: Sequence[float]) -> float:
    return sorted(took)[max(0, -(-len(took) * 99 // 100) - 1)]
