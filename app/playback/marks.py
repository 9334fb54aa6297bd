"""Marks: praise, mistakes, key moments and comments at a second of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.identity.models import User
from app.playback.models import Mark, MarkKind
from app.recordings import service as recordings
from app.recordings.service import RecordingNotFound


class MarkNotFound(NotFound):
    """There is no such mark."""


class MarkBeyondEnd(Conflict):
    """The mark lies after the end of the recording.

    `duration_ms` tells how long it is.
    """


class MarkWordless(Invalid):
    """A comment needs words."""


class MarkOfAnother(Forbidden):
    """Only who made a mark takes it away."""


def listed(session: Session, actor: Actor, recording_id: UUID) -> Sequence[tuple[Mark, str]]:
    """Return the marks of a recording in their order, each with the name of who made it.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
    """
    recordings.find(session, actor, recording_id)
    rows = session.execute(
        select(Mark, User.full_name)
        .join(User, User.id == Mark.made_by)
        .where(Mark.recording_id == recording_id, Mark.removed_at.is_(None))
        .order_by(Mark.from_ms, Mark.id)
    )
    return [(mark, name) for mark, name in rows]


def add(  # noqa: PLR0913 - a mark has these parts, all named.
    session: Session,
    actor: Actor,
    recording_id: UUID,
    *,
    kind: MarkKind,
    from_ms: int,
    to_ms: int | None,
    note: str | None,
    at: datetime,
) -> Mark:
    """Mark a place in a recording.

    Raises:
        RecordingNotFound: there is none that `actor` may see, or it was erased.
        MarkBeyondEnd: the recording is shorter.
        MarkWordless: a comment without words.
    """
    found = recordings.find(session, actor, recording_id)
    if found.erased_at is not None or actor.id is None:
        raise RecordingNotFound
    if found.duration_ms is not None and max(from_ms, to_ms or 0) > found.duration_ms:
        raise MarkBeyondEnd(duration_ms=found.duration_ms)
    if kind is MarkKind.COMMENT and not note:
        raise MarkWordless
    mark = Mark(
        id=new_id(),
        recording_id=recording_id,
        kind=kind,
        from_ms=from_ms,
        to_ms=to_ms,
        note=note,
        made_by=actor.id,
        made_at=at,
    )
    session.add(mark)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.MARK_ADDED,
        ("recording", recording_id),
        at=at,
        facts={"mark_id": str(mark.id), "kind": str(kind), "from_ms": from_ms, "to_ms": to_ms},
        detail={"note": note} if note else None,
    )
    return mark


def remove(
    session: Session, actor: Actor, recording_id: UUID, mark_id: UUID, *, at: datetime
) -> None:
    """Take away a mark of one's own; that it was there stays in the ledger.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
        MarkNotFound: it has no such mark.
        MarkOfAnother: somebody else made it.
    """
    recordings.find(session, actor, recording_id)
    mark = session.get(Mark, mark_id)
    if mark is None or mark.recording_id != recording_id or mark.removed_at is not None:
        raise MarkNotFound
    if mark.made_by != actor.id:
        raise MarkOfAnother
    mark.removed_at = at
    ledger.append(
        session,
        actor,
        Act.MARK_REMOVED,
        ("recording", recording_id),
        at=at,
        facts={"mark_id": str(mark.id)},
    )
