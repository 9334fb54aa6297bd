"""A database of calls as MikoPBX keeps it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

MONITOR: Final = "/storage/usbdisk1/mikopbx/astspool/monitor"
TABLE: Final = (
    "CREATE TABLE cdr_general (id INTEGER PRIMARY KEY AUTOINCREMENT, start TEXT, endtime TEXT, "
    "answer TEXT, src_chan TEXT, src_num TEXT, dst_chan TEXT, dst_num TEXT, UNIQUEID TEXT, "
    "linkedid TEXT, did TEXT, disposition TEXT, recordingfile TEXT, from_account TEXT, "
    "to_account TEXT, dialstatus TEXT, appname TEXT, transfer INTEGER, is_app TEXT, "
    "duration INTEGER, billsec INTEGER, work_completed TEXT)"
)
INBOUND: Final[Mapping[str, object]] = {
    "start": "2026-03-05 12:00:00.123",
    "answer": "2026-03-05 12:00:05.456",
    "endtime": "2026-03-05 12:01:05.789",
    "src_chan": "PJSIP/SIP-TRUNK-1A2B3C4D-0000001a",
    "src_num": "89161234567",
    "dst_chan": "PJSIP/101-0000001b",
    "dst_num": "101",
    "UNIQUEID": "mikopbx-1772701200.15_aB3dE9",
    "linkedid": "mikopbx-1772701200.15",
    "did": "74950008414",
    "disposition": "ANSWERED",
    "recordingfile": f"{MONITOR}/2026/03/05/12/mikopbx-1772701200.15_aB3dE9.webm",
    "duration": 65,
    "billsec": 60,
    "work_completed": "1",
}
TRANSFERRED: Final[Mapping[str, object]] = {
    **INBOUND,
    "start": "2026-03-05 12:01:05.789",
    "answer": "2026-03-05 12:01:05.789",
    "endtime": "2026-03-05 12:03:05.000",
    "dst_chan": "PJSIP/102-0000001d",
    "dst_num": "102",
    "UNIQUEID": "mikopbx-1772701260.19_Qw7rT2",
    "recordingfile": (
        f"{MONITOR}/2026/03/05/12/transfer_89161234567_102_mikopbx-1772701200.15.webm"
    ),
    "duration": 120,
    "billsec": 120,
}


def keep(path: Path, *rows: Mapping[str, object], schema: str = TABLE) -> Path:
    """Make a database at `path` that has `rows`."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(schema)
        for row in rows:
            insert(database, row)
    return path


def insert(database: sqlite3.Connection, row: Mapping[str, object]) -> None:
    """Add one row."""
    names = ", ".join(row)
    places = ", ".join("?" * len(row))
    database.execute(
        f"INSERT INTO cdr_general ({names}) VALUES ({places})",  # noqa: S608 - names of ours.
        tuple(row.values()),
    )
