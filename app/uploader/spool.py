"""What is on its way: a database of one file, and the bytes beside it. Both survive a kill.

Every change is one transaction that is on the disk when it returns. The bytes of an item come
first, its row second; what was copied and has no row is copied over, or cleaned up at the start.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

_VERSION: Final = 1
_LOCK_SECONDS: Final = 10
_RUNNING_HOURS: Final = 12
_SCHEMA: Final = """
CREATE TABLE calls (
  source TEXT NOT NULL, id TEXT NOT NULL,
  direction TEXT, local TEXT, peer TEXT, peer_name TEXT,
  first_at REAL NOT NULL, answered_at REAL, ended_at REAL,
  is_private INTEGER NOT NULL DEFAULT 0,
  told_private INTEGER,  -- As what it was told to the archive, NULL before.
  PRIMARY KEY (source, id)
) STRICT;
CREATE TABLE hooked (
  path TEXT PRIMARY KEY, source TEXT NOT NULL, id TEXT NOT NULL, leg TEXT
) STRICT;
CREATE TABLE items (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('recording', 'screenshot')),
  path TEXT NOT NULL, folder TEXT,
  identity TEXT NOT NULL, sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN
    ('waiting', 'held', 'ready', 'sending', 'sent', 'refused', 'private')),
  reason TEXT, notes TEXT NOT NULL DEFAULT '[]', hints TEXT NOT NULL DEFAULT '{}',
  key TEXT, leg TEXT, told TEXT, call_source TEXT, call_id TEXT,
  tries INTEGER NOT NULL DEFAULT 0, last_error TEXT, upload TEXT,
  answer TEXT, is_proved INTEGER NOT NULL DEFAULT 0, is_gone INTEGER NOT NULL DEFAULT 0,
  taken_at REAL NOT NULL, sent_at REAL, clock_base REAL NOT NULL, boot_id TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX items_key ON items (kind, key, leg) WHERE key IS NOT NULL;
CREATE INDEX items_path ON items (path);
CREATE INDEX items_state ON items (state);
CREATE TABLE seen (path TEXT PRIMARY KEY, identity TEXT NOT NULL) STRICT;
CREATE TABLE withheld (path TEXT PRIMARY KEY, at REAL NOT NULL) STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


class State(StrEnum):
    """Where an item stands."""

    WAITING = "waiting"
    HELD = "held"
    READY = "ready"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    PRIVATE = "private"


OPEN: Final = (State.WAITING, State.HELD, State.READY, State.SENDING)


class SpoolBusy(Exception):
    """Another uploader works on this spool."""


class DiskFull(Exception):
    """There is no room to take a file in; it stays where it lies."""


