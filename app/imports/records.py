"""The exchange's records of the calls, found by the name, the id or the moment of a file.

They lie in a file of SQLite that is gone afterwards: there may be millions, and they are no fact of
the archive. `audiatur calls import` keeps them where they are to be compared with recordings.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.feeds.asterisk import Row
from app.feeds.file_names import Named
from app.uploader.names import without_ending

_TABLE = """
CREATE TABLE calls (unique_id BLOB, linked_id BLOB, recording BLOB, stem BLOB, started REAL,
    caller TEXT, called TEXT, rank INTEGER, told TEXT);
CREATE INDEX by_unique ON calls (unique_id); CREATE INDEX by_linked ON calls (linked_id);
CREATE INDEX by_recording ON calls (recording); CREATE INDEX by_stem ON calls (stem);
CREATE INDEX by_started ON calls (started);
"""
_BY_NAME = "SELECT told FROM calls WHERE recording = ? ORDER BY rank DESC LIMIT 1"
_BY_STEM = "SELECT told FROM calls WHERE stem = ? ORDER BY rank DESC LIMIT 1"
_BY_ID = "SELECT told FROM calls WHERE unique_id = ?1 OR linked_id = ?1 ORDER BY rank DESC LIMIT 1"
_BY_MOMENT = (
    "SELECT told FROM calls WHERE started BETWEEN ?1 - ?2 AND ?1 + ?2 AND ?3 IN (caller, called) "
    "ORDER BY abs(started - ?1), rank DESC LIMIT 2"
)
_NEAR_SECONDS = 90
_LAST_DIGITS = 10


class Records:
    """Call records, from one file of them."""

    def __init__(self, place: Path) -> None:
        """Open an empty collection in the file at `place`."""
        self._rows = sqlite3.connect(place)
        self._rows.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _TABLE)
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows.close()

    def fill(self, rows: Iterable[Row]) -> list[tuple[int, str]]:
        """Take all rows in; return the lines that were none, at most the first hundred."""
        wrong: list[tuple[int, str]] = []
        with self._rows:
            for row in rows:
                if row.call is None:
                    if len(wrong) < _MOST_WRONG:
                        wrong.append((row.number, row.wrong or ""))
                    continue
                call = dict(row.call)
                self._rows.execute(
                    "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        _key(str(call["call_id"]).partition("#")[0]),
                        _key(call.get("linked_id")),
                        _key(row.recording),
                        _key(without_ending(row.recording)[0]) if row.recording else None,
                        datetime.fromisoformat(str(call["started_at"])).timestamp(),
                        _digits(call.get("from")),
                        _digits(call.get("to")),
                        call["talk_ms"],
                        json.dumps(call),
                    ),
                )
                self.count += 1
        return wrong

    def find(self, name: str, named: Named | None) -> dict[str, Any] | None:
        """Return the call that a file is of; None where none is, or two could be."""
        stem = without_ending(name)[0]
        found = self._one(_BY_NAME, _key(name)) or self._one(_BY_STEM, _key(stem))
        if found is None and named is not None and named.call_id:
            # An exchange may name a file by its call and then the direction behind that.
            wanted = _key(named.call_id)
            found = self._one(_BY_ID, wanted) or self._one(_BY_STEM, wanted)
        if found is not None or named is None or named.started_at is None or not named.number:
            return found
        near = (named.started_at.timestamp(), _NEAR_SECONDS, _digits(named.number))
        with closing(self._rows.execute(_BY_MOMENT, near)) as rows:
            told = [json.loads(row[0]) for row in rows]
        calls = {one.get("linked_id") or one["call_id"] for one in told}
        return told[0] if len(calls) == 1 else None

    def _one(self, query: str, key: bytes | None) -> dict[str, Any] | None:
        with closing(self._rows.execute(query, (key,))) as rows:
            row = rows.fetchone()
        return dict(json.loads(row[0])) if row else None


_MOST_WRONG = 100


def _key(told: object) -> bytes | None:
    """Return the bytes that an id or a name was read from; they need not be UTF-8."""
    return None if told is None else str(told).encode("utf-8", "surrogateescape")


def _digits(number: object) -> str | None:
    """Return what two ways of writing a number have in common."""
    digits = "".join(letter for letter in str(number or "") if letter.isdigit())
    return digits[-_LAST_DIGITS:] or None
