"""One statement, one round trip: parameters by name, and what a lost connection means."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from app.core.db import Database, DatabaseAway


def test_a_parameter_named_twice_is_one(own_db: Database) -> None:
    sql = "SELECT %(b)s::text || %(a)s::text || %(b)s::text"
    for a in ("x", "y"):
        row = own_db.statement(sql, {"a": a, "b": "-", "not asked for": None})
        assert row == (f"-{a}-",)


def test_a_missing_parameter_is_not_null(own_db: Database) -> None:
    with pytest.raises(KeyError):
        own_db.statement("SELECT %(a)s::text", {})


def test_a_lost_connection_is_told_once_and_replaced(own_db: Database) -> None:
    sql = "SELECT pg_backend_pid()"
    row = own_db.statement(sql, {})
    assert row is not None
    _end(row[0])
    with pytest.raises(DatabaseAway):
        own_db.statement(sql, {})
    again = own_db.statement(sql, {})
    assert again is not None
    assert again != row


def _end(backend: int) -> None:
    os.kill(backend, signal.SIGTERM)
    with suppress(ProcessLookupError):
        for _ in range(1_000):
            os.kill(backend, 0)
            time.sleep(0.01)


def test_statements_at_once_have_connections_of_their_own(own_db: Database) -> None:
    with ThreadPoolExecutor(32) as threads:
        found = list(
            threads.map(
                lambda n: own_db.statement("SELECT %(n)s::int, pg_sleep(0.01)::text", {"n": n}),
                range(64),
            )
        )
    assert [row[0] for row in found if row is not None] == list(range(64))
