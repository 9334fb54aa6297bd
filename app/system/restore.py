"""Coming back from a backup: what was erased since is erased again before anything is served."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.clock import SystemClock
from app.core.db import Database
from app.core.errors import Invalid
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act, DetailCipher
from app.fixity import checks, locks
from app.identity.actor import Actor
from app.retention import tombstones
from app.retention.tombstones import CallMark, PaperMark, PictureMark, Tombstone
from app.settings import Settings
from app.system import backup
from app.system.backup import DUMP, FORM, MANIFEST, OBJECTS
from app.wiring import (
    Urls,
    database_urls,
    detail_cipher,
    make_data_folder,
    open_tools,
    prepare,
    restoring_mark,
    write_private,
)
from storage.errors import ObjectExists, StoreRefused
from storage.keys import MasterKeys
from storage.notes import key_for as note_key
from storage.ports import Store
from storage.sealed import SealedStore

_log = structlog.get_logger()
_ACTOR = Actor.system("command line")
_PIECE_BYTES = 1 << 20
_ROLES = ("audiatur_app", "audiatur_public", "audiatur_purge")


class NoBackup(Invalid):
    """The folder holds no whole backup, or one of another form."""


class BackupDamaged(Invalid):
    """A file of the backup is not what was written; `file` names it."""


class ArchiveNotEmpty(Invalid):
    """A backup is restored into an empty data folder and an empty database."""


class KeysNotInPlace(Invalid):
    """The key files of the installation must be in place first, from their own backup."""


class JournalMissing(Invalid):
    """The journal of erasures is not there; without it the backup would bring back what is erased.

    Put it beside the master keys. If nothing was ever erased, say so: `--nothing-was-erased`.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back, what was erased again, and how many objects were read and not well.

    `listed` are objects that the backup names and does not hold.
    """

    objects: int
    listed: int
    erased_again: int
    checked: int
    failed: int


_EVENT = text(
    """
    INSERT INTO events (id, kind, origin, occurred_at, subject, agents, created_at, updated_at)
    SELECT :event, 'call', 'made', :at, '-', '{}', :at, :at FROM devices WHERE id = :device
    RETURNING id
    """
)
_CALL = text(
    """
    INSERT INTO recordings (id, device_id, source_call_id, started_at, direction, capture,
        event_id, linked_by, received_at, erased_at)
    VALUES (:id, :device, :call, :at, 'inbound', 'import', :event, 'created', :at, :at)
    """
)
# A picture has an object; this one never was, and no key opens it.
_OBJECT = text(
    """
    INSERT INTO sealed_objects (object_id, size_bytes, sha256, crc32, stored_at)
    VALUES (:object, 0, :sha256, 0, :at)
    """
)
_PICTURE = text(
    """
    INSERT INTO screenshots (id, device_id, captured_at, event_id, linked_by, object_id, sha256,
        media_type, width, height, received_at, erased_at)
    VALUES (:id, :device, :captured, :event, 'created', :object, :sha256,
        'image/png', 1, 1, :at, :at)
    """
)

_PAPER = text(
    """
    INSERT INTO documents (id, upload_id, role, title, kind, media_type, object_id, sha256,
        examined, oddities, uploaded_by, uploaded_at, erased_at)
    SELECT :id, :sent_as, 'other', '-', 'pdf', 'application/pdf', :object, :sha256,
        '{}', '{}', u.id, :at, :at
    FROM users u WHERE u.id = :uploader
    """
)
_NOT_TAKEN = text(
    """
    UPDATE dispute_uploads SET state = 'refused', reason = 'erased', wrapped_key = NULL,
        file_name = NULL, settled_at = :at
    WHERE id::text = :sent_as AND state = 'waiting' AND words IS NULL
    """
)


def restore(settings: Settings, folder: Path, *, nothing_was_erased: bool = False) -> Restored:
    """Restore a backup and erase again what was erased since it was made.

    Until it is through the archive does not start, however it was interrupted.

    Raises:
        NoBackup, BackupDamaged, ArchiveNotEmpty, KeysNotInPlace, JournalMissing: nothing is done.
    """
    _manifest(folder)
    is_again = restoring_mark(settings).exists()
    if not is_again and (settings.data / "postgres").exists():
        raise ArchiveNotEmpty(f"{settings.data} holds an archive already.")
    _must_have_keys(settings, folder)
    if not settings.tombstones_path.exists() and not nothing_was_erased:
        raise JournalMissing(f"{settings.tombstones_path} is missing.")
    stones = list(tombstones.read(settings.tombstones_path))
    make_data_folder(settings)
    write_private(restoring_mark(settings), "A restore was begun and is not through.\n")
    for marker in folder.glob("*-key.json"):
        write_private(settings.data / marker.name, marker.read_text(encoding="utf-8"))
    objects, listed = _put_back(backup.stores(settings), folder, _gone(stones))
    with database_urls(settings) as urls:
        _load(urls, folder, is_again=is_again)
        prepare(settings, urls, is_restoring=True)
        erased = _erase_again(settings, urls, stones)
        restoring_mark(settings).unlink()
        checked, failed = _look(settings, urls)
    return Restored(
        objects=objects, listed=listed, erased_again=erased, checked=checked, failed=failed
    )


def _look(settings: Settings, urls: Urls) -> tuple[int, int]:
    """Read everything that is back, and let the store have the locks and holds that are wanted."""
    with open_tools(settings, urls) as tools:
        locks.reconcile(tools)
        return checks.check_all(tools)


def _manifest(folder: Path) -> None:
    try:
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise NoBackup(f"{folder} holds no whole backup.") from exc
    if told.get("form") != FORM:
        raise NoBackup(f"{folder} is of another form: {told.get('form')}.")
    for name in (DUMP, OBJECTS):
        if backup.digest_of(folder / name) != told["sha256"].get(name):
            raise BackupDamaged(f"{folder / name} was changed.", file=name)


def _must_have_keys(settings: Settings, folder: Path) -> None:
    for name, path in (
        ("archive", settings.archive_key_path),
        ("release", settings.release_key_path),
    ):
        marker = folder / f"{name}-key.json"
        known = json.loads(marker.read_text(encoding="utf-8"))["key_id"]
        if not path.exists() or known not in MasterKeys.load(path).ids:
            raise KeysNotInPlace(f"{path} must hold the key {known}.")


def _gone(stones: list[Tombstone]) -> set[tuple[str, str]]:
    return {
        (store, key)
        for stone in stones
        for object_id, store in stone.objects
        for key in _keys_of(object_id)
    }


def _keys_of(object_id: UUID) -> tuple[str, str]:
    """Return the keys of an object and of the note beside it, which holds its key and persons."""
    return note_key(object_id), SealedStore.key_for(object_id)


def _put_back(
    stores: dict[str, Store], folder: Path, gone: set[tuple[str, str]]
) -> tuple[int, int]:
    """Put objects back but for those that were erased; return how many, and how many it lacks."""
    count = listed = 0
    for told in backup.listed(folder):
        name, key = told["store"], told["key"]
        if (name, key) in gone:
            continue
        if "sha256" not in told:
            listed += 1
            continue
        path = folder / name / key
        if backup.digest_of(path) != told["sha256"]:
            raise BackupDamaged(f"{path} was changed.", file=f"{name}/{key}")
        draft = stores[name].begin(key)
        try:
            for piece in _pieces(path):
                draft.write(piece)
            draft.keep()
        except ObjectExists:
            continue  # An interrupted restore has put it there.
        finally:
            draft.discard()
        count += 1
    return count, listed


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_PIECE_BYTES), b"")


def _load(urls: Urls, folder: Path, *, is_again: bool) -> None:
    """Load the dump, whole or not at all, into a database without tables."""
    with psycopg.connect(urls.owner, autocommit=True) as owner:
        found = owner.execute("SELECT to_regclass('public.custody_entries')").fetchone()
        if found is not None and found[0] is not None:
            if not is_again:
                raise ArchiveNotEmpty("The database holds an archive already.")
            return
        for role in _ROLES:
            known = owner.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            if known is None:
                owner.execute(f"CREATE ROLE {role} NOLOGIN".encode())
            owner.execute(f"GRANT {role} TO CURRENT_USER".encode())
        # Made by roles.sql on a server of one's own, so that the dump would meet it.
        owner.execute("DROP TABLE IF EXISTS alembic_version")
        owner.execute(
            "DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC',"
            " current_database()); END $$"
        )
    options = ["--no-owner", "--exit-on-error", "--single-transaction", str(folder / DUMP)]
    backup.run("pg_restore", urls.owner, options)


def _erase_again(settings: Settings, urls: Urls, stones: list[Tombstone]) -> int:
    """Destroy again what the journal names, as the owner; return what had come back."""
    cipher: DetailCipher = detail_cipher(settings)
    database = Database(urls.owner, role=None, info={"detail_cipher": cipher})
    stores = backup.stores(settings)
    count = 0
    try:
        for stone in stones:
            with database.transaction() as session:
                count += _bury_again(session, stone)
            delete_again(database, stores, stone)
        with database.transaction() as session:
            # Another store has confirmed nothing yet.
            session.execute(
                text(
                    "UPDATE object_locks SET mode = NULL, locked_until = NULL, is_held = false,"
                    " seen_at = NULL, difference = NULL"
                )
            )
            facts: dict[str, str | int | bool | None] = {"erased_again": count}
            about = ("backup", new_id())
            at = SystemClock().now()
            ledger.append(session, _ACTOR, Act.BACKUP_RESTORED, about, at=at, facts=facts)
    finally:
        database.close()
    return count


def delete_again(database: Database, stores: Mapping[str, Store], stone: Tombstone) -> None:
    """Delete the bytes that a tombstone names; note those that a lock of the store keeps."""
    for object_id, name in stone.objects:
        deleted = [_is_deleted(stores[name], key) for key in _keys_of(object_id)]
        if not all(deleted):
            with database.transaction() as session:
                _note_left(session, stone, object_id, name)


def _is_deleted(store: Store, key: str) -> bool:
    """Delete what came back; bytes that a lock of the store keeps have no key any more."""
    try:
        store.delete(key)
    except StoreRefused as exc:
        _log.warning("restore.locked", key=key, error=str(exc))
        return False
    return True


def _note_left(session: Session, stone: Tombstone, object_id: UUID, store: str) -> None:
    """Note bytes that a lock keeps; they are deleted by the daily look after it has ended."""
    session.execute(
        text(
            "INSERT INTO left_bytes (object_id, store, erasure_id, noted_at)"
            " VALUES (:id, :store, :erasure, :at) ON CONFLICT DO NOTHING"
        ),
        {
            "id": object_id,
            "store": store,
            "erasure": stone.erasure_id,
            "at": SystemClock().now(),
        },
    )


def _bury_again(session: Session, stone: Tombstone) -> bool:
    """Erase what came back; leave a tombstone where it had never come."""
    found = session.execute(
        text(
            "SELECT erased_at FROM recordings WHERE id = :id"
            " UNION ALL SELECT erased_at FROM screenshots WHERE id = :id"
            " UNION ALL SELECT erased_at FROM documents WHERE id = :id"
            " UNION ALL SELECT erased_at FROM dispute_uploads WHERE id = :id"
            " UNION ALL SELECT erased_at FROM link_answers WHERE id = :id"
        ),
        {"id": stone.subject.id},
    ).one_or_none()
    if found is None:
        _set_stone(session, stone)
        return False
    session.execute(
        text("SELECT destroy_object(:id, :at)"), {"id": stone.subject.id, "at": stone.at}
    )
    session.execute(
        text("UPDATE sealed_objects SET wrapped_key = NULL WHERE object_id = ANY(:ids)"),
        {"ids": [object_id for object_id, _ in stone.objects]},
    )
    if found[0] is not None:
        return False
    facts: dict[str, str | int | bool | None] = {
        "erasure_id": str(stone.erasure_id),
        "objects": len(stone.objects),
        "again": True,
    }
    at = SystemClock().now()
    ledger.append(session, _ACTOR, Act.ERASURE_EXECUTED, stone.subject.about, at=at, facts=facts)
    return True


def _set_stone(session: Session, stone: Tombstone) -> None:
    """Let a sender that offers the call, picture or paper again be told that it was erased.

    A device that the backup does not know cannot send, so of its calls nothing need be noted. What
    was written by a link does not come again; a file that waited to be taken over is not taken.
    """
    session.execute(text("SELECT set_config('audiatur.erasing', 'on', true)"))
    if isinstance(stone.known_by, PaperMark):
        _set_paper_stone(session, stone, stone.known_by)
    if not isinstance(stone.known_by, CallMark | PictureMark):
        return
    told: dict[str, object] = {
        "event": new_id(),
        "id": stone.subject.id,
        "device": stone.device_id,
        "at": stone.at,
    }
    if session.scalar(_EVENT, told) is None:
        return
    if isinstance(stone.known_by, CallMark):
        session.execute(_CALL, told | {"call": stone.known_by.source_call_id})
        session.execute(text("SELECT forget_words_of(:id)"), {"id": stone.subject.id})
        return
    mark = stone.known_by
    told |= {"object": new_id(), "captured": mark.captured_at, "sha256": mark.sha256}
    session.execute(_OBJECT, told)
    session.execute(_PICTURE, told)


def _set_paper_stone(session: Session, stone: Tombstone, mark: PaperMark) -> None:
    told: dict[str, object] = {
        "id": stone.subject.id,
        "sent_as": mark.upload_id,
        "at": stone.at,
    }
    if mark.uploaded_by is None:
        session.execute(_NOT_TAKEN, told)
        return
    told |= {"object": new_id(), "sha256": mark.sha256, "uploader": mark.uploaded_by}
    session.execute(_OBJECT, told)
    session.execute(_PAPER, told)
