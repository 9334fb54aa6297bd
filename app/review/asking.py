"""Asking those who review to look at a recording, beside what waits for them by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, exists, select
from sqlalchemy.orm import Session

from app.clients.queries import lock_name
from app.consent import review as consent
from app.core.errors import Conflict
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.recordings import service as recordings
from app.recordings.service import RecordingNotFound
from app.review.models import ReviewAsk, ReviewNote
from app.review.rules import Queue


class ReviewAskedAlready(Conflict):
    """A review of it was asked for already, and nobody has noted what came of it."""


def ask(
    session: Session, actor: Actor, recording_id: UUID, *, words: str | None, at: datetime
) -> ReviewAsk:
    """Put a recording before those who review, with what they are to look at.

    Raises:
        RecordingNotFound: there is none that `actor` may see, or it was erased.
        ReviewAskedAlready: it waits for them already.
    """
    if recordings.find(session, actor, recording_id).erased_at is not None:
        raise RecordingNotFound
    lock_name(session, "review", str(recording_id))
    noted = exists().where(ReviewNote.queue == Queue.ASKED, ReviewNote.subject_id == ReviewAsk.id)
    waits = select(ReviewAsk.id).where(ReviewAsk.recording_id == recording_id, ~noted)
    if session.scalar(waits.limit(1)) is not None:
        raise ReviewAskedAlready
    row = ReviewAsk(
        id=new_id(),
        recording_id=recording_id,
        words=words,
        asked_by=consent.person(actor),
        asked_at=at,
    )
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.REVIEW_ASKED,
        ("recording", recording_id),
        at=at,
        facts={"ask_id": str(row.id)},
        detail={"words": words} if words else None,
    )
    return row


def of_recording(
    session: Session, recording_id: UUID
) -> Sequence[tuple[ReviewAsk, ReviewNote | None]]:
    """Return what was asked about a recording, the newest first, each with what came of it."""
    answered = and_(ReviewNote.queue == Queue.ASKED, ReviewNote.subject_id == ReviewAsk.id)
    found = session.execute(
        select(ReviewAsk, ReviewNote)
        .outerjoin(ReviewNote, answered)
        .where(ReviewAsk.recording_id == recording_id)
        .order_by(ReviewAsk.asked_at.desc(), ReviewAsk.id)
    )
    return [(ask, note) for ask, note in found]
