"""The only mover that destroys: the journal first, then the keys, then the bytes.

Killed at any point it is begun again: a tombstone may stand twice, keys are destroyed once, and
bytes that are gone are gone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.core.jobs import Job, enqueue
from app.documents.models import Document
from app.recordings.models import Recording, Screenshot
from app.retention import erasures, queries, subjects, tombstones
from app.retention.erasures import CHECK, CHECK_AFTER, PURGE
from app.retention.models import Erasure, LeftBytes
from app.retention.subjects import Kept
from app.retention.tombstones import CallMark, Mark, PaperMark, PictureMark, Tombstone
from app.settings import Settings
from storage.errors import StoreError, StoreRefused
from storage.ports import LockState

_AFTER_LOCK = timedelta(minutes=1)
_log = structlog.get_logger()


class Grave(Protocol):
    """A store that is asked to destroy objects, and asked whether they are gone."""

    def delete(self, object_id: UUID) -> None: ...
    def has(self, object_id: UUID) -> bool: ...
    def lock_state(self, object_id: UUID) -> LockState: ...


class PurgeTools(Protocol):
    """What destroying needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def archive(self) -> Grave: ...
    @property
    def release(self) -> Grave: ...
    @property
    def clock(self) -> Clock: ...


def purge(tools: PurgeTools, erasure_id: UUID) -> None:
    """Carry an approved erasure out, or what is left of it; do nothing where it is hindered."""
    if not destroy_keys(tools, erasure_id):
        return
    free_at = delete_bytes(tools, erasure_id)
    args = {"erasure_id": str(erasure_id)}
    at = tools.clock.now()
    with tools.database.transaction() as session:
        enqueue(session, Job(task=CHECK, args=args, at=at + CHECK_AFTER))
        if free_at is not None:
            # Without a lock of its own: one that waits for months would hold back the daily ones.
            enqueue(session, Job(task=PURGE, args=args, at=max(free_at, at) + _AFTER_LOCK))


def destroy_keys(tools: PurgeTools, erasure_id: UUID) -> bool:
    """Write the tombstone down, then destroy the keys; return whether they are destroyed now."""
    zone, at = tools.settings.zone, tools.clock.now()
    journal = tools.settings.tombstones_path
    with tools.database.transaction() as session:
        row = erasures.ready(session, erasure_id, zone=zone, at=at)
        if row is not None and row.executed_at is not None:
            return True
        stone = None if row is None else _stone(session, row, tools.clock)
    if stone is not None:
        tombstones.bury(journal, stone)
        with tools.database.transaction() as session:
            row = erasures.ready(session, erasure_id, zone=zone, at=at)
            if row is not None:
                erasures.execute(session, row, zone=zone, at=at)
                return True
    # It was hindered: a tombstone of an earlier try would erase it after a restore.
    tombstones.void(journal, erasure_id)
    return False


def delete_bytes(tools: PurgeTools, erasure_id: UUID) -> datetime | None:
    """Delete the bytes that no key opens any more; note those that a lock keeps.

    Returns when the first of those locks ends.
    """
    free_at: datetime | None = None
    with tools.database.transaction() as session:
        waiting = [
            (one.object_id, one.store)
            for one in queries.objects_of(session, erasure_id)
            if one.deleted_at is None
        ]
    for object_id, store in waiting:
        place = tools.archive if store == "archive" else tools.release
        note: str | None = None
        until: datetime | None = None
        try:
            place.delete(object_id)
        except StoreRefused:
            note, until = _refusal(place, object_id)
        with tools.database.transaction() as session:
            for one in queries.objects_of(session, erasure_id):
                if one.object_id == object_id:
                    one.note, one.locked_until = note, until
                    one.deleted_at = None if note else tools.clock.now()
        if until is not None:
            free_at = until if free_at is None else min(free_at, until)
    return free_at


def delete_left(tools: PurgeTools) -> int:
    """Delete what a restore has left to a lock, where the lock is over; return how many went."""
    with tools.database.transaction() as session:
        waiting = [(one.object_id, one.store) for one in queries.left_bytes(session)]
    gone = 0
    for object_id, store in waiting:
        place = tools.archive if store == "archive" else tools.release
        note: str | None = None
        until: datetime | None = None
        try:
            place.delete(object_id)
        except StoreRefused:
            note, until = _refusal(place, object_id)
        with tools.database.transaction() as session:
            row = session.get_one(LeftBytes, (object_id, store), with_for_update=True)
            row.note, row.locked_until = note, until
            row.deleted_at = None if note else tools.clock.now()
        gone += note is None
    return gone


def _refusal(place: Grave, object_id: UUID) -> tuple[str, datetime | None]:
    """Return why the store keeps the bytes, and until when if it says so."""
    try:
        found = place.lock_state(object_id)
    except StoreError:
        return "store_refused", None
    if found.is_held or found.is_partly_held:
        return "held_in_store", None
    return ("ciphertext_locked_until", found.until) if found.until else ("store_refused", None)


def check(tools: PurgeTools, erasure_id: UUID) -> None:
    """Look, apart from whatever destroyed, whether anything is left; raise the alarm if so."""
    with tools.database.transaction() as session:
        row = queries.erasure(session, erasure_id)
        if row is None or row.executed_at is None or row.verified_at is not None:
            return
        subject = subjects.of(row)
        left = erasures.left_in_database(session, subject)
        wanted = text("SELECT object_id, store FROM erasable_objects(:asked)")
        seen = {(one, store) for one, store in session.execute(wanted, {"asked": subject.id})}
        noted = queries.objects_of(session, erasure_id)
        seen |= {(one.object_id, one.store) for one in noted}
        locked = {one.object_id for one in noted if one.note is not None}
    for object_id, store in sorted(seen):
        place = tools.archive if store == "archive" else tools.release
        if object_id not in locked and place.has(object_id):
            left.append(f"{store} object {object_id}")
    with tools.database.transaction() as session:
        row = queries.erasure(session, erasure_id)
        if row is not None:
            is_locked = bool(locked)
            erasures.finish(session, row, left, is_locked=is_locked, at=tools.clock.now())
    if left:
        _log.error("erasure.alarm", erasure_id=str(erasure_id), left=left)


def _stone(session: Session, row: Erasure, clock: Clock) -> Tombstone:
    subject = subjects.of(row)
    found = queries.kept(session, subject)
    if found is None:
        raise erasures.ErasureNotFound
    objects = session.execute(
        text("SELECT object_id, store FROM erasable_objects(:asked) ORDER BY 1"),
        {"asked": subject.id},
    )
    return Tombstone(
        erasure_id=row.id,
        subject=subject,
        device_id=found.device_id if isinstance(found, Recording | Screenshot) else None,
        known_by=_mark(found),
        objects=tuple((one, store) for one, store in objects),
        at=clock.now(),
    )


def _mark(found: Kept) -> Mark:
    """Return by what a repeat is known; what was written by a link does not come again."""
    if isinstance(found, Recording):
        return CallMark(found.source_call_id)
    if isinstance(found, Screenshot):
        return PictureMark(captured_at=found.captured_at, sha256=found.sha256)
    if isinstance(found, Document):
        return PaperMark(
            uploaded_by=found.uploaded_by, upload_id=found.upload_id, sha256=found.sha256
        )
    return None
