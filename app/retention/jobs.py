"""Background work: destroying, checking, and the daily look at what is due."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.jobs import Job, enqueue
from app.fixity import holds as store_holds
from app.retention import erasures, keeping, purge, queries, subjects
from app.retention.erasures import PURGE
from app.retention.models import LegalHoldItem
from app.retention.purge import PurgeTools
from app.retention.rules import ANNOUNCED_AHEAD, Rule
from app.retention.subjects import Subject

_log = structlog.get_logger()
_BATCH = 200
_MOST_DUE = 1000


def handle_mirror(tools: PurgeTools, hold_id: str) -> None:
    """Freeze what a hold has caught, and let the store's holds follow it, placed or released."""
    at = tools.clock.now()
    after: UUID | None = None
    while True:
        with tools.database.transaction() as session:
            caught = queries.caught_by(session, UUID(hold_id), after=after, limit=_BATCH)
            for subject in caught:
                _freeze(session, subject, at=at)
        if len(caught) < _BATCH:
            return
        after = caught[-1].id


def handle_purge(tools: PurgeTools, erasure_id: str) -> None:
    """Carry an erasure out, or go on where it was interrupted."""
    purge.purge(tools, UUID(erasure_id))


def handle_check(tools: PurgeTools, erasure_id: str) -> None:
    """Look whether anything is left of what was erased."""
    purge.check(tools, UUID(erasure_id))


def handle_daily(tools: PurgeTools) -> None:
    """Announce what will be erased, begin what was announced, wake what stopped, forget."""
    at = tools.clock.now()
    with tools.database.transaction() as session:
        in_force = [queries.as_rule(row) for row in queries.rules_in_force(session)]
    after: UUID | None = None
    while True:
        with tools.database.transaction() as session:
            after = _mark(session, tools, in_force, after, at=at)
        if after is None:
            break
    with tools.database.transaction() as session:
        begun = _begin(session, at=at)
    with tools.database.transaction() as session:
        for erasure_id in queries.unfinished(session):
            args = {"erasure_id": str(erasure_id)}
            enqueue(session, Job(task=PURGE, args=args, lock=str(erasure_id)))
        forgotten = erasures.forget(session, zone=tools.settings.zone, at=at)
    left = purge.delete_left(tools)
    _log.info("retention.daily", begun=begun, forgotten=forgotten, left_deleted=left)


def _mark(
    session: Session,
    tools: PurgeTools,
    in_force: list[Rule],
    after: UUID | None,
    *,
    at: datetime,
) -> UUID | None:
    """Mark one page of what is kept; return its last id, None after the last page."""
    rows = queries.unerased(session, after=after, limit=_BATCH)
    zone = tools.settings.zone
    for said in keeping.standings_of(session, rows, in_force, zone=zone, at=at):
        keeping.mark(session, said, at=at)
        _freeze(session, said.subject, at=at)
    return rows[-1].id if len(rows) == _BATCH else None


def _freeze(session: Session, subject: Subject, *, at: datetime) -> None:
    """Let something stay with the holds that keep it, here and in the store."""
    rows = [
        {"hold_id": hold.id, "by_rule": True, "at": at, **subject.named}
        for hold in queries.holds_of(session, subject.id)
    ]
    if rows:
        session.execute(insert(LegalHoldItem).values(rows).on_conflict_do_nothing())
    store_holds.follow(session, subject.id)


def _begin(session: Session, *, at: datetime) -> int:
    """Begin the erasures whose announcement is old enough; return how many."""
    begun = 0
    for notice, found in queries.due(session, limit=_MOST_DUE):
        is_old = notice.announced_at + ANNOUNCED_AHEAD <= at and notice.due_at <= at
        if is_old and queries.open_erasure(session, subjects.of_kept(found)) is None:
            erasures.begin_due(session, notice, at=at)
            begun += 1
    return begun
