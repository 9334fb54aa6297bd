"""S10: the transaction of the way in by the archive's own code, beside pgbench."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import make_url

from app.core.db import APP_ROLE, Database
from app.embedded.postgres import program
from app.identity import queries
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.secrets import digest
from app.recordings import ingest_sql
from app.recordings.ingest import Arrived, IngestTools, RecordingIngest, ingest_tools
from app.recordings.media_facts import Container, MediaFacts
from app.recordings.multipart import FilePart
from app.recordings.schemas import RecordingTold
from app.recordings.stages import Measured
from app.settings import Settings
from app.tools import Tools
from app.wiring import Urls, database_urls, open_tools, prepare
from bench_tool import figures, targets, transactions
from bench_tool.figures import Comparison, Run, Target
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section
from bench_tool.processes import Family, watched
from bench_tool.rounds import Options, say, told
from bench_tool.waves import HEAD_BYTES, wav_head
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.ports import Draft
from storage.sealed import SealedStore

_CLIENTS = 16
_BODY = wav_head(1024) + bytes(1024 - HEAD_BYTES)
_TARGET = Target(number="S10", against="pgbench, the same statements", must=0.3, stretch=0.6)
_CELL = f"ingest transaction, c = {_CLIENTS}"
_ROWS = (
    "recordings",
    "legs",
    "sealed_objects",
    "events",
    "link_changes",
    "custody_entries",
    "procrastinate_jobs",
)
_TELL = {
    "started_at": "2026-01-15T10:00:00+03:00",
    "direction": "inbound",
    "from": "+74951234567",
    "to": "101",
    "leg": "mixed",
}
_FACTS = MediaFacts(
    media_type="audio/wav",
    container=Container.WAV,
    codec="pcm_s16le",
    channels=1,
    sample_rate_hz=8000,
)
_WARM_UP_S = 0.5


class _Nothing:
    """A draft whose bytes go nowhere."""

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Forget the bytes."""

    def keep(self) -> None:
        """Do nothing."""

    def discard(self) -> None:
        """Do nothing."""


class _Nowhere(FolderStore):
    """A store that keeps nothing: what is measured is the transaction."""

    def begin(  # type: ignore[override]  # A draft that is no file.
        self,
        key: str,  # noqa: ARG002 - as its base.
        *,
        replaces: bool = False,  # noqa: ARG002 - the same.
    ) -> Draft:
        return _Nothing()


