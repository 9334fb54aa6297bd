"""Call records of MikoPBX: the table `cdr_general` of its `cdr.db`, a file of SQLite.

The file comes from elsewhere and may be anything. It is opened for reading alone; no view and no
function of it runs, and neither a cell nor the count of rows may be beyond what such a file holds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from app.feeds import asterisk
from app.feeds.asterisk import Row

MAGIC: Final = b"SQLite format 3\x00"
MOST_BYTES: Final = 8 << 30
_MOST_CELL: Final = 1 << 12  # Characters; the longest that it writes is a path.
_MOST_ROW: Final = 1 << 20
_LEAST_ROW: Final = 16  # Bytes; a file that seems to hold smaller ones tells its pages repeatedly.
_TABLE: Final = "cdr_general"
_NEEDED: Final[Mapping[str, str]] = {
    "start": "start",
    "src_num": "src",
    "dst_num": "dst",
    "disposition": "disposition",
    "duration": "duration",
    "billsec": "billsec",
}
_OPTIONAL: Final[Mapping[str, str]] = {
    "src_chan": "channel",
    "dst_chan": "dstchannel",
    "answer": "answer",
    "endtime": "end",
    "UNIQUEID": "uniqueid",
    "linkedid": "linkedid",
    "did": "did",
    "recordingfile": "recordingfile",
}
# It writes there how a dial or a queue ended, where nobody talked.
_DISPOSITIONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("TIMEOUT", "FULL", "CONTINUE", "DONTCALL", "TORTURE"), "NOANSWER"),
    **dict.fromkeys(("JOINEMPTY", "LEAVEEMPTY", "JOINUNAVAIL", "LEAVEUNAVAIL"), "NOANSWER"),
    **dict.fromkeys(("ORIGINATE", "ORIGINATE_TRY_DIAL"), "NOANSWER"),
    "ORIGINATE_TRY_INTERCEPTION": "NOANSWER",
    "INVALIDARGS": "FAILED",
}
_NO_RECORDING: Final = "-"
# Python decodes what SQLite says of a schema, and SQLite may be told to want more than it may have.
_BROKEN: Final = (sqlite3.Error, UnicodeError, MemoryError)
_ALLOWED: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})


class CallDatabaseUnreadable(ValueError):
    """The file is no database of MikoPBX's calls that can be read; the message says why."""


def is_database(path: Path) -> bool:
    """Say whether the file begins as one of SQLite."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def rows(path: Path, *, zone: ZoneInfo) -> Iterator[Row]:
    """Read the calls of a database, in the order in which it took them in.

    A row's number is its `id`. Where the file cannot be read further, the last row says so.

    Raises:
        CallDatabaseUnreadable: it is no such database, or too large.
    """
    size = _size(path)
    with closing(_opened(path)) as database:
        try:
            names = _columns(database)
            wanted = ", ".join(f'"{name}"' for name in names)
            found = database.execute(f'SELECT rowid, {wanted} FROM "{_TABLE}"')  # noqa: S608 - names of ours.
        except _BROKEN as exc:
            raise CallDatabaseUnreadable(f"{path.name} cannot be read: {_why(exc)}.") from exc
        number = 0
        for _ in range(size // _LEAST_ROW):
            try:
                cells = next(found, None)
            except _BROKEN as exc:
                yield Row(number=number, wrong=f"the database cannot be read further: {_why(exc)}")
                return
            if cells is None:
                return
            number = cells[0] if isinstance(cells[0], int) else number + 1
            yield _row(number, dict(zip(names.values(), cells[1:], strict=True)), zone)
        yield Row(number=number, wrong="the database tells more rows than it has room for")


def _size(path: Path) -> int:
    """Return how large the file is, with what was not yet written back into it."""
    if not path.is_file():
        raise CallDatabaseUnreadable(f"{path.name} is no file; a database cannot be piped in.")
    size = path.stat().st_size
    beside = _log(path)
    size += beside.stat().st_size if beside.is_file() else 0
    if size > MOST_BYTES:
        raise CallDatabaseUnreadable(f"{path.name} is larger than {MOST_BYTES >> 30} GiB.")
    if not is_database(path):
        raise CallDatabaseUnreadable(f"{path.name} is no database of SQLite.")
    return size


def _why(exc: BaseException) -> str:
    return str(exc) or type(exc).__name__


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file for reading; what stands in the log beside it is read too, where one is."""
    beside = _log(path)
    has_log = beside.is_file() and beside.stat().st_size > 0
    # Without a log nothing is locked or laid beside it, as on a disk that cannot be written to.
    how = "mode=ro" if has_log else "mode=ro&immutable=1"
    try:
        database = sqlite3.connect(f"file:{_quoted(path)}?{how}", uri=True)
    except _BROKEN as exc:
        raise CallDatabaseUnreadable(f"{path.name} cannot be opened: {_why(exc)}.") from exc
    database.text_factory = _text
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_ROW)
    return database


def _quoted(path: Path) -> str:
    return path.absolute().as_uri().removeprefix("file:")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _columns(database: sqlite3.Connection) -> dict[str, str]:
    """Return which columns of the table are read, by the names of Asterisk; lock all else."""
    for pragma in ("query_only = ON", "trusted_schema = OFF", "cell_size_check = ON"):
        database.execute(f"PRAGMA {pragma}")
    kinds = database.execute(
        "SELECT type, rootpage FROM sqlite_master WHERE name = ? LIMIT 2", (_TABLE,)
    ).fetchall()
    # A view, and a table that a module makes up, have no page of their own.
    if len(kinds) != 1 or kinds[0][0] != "table" or not kinds[0][1]:
        raise sqlite3.DatabaseError(f"there is no table {_TABLE}")
    has = {row[1] for row in database.execute(f'PRAGMA table_info("{_TABLE}")')}
    if missing := sorted(_NEEDED.keys() - has):
        raise sqlite3.DatabaseError(f"the table {_TABLE} has no {', '.join(missing)}")
    lock(database)
    return {**_NEEDED, **{name: mine for name, mine in _OPTIONAL.items() if name in has}}


def lock(database: sqlite3.Connection) -> None:
    """Let nothing but rows of tables be read from now on: no functions, nothing that changes."""
    database.set_authorizer(_only_reading)


def _only_reading(action: int, *_about: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _row(number: int, found: Mapping[str, object], zone: ZoneInfo) -> Row:
    told = {}
    for name, value in found.items():
        if isinstance(value, bytes):
            return Row(number=number, wrong=f"{name} holds bytes and no text")
        told[name] = "" if value is None else str(value).strip()
        if len(told[name]) > _MOST_CELL:
            return Row(number=number, wrong=f"{name} has more than {_MOST_CELL} characters")
    ended = told["disposition"].upper()
    told["disposition"] = _DISPOSITIONS.get(ended, ended)
    if told.get("recordingfile") == _NO_RECORDING:
        told["recordingfile"] = ""
    cells = [f"{name}={told[name]}" for name in sorted(told)]
    return asterisk.row(number, told, cells, zone=zone)
