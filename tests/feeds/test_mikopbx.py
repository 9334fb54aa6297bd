"""Call records as MikoPBX keeps them, and files that only look like them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.feeds import mikopbx
from app.feeds.asterisk import Row
from app.feeds.mikopbx import CallDatabaseUnreadable
from app.feeds.schemas import CallTold
from tests.feeds.mikopbx import INBOUND, TABLE, TRANSFERRED, insert, keep

MOSCOW = ZoneInfo("Europe/Moscow")

NEEDED = ("start", "src_num", "dst_num", "disposition", "duration", "billsec")


def read(path: Path, *, zone: ZoneInfo = MOSCOW) -> list[Row]:
    return list(mikopbx.rows(path, zone=zone))


def told(path: Path, **columns: object) -> dict[str, Any]:
    (row,) = read(keep(path, {**INBOUND, **columns}))
    assert row.wrong is None
    return dict(row.call or {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cdr.db"


def test_a_row_is_a_call(file: Path) -> None:
    (row,) = read(keep(file, INBOUND))
    found = dict(row.call or {})
    assert found.pop("raw_sha256")
    assert (row.number, row.recording) == (1, "mikopbx-1772701200.15_aB3dE9.webm")
    assert found == {
        "call_id": "mikopbx-1772701200.15_aB3dE9",
        "linked_id": "mikopbx-1772701200.15",
        "started_at": "2026-03-05T09:00:00.123000+00:00",
        "duration_ms": 65_000,
        "talk_ms": 60_000,
        "direction": "inbound",
        "from": "89161234567",
        "to": "101",
        "line": "74950008414",
        "disposition": "answered",
    }
    assert CallTold.model_validate(found).talk_ms == 60_000


def test_legs_of_one_call_are_rows_that_share_its_linked_id(file: Path) -> None:
    ringing = {
        "UNIQUEID": f"{INBOUND['UNIQUEID']}_PJSIP/103-0000001c",
        "dst_chan": "PJSIP/103-0000001c",
        "dst_num": "103",
        "disposition": "NOANSWER",
        "recordingfile": "-",
        "billsec": 0,
    }
    found = read(keep(file, INBOUND, {**INBOUND, **ringing}, TRANSFERRED))
    calls = [CallTold.model_validate(row.call) for row in found]
    assert {call.linked_id for call in calls} == {"mikopbx-1772701200.15"}
    assert len({call.call_id for call in calls}) == 3
    assert [call.talk_ms for call in calls] == [60_000, 0, 120_000]
    assert [row.recording for row in found] == [
        "mikopbx-1772701200.15_aB3dE9.webm",
        None,
        "transfer_89161234567_102_mikopbx-1772701200.15.webm",
    ]


OUTBOUND = {
    "src_num": "101",
    "src_chan": "PJSIP/101-0000001a",
    "dst_num": "84950008414",
    "dst_chan": "PJSIP/SIP-TRUNK-1A2B3C4D-0000001b",
}


@pytest.mark.parametrize(
    ("columns", "direction"),
    [
        ({}, "inbound"),
        (OUTBOUND, "outbound"),
        ({"src_num": "101", "dst_num": "102"}, "internal"),
        ({**OUTBOUND, "src_num": "74950008414"}, "outbound"),
        ({"dst_chan": "App:2001", "dst_num": "2001"}, "inbound"),
    ],
)
def test_the_direction_is_told_from_the_ends(
    file: Path, columns: dict[str, object], direction: str
) -> None:
    assert told(file, **columns)["direction"] == direction


@pytest.mark.parametrize(
    ("written", "disposition"),
    [
        ("NOANSWER", "no_answer"),
        ("CANCEL", "no_answer"),
        ("TIMEOUT", "no_answer"),
        ("JOINEMPTY", "no_answer"),
        ("ORIGINATE_TRY_DIAL", "no_answer"),
        ("BUSY", "busy"),
        ("CHANUNAVAIL", "failed"),
        ("INVALIDARGS", "failed"),
        ("CONGESTION", "congestion"),
    ],
)
def test_dispositions(file: Path, written: str, disposition: str) -> None:
    found = told(file, disposition=written, billsec=0)
    assert (found["disposition"], found["talk_ms"]) == (disposition, 0)


def test_a_bad_row_is_told_with_its_id_and_the_rest_goes_on(file: Path) -> None:
    bad: list[tuple[dict[str, object], str]] = [
        ({"disposition": "PERHAPS"}, "'PERHAPS' is not known"),
        ({"billsec": -3}, "billsec '-3'"),
        ({"duration": None}, "duration ''"),
        ({"start": "yesterday"}, "start 'yesterday'"),
        ({"src_num": b"\xff\x00"}, "src holds bytes"),
        ({"did": "9" * 70_000}, "did has more than 4096"),
    ]
    found = read(keep(file, *({**INBOUND, **columns} for columns, _ in bad), INBOUND))
    assert [row.number for row in found] == [1, 2, 3, 4, 5, 6, 7]
    for row, (_, wrong) in zip(found[:-1], bad, strict=True):
        assert wrong in str(row.wrong)
    assert found[-1].wrong is None


def test_a_table_without_the_columns_of_other_versions_is_read(file: Path) -> None:
    schema = (
        "CREATE TABLE cdr_general (start TEXT, src_num TEXT, dst_num TEXT, disposition TEXT, "
        "duration INTEGER, billsec INTEGER)"
    )
    (row,) = read(keep(file, {name: INBOUND[name] for name in NEEDED}, schema=schema))
    assert row.call is not None
    assert str(row.call["call_id"]).startswith("row-")


def test_what_stands_in_the_log_is_read_and_nothing_is_changed(file: Path) -> None:
    # MikoPBX keeps its database with a log; what it wrote last stands only there.
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.executescript(TABLE)
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        insert(writer, INBOUND)
        before = hashlib.sha256(file.read_bytes()).digest()
        log = file.with_name("cdr.db-wal").read_bytes()
        assert log
        assert [row.wrong for row in read(file)] == [None]
        assert hashlib.sha256(file.read_bytes()).digest() == before
        assert file.with_name("cdr.db-wal").read_bytes() == log
    # Closed, it has no log; nothing is laid beside it then.
    assert list(file.parent.iterdir()) == [file]
    assert len(read(file)) == 1
    assert list(file.parent.iterdir()) == [file]


def test_what_is_no_such_database_is_refused(file: Path) -> None:
    file.write_text("start,src_num\n")
    with pytest.raises(CallDatabaseUnreadable, match=r"cdr\.db is no database of SQLite"):
        read(file)
    file.unlink()
    keep(file, schema="CREATE TABLE cdr (id INTEGER)")
    with pytest.raises(CallDatabaseUnreadable, match="there is no table cdr_general"):
        read(file)
    file.unlink()
    keep(file, schema="CREATE TABLE cdr_general (start TEXT, src_num TEXT, dst_num TEXT)")
    with pytest.raises(CallDatabaseUnreadable, match="has no billsec, disposition, duration"):
        read(file)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(CallDatabaseUnreadable, match="is no file"):
        read(file)


def test_what_is_too_large_is_refused_before_it_is_read(file: Path) -> None:
    keep(file, INBOUND)
    with file.open("r+b") as grown:
        grown.truncate(mikopbx.MOST_BYTES + 1)  # A hole; the disk keeps nothing for it.
    with pytest.raises(CallDatabaseUnreadable, match="larger than 8 GiB"):
        read(file)


ENDLESS = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
    "SELECT x AS start, x AS src_num, x AS dst_num, 'ANSWERED' AS disposition, 1 AS duration, "
    "1 AS billsec FROM n"
)


@pytest.mark.parametrize(
    "schema",
    [
        f"CREATE VIEW cdr_general AS {ENDLESS}",
        f"CREATE VIRTUAL TABLE cdr_general USING fts5({', '.join(NEEDED)})",
    ],
    ids=["view", "virtual"],
)
def test_what_is_no_plain_table_is_not_asked(file: Path, schema: str) -> None:
    keep(file, schema=schema)
    with pytest.raises(CallDatabaseUnreadable, match="there is no table cdr_general"):
        read(file)


def test_functions_of_the_file_do_not_run(file: Path) -> None:
    # A column that is made when it is read would call them, and is none of those that are read.
    schema = TABLE.replace(" did TEXT", " did TEXT AS (hex(zeroblob(100))) VIRTUAL")
    row = {name: value for name, value in INBOUND.items() if name != "did"}
    (found,) = read(keep(file, row, schema=schema))
    assert found.call is not None
    assert "line" not in found.call
    with closing(sqlite3.connect(file)) as database:
        mikopbx.lock(database)
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            database.execute("SELECT zeroblob(100) FROM cdr_general")
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            database.execute("DELETE FROM cdr_general")
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            database.execute("ATTACH ':memory:' AS other")


def test_a_row_that_is_too_long_for_memory_ends_the_reading_with_a_word(file: Path) -> None:
    found = read(keep(file, INBOUND, INBOUND, {**INBOUND, "did": "9" * 2_000_000}, INBOUND))
    assert found[0].call is not None
    assert "cannot be read further" in str(found[-1].wrong)
    assert len(found) < 4


def test_pages_that_are_told_again_and_again_end(file: Path) -> None:
    # Each page above the leaves names the next one as often as it has room for names: no page is
    # its own child, and yet nobody lives to see the end of it.
    schema = f"PRAGMA page_size = 512; {TABLE}"
    keep(file, *({**INBOUND, "UNIQUEID": f"m-{n}"} for n in range(400)), schema=schema)
    with closing(sqlite3.connect(file)) as database:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'cdr_general'"
        root = (database.execute(query).fetchone()[0] - 1) * 512
    raw = bytearray(file.read_bytes())
    every = range(512, len(raw), 512)
    above = sorted((n for n in every if raw[n] == 0x05), key=lambda n: n != root)
    assert len(above) > 5
    chain = [*above, next(n for n in every if raw[n] == 0x0D)]
    for page, below in pairwise(chain):
        name = (below // 512 + 1).to_bytes(4, "big")
        raw[page + 8 : page + 12] = name
        for cell in range(int.from_bytes(raw[page + 3 : page + 5], "big")):
            at = page + 12 + cell * 2
            pointer = page + int.from_bytes(raw[at : at + 2], "big")
            raw[pointer : pointer + 4] = name
    file.write_bytes(raw)
    found = read(file)
    assert len(found) == len(raw) // 16 + 1
    assert "more rows than it has room for" in str(found[-1].wrong)


def test_no_change_of_a_byte_breaks_the_reading(file: Path, tmp_path: Path) -> None:
    keep(file, INBOUND, TRANSFERRED, schema=f"PRAGMA page_size = 512; {TABLE}")
    whole = file.read_bytes()
    changed = tmp_path / "changed.db"
    refused = 0
    for place in range(0, len(whole), 7):
        changed.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            for row in read(changed):
                assert (row.call is None) != (row.wrong is None)
        except CallDatabaseUnreadable:
            refused += 1
    assert refused
