"""Locks and holds: the wish in the transaction of its cause, the store by a job, and comparing.

`lock`, `hold`, `release_hold` and `state` are for whoever decides how long something is kept. What
the store was asked is read back, and only what it said is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Conflict
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act, Outcome
from app.fixity import queries
from app.fixity.models import ObjectLock
from app.identity.actor import Actor
from app.recordings.models import SealedRow
from app.settings import Settings
from storage.errors import ObjectMissing
from storage.ports import LockMode, LockState
from storage.sealed import SealedStore

APPLY = "fixity.apply_lock"
SHOWN_FOR = timedelta(days=7)
_SYSTEM = Actor.system("locks")
_SECOND = timedelta(seconds=1)
_log = structlog.get_logger()


class LockShortened(Conflict):
    """A lock is extended, never shortened."""


class LockTools(Protocol):
    """What the jobs of locks need."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def archive(self) -> SealedStore: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """How an object was seen to be locked; nothing is claimed where the store cannot lock."""

    mode: str | None = None
    until: datetime | None = None
    is_held: bool = False
    wants_hold: bool = False
    seen_at: datetime | None = None


def lock(session: Session, object_id: UUID, until: datetime) -> None:
    """Want that nobody can delete the object before `until`; a job asks the store.

    Raises:
        LockShortened: a longer lock is wanted already.
    """
    row = _row(session, object_id)
    if row.wanted_until is not None and until < row.wanted_until:
        raise LockShortened
    row.wanted_until = until
    ask(session, object_id)


def hold(session: Session, object_id: UUID) -> None:
    """Want a legal hold on the object; a job asks the store."""
    _row(session, object_id).wants_hold = True
    ask(session, object_id)


def release_hold(session: Session, object_id: UUID) -> None:
    """Want no legal hold on the object any more; a job asks the store."""
    _row(session, object_id).wants_hold = False
    ask(session, object_id)


def state(session: Session, object_id: UUID) -> Locked:
    """Return how the object was last seen to be locked."""
    row = session.get(ObjectLock, object_id)
    if row is None:
        return Locked()
    return Locked(
        mode=row.mode,
        until=row.locked_until,
        is_held=row.is_held,
        wants_hold=row.wants_hold,
        seen_at=row.seen_at,
    )


def begin(
    session: Session, settings: Settings, archive: SealedStore, object_id: UUID, *, at: datetime
) -> None:
    """Want the usual lock for an object that has none, where the store can lock."""
    if settings.s3_object_lock == "off" or not archive.can_lock:
        return
    row = _row(session, object_id)
    if row.wanted_until is None:
        row.wanted_until = at + timedelta(days=settings.s3_object_lock_days)
        ask(session, object_id)


def _row(session: Session, object_id: UUID) -> ObjectLock:
    session.execute(insert(ObjectLock).values(object_id=object_id).on_conflict_do_nothing())
    return session.get_one(ObjectLock, object_id, with_for_update=True, populate_existing=True)


def ask(session: Session, object_id: UUID) -> None:
    """Let a job give the store what is wanted of the object."""
    session.flush()
    args = {"object_id": str(object_id)}
    enqueue(session, Job(task=APPLY, args=args, lock=f"{APPLY}:{object_id}"))


def apply(tools: LockTools, object_id: str) -> None:
    """Let the store have the lock and the hold that are wanted, and keep what it says of them."""
    wanted = UUID(object_id)
    if not tools.archive.can_lock:
        _log.info("lock.unsupported", object_id=object_id)
        return
    with tools.database.transaction() as session:
        row = session.get(ObjectLock, wanted)
        sealed = session.get(SealedRow, wanted)
    if row is None or sealed is None:
        return
    try:
        found = tools.archive.lock_state(wanted)
        is_kept = sealed.wrapped_key is not None and tools.settings.s3_object_lock != "off"
        if is_kept and row.wanted_until and _is_before(found.until, row.wanted_until):
            mode = found.mode or LockMode(tools.settings.s3_object_lock.upper())
            tools.archive.lock(wanted, mode=mode, until=row.wanted_until)
        # A hold that was never seen as ours is not ours to lift.
        is_ours = row.wants_hold or row.is_held
        if is_ours and (row.wants_hold != found.is_held or found.is_partly_held):
            tools.archive.hold(wanted, is_held=row.wants_hold)
        found = tools.archive.lock_state(wanted)
    except ObjectMissing:
        _log.warning("lock.object_missing", object_id=object_id)
        return
    at = tools.clock.now()
    with tools.database.transaction() as session:
        row = session.get_one(ObjectLock, wanted, with_for_update=True)
        _note(row, found, at, is_ours=is_ours)
        if not is_ours and (found.is_held or found.is_partly_held):
            _differs(session, row, "hold_unknown", at=at)


def _is_before(until: datetime | None, wanted: datetime) -> bool:
    """Tell whether a lock ends too early; the store counts whole seconds."""
    return until is None or until + _SECOND <= wanted


def _note(row: ObjectLock, found: LockState, at: datetime, *, is_ours: bool) -> None:
    row.mode = found.mode.value if found.mode and found.until else None
    row.locked_until = found.until if row.mode else None
    row.is_held = is_ours and found.is_held
    row.seen_at = at


def reconcile(tools: LockTools) -> int:
    """Compare every lock with the store and return how many differ.

    What the store has lost is an incident, told by the ledger and put right by a job. A hold that
    nobody here wants is told of and stays: lifting it is for a person. Locks of what is kept are
    extended when half of their time is over.
    """
    if not tools.archive.can_lock:
        return 0
    differing = 0
    after: UUID | None = None
    while True:
        with tools.database.transaction() as session:
            batch = queries.lock_page(session, after=after)
        found = {object_id: _seen(tools, object_id) for object_id in batch}
        with tools.database.transaction() as session:
            for object_id, seen_at in batch.items():
                row = session.get_one(ObjectLock, object_id, with_for_update=True)
                # What was applied meanwhile is compared tomorrow.
                if row.seen_at == seen_at:
                    differing += _reconcile_one(session, tools, row, found[object_id])
        if not batch:
            return differing
        after = max(batch)


def _seen(tools: LockTools, object_id: UUID) -> LockState | None:
    try:
        return tools.archive.lock_state(object_id)
    except ObjectMissing:
        return None


def difference(row: ObjectLock, found: LockState | None, *, at: datetime) -> str | None:
    """Return how the store differs from what it said before, if it does."""
    if found is None:
        return "object_missing"
    if row.locked_until is not None and row.locked_until > at:
        if found.until is None:
            return "lock_missing"
        if found.until < row.locked_until:
            return "lock_shortened"
    if row.is_held and not found.is_held:
        return "hold_missing"
    is_held_there = found.is_held or found.is_partly_held
    if is_held_there and not row.is_held and not row.wants_hold:
        return "hold_unknown"
    return None


def _reconcile_one(
    session: Session, tools: LockTools, row: ObjectLock, found: LockState | None
) -> bool:
    at = tools.clock.now()
    is_erased = session.get_one(SealedRow, row.object_id).wrapped_key is None
    if found is None and is_erased:
        return False
    differs = difference(row, found, at=at)
    _differs(session, row, differs, at=at)
    days = timedelta(days=tools.settings.s3_object_lock_days)
    if not is_erased and row.wanted_until is not None and row.wanted_until < at + days / 2:
        row.wanted_until = at + days
    if differs not in {"hold_unknown", "object_missing"} and _is_owed(row, found):
        ask(session, row.object_id)
    session.flush()
    return differs is not None


def _differs(session: Session, row: ObjectLock, differs: str | None, *, at: datetime) -> None:
    """Keep how the store differs; what is new of that is told once."""
    is_news = differs is not None and differs != row.difference
    row.difference = differs
    if is_news:
        row.differed_at = at
        _tell(session, row, differs or "", at=at)


def _is_owed(row: ObjectLock, found: LockState | None) -> bool:
    if found is None or row.seen_at is None or row.wants_hold != found.is_held:
        return True
    if found.is_partly_held:
        return True
    return row.wanted_until is not None and _is_before(found.until, row.wanted_until)


def _tell(session: Session, row: ObjectLock, differs: str, *, at: datetime) -> None:
    _log.error("lock.differs", object_id=str(row.object_id), difference=differs)
    subject = queries.subject_of(session, row.object_id)
    ledger.append(
        session,
        _SYSTEM,
        Act.LOCK_DIFFERED,
        (subject.kind, subject.id) if subject else ("object", row.object_id),
        at=at,
        outcome=Outcome.FAILED,
        facts={"object_id": str(row.object_id), "difference": differs},
    )
