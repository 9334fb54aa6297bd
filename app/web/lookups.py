"""What several pages look up: names of people, open disputes, what the ledger has of an object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.custody.models import CustodyEntry
from app.disputes.models import Dispute
from app.identity.models import Device, User


def names(session: Session, ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """Return the names of people and devices, by id."""
    wanted = {one for one in ids if one is not None}
    if not wanted:
        return {}
    found: dict[UUID, str] = {}
    for query in (
        select(User.id, User.full_name).where(User.id.in_(wanted)),
        select(Device.id, Device.name).where(Device.id.in_(wanted)),
    ):
        found |= dict(session.execute(query).all())
    return found


def agents(session: Session) -> list[tuple[str, str]]:
    """Return our people who are heard on the telephone: their name there, and here."""
    rows = session.execute(
        select(User.agent_ref, User.full_name)
        .where(User.agent_ref.is_not(None))
        .order_by(User.full_name)
    )
    return [(ref, name) for ref, name in rows if ref]


def open_disputes(session: Session, client_id: UUID, *, limit: int = 50) -> Sequence[Dispute]:
    """Return the disputes of a client that take exhibits, the newest first."""
    return session.scalars(
        select(Dispute)
        .where(Dispute.client_id == client_id, Dispute.closed_at.is_(None))
        .order_by(Dispute.opened_at.desc())
        .limit(limit)
    ).all()


def entries(
    session: Session, kind: str, object_id: UUID, *, limit: int = 100
) -> Sequence[CustodyEntry]:
    """Return what the ledger has of an object, the newest first."""
    return session.scalars(
        select(CustodyEntry)
        .where(CustodyEntry.object_kind == kind, CustodyEntry.object_id == object_id)
        .order_by(CustodyEntry.position.desc())
        .limit(limit)
    ).all()