class FileChanged(Exception):
    """The file was changed while it was taken; it is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that a phone or a hook told of. Its moments are of this machine's clock."""

    source: str
    id: str
    direction: str | None
    local: str | None
    peer: str | None
    peer_name: str | None
    first_at: float
    answered_at: float | None
    ended_at: float | None
    is_private: bool
    told_private: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that was taken in."""

    id: int
    kind: str
    path: str
    folder: str | None
    identity: str
    sha256: str
    size_bytes: int
    state: State
    reason: str | None
    notes: tuple[str, ...]
    hints: Mapping[str, object]
    key: str | None
    leg: str | None
    told: Mapping[str, object] | None
    call_source: str | None
    call_id: str | None
    tries: int
    last_error: str | None
    upload: str | None
    answer: Mapping[str, object] | None
    is_proved: bool
    is_gone: bool
    taken_at: float
    sent_at: float | None
    clock_base: float
    boot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """What was copied: the digest names the copy."""

    sha256: str
    size_bytes: int


def identity_of(found: os.stat_result) -> str:
    """Return what tells a file from what it was before."""
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"


class Spool:
    """The spool in a folder; several processes and threads may have it open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "files"
        self.files.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._mine = threading.local()
        with self.changing() as db:
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_VERSION}")

    @property
    def db(self) -> sqlite3.Connection:
        """Return this thread's connection."""
        found = getattr(self._mine, "db", None)
        if not isinstance(found, sqlite3.Connection):
            found = sqlite3.connect(
                self.folder / "spool.sqlite", timeout=_LOCK_SECONDS, isolation_level=None
            )
            found.row_factory = sqlite3.Row
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = FULL")
            self._mine.db = found
        return found

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Change the database: all of the block or nothing, and on the disk when it ends."""
        with self.db as db:
            db.execute("BEGIN IMMEDIATE")
            yield db

    def close(self) -> None:
        """Close this thread's connection."""
        self.db.close()
        del self._mine.db

    # Bytes

    def stored(self, sha256: str) -> Path:
        """Return where the bytes with this digest lie."""
        return self.files / sha256

    def take(self, source: Path, expected: os.stat_result, *, may_link: bool) -> Bytes:
        """Copy a file in and return what was copied; a repeat finds the copy there.

        Raises:
            FileChanged: it is not as it was when it was found finished.
            DiskFull: there is no room, and it lies on another disk, so that no link can be made.
        """
        draft = self.files / f"draft-{os.getpid()}"
        draft.unlink(missing_ok=True)
        try:
            copied = _linked(source, draft) if may_link else _copied(source, draft)
        except OSError as exc:
            draft.unlink(missing_ok=True)
            if exc.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            copied = _linked(source, draft)  # Takes no room; its bytes are compared when sent.
        if identity_of(source.stat()) != identity_of(expected):
            draft.unlink()
            raise FileChanged(str(source))
        draft.replace(self.stored(copied.sha256))
        draft.unlink(missing_ok=True)  # Of two names of one file the system moves neither.
        _sync(self.files)
        return copied

    def drop(self, sha256: str) -> None:
        """Remove a copy, unless something that is still on its way has the same bytes."""
        marks = ",".join("?" * len(OPEN))
        needed = self.db.execute(
            f"SELECT 1 FROM items WHERE sha256 = ? AND state IN ({marks},'private','refused')",  # noqa: S608 - question marks.
            (sha256, *OPEN),
        ).fetchone()
        if needed is None:
            self.stored(sha256).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove drafts, and copies that no row needs: the files of those without are taken again.

        A copy whose row is done with is left where the end came between the row and the removal.
        """
        # Who takes a screenshot meanwhile writes its bytes and its row in one change.
        with self.changing() as db:
            needed = db.execute("SELECT sha256 FROM items WHERE is_gone = 0")
            known = {row["sha256"] for row in needed}
            for path in self.files.iterdir():
                if path.name not in known:
                    path.unlink()

    def forget(self, *, before: float, most: int) -> int:
        """Forget what was delivered before a moment, and of the rest all but the newest `most`.

        Only what the archive has signed for and whose copy is gone. That a file was seen is
        remembered as long as it lies there, so that nothing is sent twice for that.
        """
        over = "state = 'sent' AND is_gone = 1 AND is_proved = 1"
        with self.changing() as db:
            forgotten = db.execute(
                f"DELETE FROM items WHERE {over} AND (sent_at < ? OR id NOT IN"  # noqa: S608 - a condition of this room.
                f" (SELECT id FROM items WHERE {over} ORDER BY id DESC LIMIT ?))",
                (before, most),
            ).rowcount
            db.execute(
                "DELETE FROM calls WHERE ended_at < ? AND NOT EXISTS (SELECT 1 FROM items i"
                " WHERE i.call_source = calls.source AND i.call_id = calls.id)",
                (before,),
            )
            db.execute(
                "DELETE FROM hooked WHERE NOT EXISTS (SELECT 1 FROM calls c"
                " WHERE c.source = hooked.source AND c.id = hooked.id)"
            )
            paths = [row["path"] for row in db.execute("SELECT path FROM seen")]
            gone = [(path,) for path in paths if not Path(path).exists()]
            db.executemany(
                "DELETE FROM seen WHERE path = ?"
                " AND NOT EXISTS (SELECT 1 FROM items WHERE items.path = seen.path)",
                gone,
            )
        return forgotten

    # Items

    def items(self, where: str = "1", *values: object) -> list[Item]:
        """Return items in the order in which they came."""
        rows = self.db.execute(f"SELECT * FROM items WHERE {where} ORDER BY id", values)  # noqa: S608 - conditions of this room.
        return [_item(row) for row in rows]

    def item(self, item_id: int) -> Item | None:
        return next(iter(self.items("id = ?", item_id)), None)

    def in_state(self, *states: State) -> list[Item]:
        marks = ",".join("?" * len(states))
        return self.items(f"state IN ({marks})", *states)

    def counts(self) -> dict[str, int]:
        """Return how many items there are in each state."""
        found = dict.fromkeys(map(str, State), 0)
        for row in self.db.execute("SELECT state, count(*) AS n FROM items GROUP BY state"):
            found[row["state"]] = row["n"]
        return found

    def set(self, item_id: int, **values: object) -> None:
        """Change columns of an item."""
        named = ", ".join(f"{name} = ?" for name in values)
        with self.changing() as db:
            db.execute(
                f"UPDATE items SET {named} WHERE id = ?",  # noqa: S608 - columns named in this room.
                (*map(_column, values.values()), item_id),
            )

    def add(self, **values: object) -> int:
        """Note an item, and that its file was seen; return its number."""
        with self.changing() as db:
            return self.insert(db, **values)

    @staticmethod
    def insert(db: sqlite3.Connection, **values: object) -> int:
        """Do the same as a part of a greater change."""
        names = ", ".join(values)
        marks = ",".join("?" * len(values))
        made = db.execute(
            f"INSERT INTO items ({names}) VALUES ({marks}) RETURNING id",  # noqa: S608 - as above.
            tuple(map(_column, values.values())),
        ).fetchone()
        _see(db, str(values["path"]), str(values["identity"]))
        return int(made["id"])

    def was_seen(self, path: Path, identity: str) -> bool:
        row = self.db.execute("SELECT identity FROM seen WHERE path = ?", (str(path),)).fetchone()
        return row is not None and row["identity"] == identity

    def see(self, path: Path, identity: str) -> None:
        """Note that a file has nothing new."""
        with self.changing() as db:
            _see(db, str(path), identity)

    def freeze(self, item: Item, told: Mapping[str, object], **values: object) -> Item | None:
        """Fix what is told of an item and under which key, for good; it is ready then.

        A key that another file has already is counted on: two calls may have one name. Where the
        very same file has it, that one is returned, and nothing is done.
        """
        leg = str(told.get("leg", ""))
        with self.changing() as db:
            key = wanted = str(told["source_call_id"])
            number = 1
            while found := db.execute(
                "SELECT * FROM items WHERE kind = ? AND key = ? AND leg = ? AND id <> ?",
                (item.kind, key, leg, item.id),
            ).fetchone():
                if found["sha256"] == item.sha256:
                    return _item(found)
                number += 1
                key = f"{wanted}.{number}"
            frozen = dict(told) | {"source_call_id": key}
            named = "".join(f", {name} = ?" for name in values)
            db.execute(
                f"UPDATE items SET state = 'ready', reason = NULL, key = ?, leg = ?, told = ?"  # noqa: S608 - as above.
                f"{named} WHERE id = ? AND state IN ('waiting', 'held')",
                (
                    key,
                    leg,
                    json.dumps(frozen, ensure_ascii=False),
                    *map(_column, values.values()),
                    item.id,
                ),
            )
        return None

    def claim(self, item: Item) -> bool:
        """Begin to send an item, unless it was made private meanwhile."""
        with self.changing() as db:
            changed = db.execute(
                "UPDATE items SET state = 'sending' WHERE id = ? AND state = 'ready'", (item.id,)
            )
            return changed.rowcount == 1

    def resume(self) -> None:
        """Let what was being sent when the program died be sent again."""
        with self.changing() as db:
            db.execute("UPDATE items SET state = 'ready' WHERE state = 'sending'")

    # Calls

    def tell(self, source: str, call_id: str, at: float, **values: object) -> None:
        """Note what was told of a call; what is known already and not told anew stays."""
        known = {name: value for name, value in values.items() if value is not None}
        with self.changing() as db:
            db.execute(
                "INSERT INTO calls (source, id, first_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (source, call_id, at),
            )
            if known:
                named = ", ".join(f"{name} = coalesce({name}, ?)" for name in known)
                db.execute(
                    f"UPDATE calls SET {named} WHERE source = ? AND id = ?",  # noqa: S608 - as above.
                    (*map(_column, known.values()), source, call_id),
                )

    def hook(self, path: Path, source: str, call_id: str, leg: str | None) -> None:
        """Note of which call a file is, as a hook told."""
        with self.changing() as db:
            db.execute(
                "INSERT OR REPLACE INTO hooked VALUES (?, ?, ?, ?)",
                (str(path), source, call_id, leg),
            )

    def hooked(self, path: str) -> tuple[Call, str | None] | None:
        """Return the call that a hook named for a file, and which direction of it."""
        row = self.db.execute("SELECT * FROM hooked WHERE path = ?", (path,)).fetchone()
        found = self.call(row["source"], row["id"]) if row is not None else None
        return (found, row["leg"]) if found is not None else None

    def call(self, source: str, call_id: str) -> Call | None:
        row = self.db.execute(
            "SELECT * FROM calls WHERE source = ? AND id = ?", (source, call_id)
        ).fetchone()
        return None if row is None else _call(row)

    def calls(self, where: str = "1", *values: object) -> list[Call]:
        """Return calls in the order of their beginning."""
        sql = f"SELECT * FROM calls WHERE {where} ORDER BY first_at, rowid"  # noqa: S608 - as above.
        return [_call(row) for row in self.db.execute(sql, values)]

    def running(self, at: float) -> Call | None:
        """Return the call that is on now, the one that began last."""
        found = self.calls("ended_at IS NULL AND first_at > ?", at - _RUNNING_HOURS * 3600)
        return found[-1] if found else None

    def end_call(self, call: Call, at: float) -> None:
        with self.changing() as db:
            db.execute(
                "UPDATE calls SET ended_at = ? WHERE source = ? AND id = ? AND ended_at IS NULL",
                (at, call.source, call.id),
            )

    def call_was_told(self, call: Call) -> None:
        with self.changing() as db:
            db.execute(
                "UPDATE calls SET told_private = ? WHERE source = ? AND id = ?",
                (int(call.is_private), call.source, call.id),
            )

    # What is private

    def withhold_call(self, call: Call, *, is_private: bool) -> None:
        with self.changing() as db:
            db.execute(
                "UPDATE calls SET is_private = ? WHERE source = ? AND id = ?",
                (int(is_private), call.source, call.id),
            )
            # What was looked at already, or waits to be sent, follows.
            if is_private:
                db.execute(
                    "UPDATE items SET state = 'private' WHERE call_source = ? AND call_id = ?"
                    " AND state IN ('waiting', 'held', 'ready')",
                    (call.source, call.id),
                )
            else:
                db.execute(
                    "UPDATE items SET state = 'waiting' WHERE call_source = ? AND call_id = ?"
                    " AND state = 'private'",
                    (call.source, call.id),
                )

    def withhold_path(self, path: str, at: float) -> None:
        with self.changing() as db:
            db.execute("INSERT OR REPLACE INTO withheld VALUES (?, ?)", (path, at))
            db.execute(
                "UPDATE items SET state = 'private' WHERE path = ?"
                " AND state IN ('waiting', 'held', 'ready')",
                (path,),
            )

    def give_back(self, path: str) -> None:
        with self.changing() as db:
            db.execute("DELETE FROM withheld WHERE path = ?", (path,))
            db.execute(
                "UPDATE items SET state = 'waiting' WHERE path = ? AND state = 'private'", (path,)
            )

    def withheld(self) -> dict[str, float]:
        """Return the files that were marked private by themselves, with when."""
        return {row["path"]: row["at"] for row in self.db.execute("SELECT * FROM withheld")}

    # Facts

    def note(self, name: str, value: object) -> None:
        with self.changing() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def noted(self, name: str) -> object:
        row = self.db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row["value"])


class Lock:
    """One uploader at a time works on a spool; the system lets go when its process ends."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "lock").open("a+b")
        try:
            _lock(self._file.fileno())
        except OSError as exc:
            self._file.close()
            raise SpoolBusy(f"another uploader works on {folder}") from exc

    def release(self) -> None:
        self._file.close()


