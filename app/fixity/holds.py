"""Legal holds in the store: on the evidence of what somebody holds, and on nothing else.

Holds themselves are placed and released by the room of retention. What follows from them is wanted
in the transaction of the change that it follows from, and a job asks the store.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from app.documents.models import Document
from app.fixity import locks
from app.fixity.models import ObjectLock
from app.recordings.models import Leg, ReplacedCopy, Screenshot

# Of the room of holds, which is to the left, nothing but the name of its question is used.
_IS_HELD = text("SELECT EXISTS (SELECT FROM holds_of(:asked))")


def follow(session: Session, subject_id: UUID) -> int:
    """Want the store's hold on the evidence of what is kept exactly while it is held.

    Evidence are the originals, and the copies that people listened to. Pictures of the sound are
    made anew from them at will. Returns for how many objects something changed.
    """
    session.flush()
    is_held = bool(session.scalar(_IS_HELD, {"asked": subject_id}))
    changed = 0
    for object_id in _evidence(session, subject_id):
        row = session.get(ObjectLock, object_id, populate_existing=True)
        if (row is not None and row.wants_hold) == is_held:
            continue
        (locks.hold if is_held else locks.release_hold)(session, object_id)
        changed += 1
    # A paper of a held call is held with it.
    for paper_id in session.scalars(_papers_of(subject_id)).all():
        changed += follow(session, paper_id)
    return changed


def _papers_of(recording_id: UUID) -> Select[UUID]:
    return select(Document.id).where(Document.recording_id == recording_id).order_by(Document.id)


def _evidence(session: Session, subject_id: UUID) -> list[UUID]:
    shot = session.scalar(select(Screenshot.object_id).where(Screenshot.id == subject_id))
    if shot is not None:
        return [shot]
    paper = session.scalar(select(Document.object_id).where(Document.id == subject_id))
    if paper is not None:
        return [paper]
    legs = session.execute(
        select(Leg.object_id, Leg.playable_object_id)
        .where(Leg.recording_id == subject_id)
        .order_by(Leg.object_id)
    )
    named = [object_id for leg in legs for object_id in leg if object_id is not None]
    # A hold of the store on a copy that was replaced ends with the others.
    replaced = select(ReplacedCopy.object_id).where(ReplacedCopy.recording_id == subject_id)
    return [*named, *session.scalars(replaced.order_by(ReplacedCopy.object_id))]
