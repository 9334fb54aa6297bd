"""Filling an archive with as many recordings as are wanted, inside Postgres: `pages.sql`."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from app.embedded.postgres import Cluster, EmbeddedPostgres
from bench_tool.figures import MIB
from bench_tool.native import BenchmarkFailed
from bench_tool.rounds import say

_MORE = Path(__file__).with_name("pages.sql")
_COPIED = re.compile(r"SELECT pg_temp\.copies\('(\w+)'")
_SPAN = timedelta(days=3 * 365)
"""Over which the calls are spread, however many they are."""
LEFT_FREE_BYTES = 4096 * MIB
"""What others have of the disk, however many are made."""
# Each is written once and by nobody else; what a power cut would take is filled anew.
_HASTE = (
    "wal_level = minimal",
    "max_wal_senders = 0",
    "max_wal_size = '512MB'",
    "fsync = off",
    "full_page_writes = off",
    "synchronous_commit = off",
)


def superuser_url(cluster: Cluster, database: str) -> str:
    """Return how to reach a database of an embedded Postgres as who may leave triggers out."""
    password = (cluster.directory / "passwords" / "postgres").read_text()
    return f"postgresql://postgres:{password}@127.0.0.1:{cluster.port}/{database}"


def make_haste(server: EmbeddedPostgres, cluster: Cluster) -> Cluster:
    """Return the cluster, started again so that filling it writes nothing twice."""
    with psycopg.connect(superuser_url(cluster, "postgres"), autocommit=True) as connection:
        for setting in _HASTE:
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
    server.stop()
    return server.hold()


def fill(  # noqa: PLR0913 - how many of what, and what they are copies of.
    superuser: str,
    *,
    recordings: int,
    recording: str,
    client: str,
    dispute: str,
    now: datetime,
    tables: Collection[str] | None = None,
) -> None:
    """Copy what is there until there are `recordings`, and what belongs to so many.

    The triggers that would slow it down are left out. With `tables`, nothing but those is filled.

    Raises:
        BenchmarkFailed: the disk is nearly full.
    """
    settings = {
        "now": now.isoformat(),
        "between": f"{_SPAN / recordings / timedelta(seconds=1)} seconds",
        "recordings": str(recordings),
        "recording": recording,
        "client": client,
        "dispute": dispute,
    }
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET statement_timeout = 0")
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute("SET max_parallel_maintenance_workers = 1")
        connection.add_notice_handler(lambda told: say(f"filling: {told.message_primary}"))
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (f"bench.{name}", value))
        for statement in _MORE.read_text(encoding="utf-8").split("\n\n"):
            table = _COPIED.match(statement)
            if table is not None and tables is not None and table[1] not in tables:
                continue
            _require_room(connection)
            began = time.monotonic()
            connection.execute(statement.encode())
            if time.monotonic() - began > 1:
                took = time.monotonic() - began
                say(f"filling: {table[1] if table else statement[:40]} {took:.0f} s")
        # As a server's own cleaner leaves it: lists look at indexes alone.
        began = time.monotonic()
        connection.execute("VACUUM (ANALYZE)")
        say(f"filling: vacuum {time.monotonic() - began:.0f} s")


def _require_room(connection: psycopg.Connection[TupleRow]) -> None:
    row = connection.execute("SHOW data_directory").fetchone()
    free = shutil.disk_usage(row[0]).free if row else 0
    if free < LEFT_FREE_BYTES:
        raise BenchmarkFailed(f"{free / MIB:,.0f} MiB are free on the disk, and that is too few.")
