"""Finding disputes, clients by the name other systems use, and recordings to show."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app.clients.models import Client
from app.disputes.models import Dispute
from app.recordings.models import Recording


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
