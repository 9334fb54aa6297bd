"""Finding disputes, clients by the name other systems use, and recordings to show."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app.clients.models import Client
from app.disputes.models import Dispute, Exhibit
from app.recordings.models import Leg, Recording, Screenshot


def dispute(session: Session, dispute_id: UUID) -> Dispute | None:
    """Return the dispute with its exhibits."""
    return session.scalars(
        select(Dispute).where(Dispute.id == dispute_id).options(selectinload(Dispute.exhibits))
    ).one_or_none()


def client_named(session: Session, external_id: str) -> Client | None:
    """Return the client that other systems call `external_id`."""
    return session.scalars(select(Client).where(Client.external_id == external_id)).one_or_none()


def client_name(session: Session, client_id: UUID) -> str:
    """Return the name other systems use for a client."""
    return session.scalars(select(Client.external_id).where(Client.id == client_id)).one()


def recording(session: Session, recording_id: UUID) -> Recording | None:
    """Return a recording that still has its bytes."""
    return session.scalars(
        select(Recording).where(Recording.id == recording_id, Recording.erased_at.is_(None))
    ).one_or_none()


def screenshot(session: Session, screenshot_id: UUID) -> Screenshot | None:
    """Return a screenshot that still has its bytes."""
    return session.scalars(
        select(Screenshot).where(Screenshot.id == screenshot_id, Screenshot.erased_at.is_(None))
    ).one_or_none()


def channels(session: Session, recording_id: UUID) -> int:
    """Return how many channels a cut of a recording has: its legs, or those of its one leg."""
    found = session.scalars(select(Leg.channels).where(Leg.recording_id == recording_id)).all()
    if len(found) > 1:
        return len(found)
    return 1 if list(found) == [1] else 2


def replaced_by(session: Session, exhibit_id: UUID) -> UUID | None:
    """Return the exhibit that has taken the place of another."""
    return session.scalars(select(Exhibit.id).where(Exhibit.replaces == exhibit_id)).one_or_none()


def lock_exhibit(session: Session, exhibit_id: UUID) -> None:
    """Let nobody else replace an exhibit in this moment; its dispute's row is the lock."""
    session.execute(
        select(Dispute.id)
        .join(Exhibit, Exhibit.dispute_id == Dispute.id)
        .where(Exhibit.id == exhibit_id)
        .with_for_update(of=Dispute)
    )
