"""An import that is interrupted again and again ends complete, and its report adds up."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.core.db import Database
from app.custody.models import CustodyEntry
from app.imports.models import ImportRun
from app.recordings.models import Recording
from tests.imports.archive import Old, name_of, tiny

LONG = os.environ.get("AUDIATUR_LONG") == "1"
FILES = 10_000 if LONG else 1_000


def test_an_import_interrupted_five_times_ends_complete(old: Old, tmp_path: Path) -> None:
    copies, others = FILES // 50, FILES // 100
    calls = FILES - copies - others
    for number in range(calls):
        old.put(f"{number % 7}/{name_of(number)}", tiny(number))
    for number in range(copies):
        # The same call once more, or its bytes under another's name.
        name = name_of(number if number % 2 else calls + number)
        old.put(f"copy/{name}", tiny(number))
    for number in range(others):
        old.put(f"{number % 7}/notes-{number}.txt", f"Заметка {number}")
    chosen = random.Random(20261130)  # noqa: S311 - where a run is broken off, nothing secret.
    words = ("import", str(old.folder), "--device", "old")
    for place in sorted(chosen.sample(range(1, FILES - FILES // 20), 5)):
        how = chosen.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT])
        code = old.interrupted(place, how, *words)
        assert code == (-signal.SIGKILL if how == signal.SIGKILL else 1)
    report = tmp_path / "report.csv"
    code, out, err = old.ran(*words, "--json", "--report", str(report))
    assert code == 1, err  # Notes are no recordings.
    told = json.loads(out)
    assert told["is_over"]
    assert (told["found"], told["taken"], told["skipped"]) == (FILES, calls, copies)
    assert (told["refused"], told["not_yet"]) == (others, 0)
    assert told["reasons"] == {
        "no_moment": others,
        "same_bytes": copies // 2,
        "same_call": copies // 2,
    }
    with report.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert Counter(row["state"] for row in rows) == {
        "taken": calls,
        "skipped": copies,
        "refused": others,
    }
    assert len({row["recording"] for row in rows if row["state"] == "taken"}) == calls
    with old.live.tools.database.transaction() as session:
        kept = session.scalars(select(Recording.id)).all()
        told_of = session.scalars(
            select(CustodyEntry.object_id).where(CustodyEntry.act == "recording.ingested")
        ).all()
        runs = session.scalars(select(ImportRun.state)).all()
    assert len(kept) == old.legs() == calls
    assert sorted(told_of) == sorted(kept)
    assert runs == ["done"]


class _Killed(BaseException):
    """The process dies here."""


class _Dying(Database):
    """A door through which nothing is written down of the file in hand, as if killed before it."""

    def __init__(self, database: Database, *, after: int) -> None:
        self.__dict__.update(database.__dict__)
        self._left = after

    def statement(self, sql: str, parameters: Any) -> Any:  # noqa: ANN401 - as the door has it.
        if "UPDATE import_files" in sql:
            if self._left == 0:
                raise _Killed
            self._left -= 1
        return super().statement(sql, parameters)


def test_killed_between_a_recording_and_its_row_the_file_counts_as_taken(old: Old) -> None:
    for number in range(3):
        old.put(name_of(number), tiny(number))
    dying = replace(old.ingest, database=_Dying(old.live.tools.database, after=1))
    with pytest.raises(_Killed):
        old.take(ingest=dying)
    assert (old.done(), old.legs()) == (1, 2)
    result = old.take()
    assert (result.counts.taken, result.counts.skipped, old.legs()) == (3, 0, 3)