def is_locked(folder: Path) -> bool:
    """Tell whether an uploader works on the spool."""
    try:
        Lock(folder).release()
    except SpoolBusy:
        return True
    return False


def digest_of(path: Path) -> Bytes:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return Bytes(sha256=hashlib.file_digest(file, "sha256").hexdigest(), size_bytes=file.tell())


def _lock(descriptor: int) -> None:
    try:
        import fcntl  # noqa: PLC0415 - not there on Windows.
    except ImportError:
        import msvcrt  # noqa: PLC0415 - there alone.

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _copied(source: Path, draft: Path) -> Bytes:
    with source.open("rb") as read, draft.open("xb") as write:
        shutil.copyfileobj(read, write, 1024 * 1024)
        write.flush()
        os.fsync(write.fileno())
    return digest_of(draft)


def _linked(source: Path, draft: Path) -> Bytes:
    try:
        draft.hardlink_to(source)
    except OSError as exc:
        raise DiskFull(f"no room for {source}") from exc
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    return digest_of(draft)


def _sync(folder: Path) -> None:
    if os.name != "posix":
        return  # Folders cannot be synced there.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _see(db: sqlite3.Connection, path: str, identity: str) -> None:
    db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (path, identity))


def _column(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Mapping | tuple | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value) if isinstance(value, StrEnum) else value


def _item(row: sqlite3.Row) -> Item:
    told = dict(row)
    for name in ("hints", "told", "answer"):
        told[name] = json.loads(told[name]) if told[name] is not None else None
    told["notes"] = tuple(json.loads(told["notes"]))
    told["state"] = State(told["state"])
    told["is_proved"], told["is_gone"] = bool(told["is_proved"]), bool(told["is_gone"])
    return Item(**told)


def _call(row: sqlite3.Row) -> Call:
    told = dict(row)
    told["is_private"] = bool(told["is_private"])
    if told["told_private"] is not None:
        told["told_private"] = bool(told["told_private"])
    return Call(**told)
