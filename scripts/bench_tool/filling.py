"""Filling an archive with as many recordings as are wanted, inside Postgres: `pages.sql`."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from app.embedded.postgres import Cluster
from bench_tool.rounds import say

_MORE = Path(__file__).with_name("pages.sql")
_COPIED = re.compile(r"SELECT pg_temp\.copies\('(\w+)'")
_SPAN = timedelta(days=3 * 365)
"""Over which the calls are spread, however many they are."""


def superuser_url(cluster: Cluster, database: str) -> str:
    """Return how to reach a database of an embedded Postgres as who may leave triggers out."""
    password = (cluster.directory / "passwords" / "postgres").read_text()
    return f"postgresql://postgres:{password}@127.0.0.1:{cluster.port}/{database}"


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
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute("SET max_parallel_maintenance_workers = 0")
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (f"bench.{name}", value))
        for statement in _MORE.read_text(encoding="utf-8").split("\n\n"):
            table = _COPIED.match(statement)
            if table is not None and tables is not None and table[1] not in tables:
                continue
            began = time.monotonic()
            connection.execute(statement.encode())
            if time.monotonic() - began > 1:
                took = time.monotonic() - began
                say(f"filling: {table[1] if table else statement[:40]} {took:.0f} s")
        # As a server's own cleaner leaves it: lists look at indexes alone.
        connection.execute("VACUUM (ANALYZE)")
