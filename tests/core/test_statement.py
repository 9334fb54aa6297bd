"""One statement, one round trip, and many rows by COPY; and what a lost connection means."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import text

from app.core.db import Database, DatabaseAway, copy_in


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


def test_a_connection_lost_while_rows_go_in_leaves_none_of_them(own_db: Database) -> None:
    sql = "COPY ledger_gaps (first_position, last_position, writers) FROM STDIN (FORMAT BINARY)"
    types = ("int8", "int8", "text[]")

    def broken_off(backend: int) -> Iterator[tuple[int, int, list[str]]]:
        yield (1, 1, ["1/1"])
        _end(backend)
        yield (2, 2, ["1/1"])

    def copy() -> None:
        with own_db.transaction() as session:
            backend = session.scalar(text("SELECT pg_backend_pid()")) or 0
            copy_in(session, sql, types, broken_off(backend))

    with pytest.raises(DatabaseAway):
        copy()
    with own_db.transaction() as session:
        copy_in(session, sql, types, [(3, 3, ["1/1"])])
    with own_db.transaction() as session:
        assert session.scalars(text("SELECT first_position FROM ledger_gaps")).all() == [3]


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