class _Listening(Database):
    """A database that remembers the values of each statement."""

    heard: dict[str, dict[str, object]]

    def statement(self, sql: str, parameters: Mapping[str, object]) -> TupleRow | None:
        self.heard[sql] = {
            name: value for name, value in parameters.items() if f"%({name})s" in sql
        }
        return super().statement(sql, parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """One archive whose store keeps nothing, and the device that sends."""

    tools: IngestTools
    actor: Actor
    urls: Urls
    family: Family
    script: Path


def run(options: Options) -> Section:
    """Keep recordings by threads of one process, and by pgbench, in turn on one Postgres."""
    ours: list[Run] = []
    other: list[Run] = []
    with _archive(options.directory / f"tx-{time.monotonic_ns()}") as bench:
        _by_us(bench, _WARM_UP_S)
        _by_pgbench(bench, 1)
        for number in range(options.rounds):
            ours.append(_by_us(bench, options.seconds))
            say(f"tx, round {number + 1}: ours {told(ours[-1])}")
            other.append(_by_pgbench(bench, max(1, round(options.seconds))))
            say(f"tx, round {number + 1}: pgbench {told(other[-1])}")
    comparison = Comparison(cell=_CELL, target=_TARGET, ours=tuple(ours), other=tuple(other))
    return Section(
        title="S10: the transaction of the way in, recording, event link, ledger entry and job",
        text=figures.table(figures.HEADER, [figures.row(comparison)]),
        values=[figures.as_json(comparison)],
        lines=[targets.of_comparison(comparison)],
    )


@contextmanager
def _archive(folder: Path) -> Iterator[_Bench]:
    settings = Settings(data=folder)
    folder.mkdir(mode=0o711)
    with database_urls(settings) as urls:
        prepare(settings, urls)
        with open_tools(settings, urls) as tools:
            actor = _device(tools)
            nowhere = SealedStore(
                _Nowhere(folder / "nowhere"), MasterKeys.create(folder / "nowhere.key")
            )
            way_in = replace(ingest_tools(tools, Measured()), store=nowhere)
            script = folder / "ingest.sql"
            script.write_text(_script(way_in, actor, urls, tools), encoding="utf-8")
            family = Family(root=os.getpid(), directory=folder)
            yield _Bench(tools=way_in, actor=actor, urls=urls, family=family, script=script)


def _device(tools: Tools) -> Actor:
    at = tools.clock.now()
    with tools.database.transaction() as session:
        key = identity.add_device(session, Actor.system("bench"), "bench", at=at)
    with tools.database.transaction() as session:
        actor = queries.device_by_key(session, digest(key), at)
    if actor is None:
        raise BenchmarkFailed("The device that was made is not there.")
    return actor


def _script(way_in: IngestTools, actor: Actor, urls: Urls, tools: Tools) -> str:
    """Return what pgbench sends: the very statements of one recording that the archive kept."""
    listening = _Listening(
        urls.web, role=APP_ROLE, pool_size=2, info={"detail_cipher": tools.cipher}
    )
    listening.heard = {}
    try:
        _keep(replace(way_in, database=listening), actor, "heard")
    finally:
        listening.close()
    wanted = [ingest_sql.KNOWN_RECORDING, ingest_sql.KEEP_RECORDING]
    if list(listening.heard) != wanted:
        raise BenchmarkFailed("The way in sends other statements than these two.")
    with psycopg.connect(urls.web) as connection:
        if actor.id is None:
            raise BenchmarkFailed("The device that sends has no id.")
        return transactions.script(listening.heard, kept=actor.id, connection=connection)


def _keep(tools: IngestTools, actor: Actor, call: str) -> None:
    told = RecordingTold.model_validate({"source_call_id": call, **_TELL})
    recording = RecordingIngest(tools, actor, told)
    try:
        recording.write(_BODY)
        arrived = Arrived(
            part=FilePart(name="call.wav", declared_type="audio/wav"), facts=_FACTS, compared=None
        )
        _, is_new = recording.keep(arrived)
    finally:
        recording.discard()
    if not is_new:
        raise BenchmarkFailed("A new recording was taken for a repeat.")


def _by_us(bench: _Bench, seconds: float) -> Run:
    """Keep recordings in as many threads as there are clients."""
    before = _counted(bench)
    before_s = bench.family.cpu_s()
    name, ends = uuid4().hex, time.perf_counter() + seconds

    def send(client: int) -> list[float]:
        took: list[float] = []
        while (began := time.perf_counter()) < ends:
            _keep(bench.tools, bench.actor, f"{name}-{client}-{len(took)}")
            took.append((time.perf_counter() - began) * 1000)
        return took

    began = time.perf_counter()
    with watched([os.getpid()]) as growth, ThreadPoolExecutor(_CLIENTS) as pool:
        took = sorted(one for each in pool.map(send, range(_CLIENTS)) for one in each)
    wall_s = time.perf_counter() - began
    spent_s = bench.family.cpu_s() - before_s
    wrong = _wrong(before, _counted(bench), len(took))
    parts = statistics.quantiles(took, n=100)
    return Run(
        requests=len(took),
        wall_s=wall_s,
        cpu_s=spent_s,
        growth_bytes=growth.peak_growth_bytes,
        p50_ms=parts[49],
        p95_ms=parts[94],
        p99_ms=parts[98],
        errors=len(wrong),
        first_error="; ".join(wrong),
    )


def _by_pgbench(bench: _Bench, seconds: int) -> Run:
    before = _counted(bench)
    before_s = bench.family.cpu_s()
    url = make_url(bench.urls.web)
    command = [str(program("pgbench")), "-n", "-M", "prepared", "-c", str(_CLIENTS), "-j", "2"]
    command += ["-T", str(seconds), "-f", str(bench.script), "-D", "n=0"]
    command += ["-D", f"run={time.time_ns() // 1_000_000_000 % (1 << 31)}"]
    command += ["-h", str(url.host), "-p", str(url.port), "-U", str(url.username)]
    done = subprocess.run(  # noqa: S603 - the wheel's own program.
        [*command, str(url.database)],
        env={
            **os.environ,
            "PGPASSWORD": str(url.password),
            "PGOPTIONS": f"-c role={APP_ROLE} -c timezone=UTC",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    spent_s = bench.family.cpu_s() - before_s
    rate = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    count = re.search(r"transactions actually processed: (\d+)", done.stdout)
    mean = re.search(r"latency average = ([\d.]+) ms", done.stdout)
    if done.returncode or not (rate and count and mean):
        raise BenchmarkFailed(f"pgbench ended with {done.returncode}: {done.stderr.strip()}")
    requests = int(count[1])
    wrong = _wrong(before, _counted(bench), requests)
    return Run(
        requests=requests,
        wall_s=requests / float(rate[1]),
        cpu_s=spent_s,
        growth_bytes=0,
        p50_ms=float(mean[1]),
        p95_ms=float(mean[1]),
        p99_ms=float(mean[1]),
        errors=len(wrong),
        first_error="; ".join(wrong),
    )


def _counted(bench: _Bench) -> dict[str, int]:
    with psycopg.connect(bench.urls.owner) as connection:
        found = {}
        for table in _ROWS:
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()  # noqa: S608 - a constant.
            found[table] = row[0] if row else 0
        return found


def _wrong(before: Mapping[str, int], after: Mapping[str, int], made: int) -> list[str]:
    """Return which rows are missing or too many, for each recording has one of each."""
    return [
        f"{after[table] - before[table]} new rows in {table} for {made} recordings"
        for table in _ROWS
        if after[table] - before[table] != made
    ]
