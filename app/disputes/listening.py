"""For what a person listens in a dispute: he says it once, and each listening is told anyway."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.clients.models import Event
from app.consent.purposes import Purpose
from app.disputes import queries
from app.disputes.models import Dispute, Exhibit, ListeningPurpose
from app.disputes.service import DisputeNotFound
from app.identity.actor import Actor
from app.recordings.models import Recording


def dispute_of(
    session: Session, actor: Actor, recording_id: UUID, *, asked: UUID | None
) -> Dispute | None:
    """Return in which dispute a recording is listened to, if in one that `actor` may see.

    The one that is asked for, where the recording is an exhibit or its client the dispute's; else
    the newest open one in which it is an exhibit.
    """
    shown = select(Exhibit.dispute_id).where(Exhibit.recording_id == recording_id)
    clients = (
        select(Event.client_id)
        .join(Recording, Recording.event_id == Event.id)
        .where(Recording.id == recording_id)
    )
    query = select(Dispute).where(queries.visible_to(actor))
    if asked is not None:
        of_it = or_(Dispute.id.in_(shown), Dispute.client_id.in_(clients))
        return session.scalar(query.where(Dispute.id == asked, of_it))
    query = query.where(Dispute.id.in_(shown), Dispute.closed_at.is_(None))
    return session.scalars(query.order_by(Dispute.opened_at.desc()).limit(1)).first()


def remembered(session: Session, actor: Actor, dispute_id: UUID) -> Purpose | None:
    """Return for what he listens in a dispute, if he has said it."""
    found = session.get(ListeningPurpose, (dispute_id, actor.id))
    return Purpose(found.purpose) if found else None


def remember(
    session: Session,
    actor: Actor,
    recording_id: UUID,
    dispute_id: UUID,
    purpose: Purpose,
    *,
    at: datetime,
) -> None:
    """Remember for what he listens in a dispute.

    Raises:
        DisputeNotFound: there is none of this recording that he may see.
    """
    if dispute_of(session, actor, recording_id, asked=dispute_id) is None:
        raise DisputeNotFound
    told = {"purpose": str(purpose), "at": at}
    session.execute(
        insert(ListeningPurpose)
        .values(dispute_id=dispute_id, user_id=actor.id, **told)
        .on_conflict_do_update(index_elements=["dispute_id", "user_id"], set_=told)
    )
