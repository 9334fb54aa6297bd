"""Endpoints, their deliveries, and how many of them stand how."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from app.custody.models import LedgerLeaf
from app.webhooks.models import Delivery, DeliveryState, Endpoint, EndpointState, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How the deliveries of an endpoint stand. `failing` are waiting ones with an attempt in vain.

    `oldest_due` is since when the longest one waits for an attempt that is due.
    """

    waiting: int
    failing: int
    delivered: int
    dead: int
    oldest_due: datetime | None


NONE = Counts(waiting=0, failing=0, delivered=0, dead=0, oldest_due=None)


def endpoints(session: Session) -> Sequence[Endpoint]:
    """Return the endpoints that were not removed, by name."""
    return session.scalars(
        select(Endpoint).where(Endpoint.state != EndpointState.REMOVED).order_by(Endpoint.name)
    ).all()


def named(session: Session, name: str) -> Endpoint | None:
    """Return the endpoint of a name that was not removed."""
    return session.scalar(
        select(Endpoint).where(Endpoint.name == name, Endpoint.state != EndpointState.REMOVED)
    )


def counts(session: Session) -> dict[UUID, Counts]:
    """Return how the deliveries of each endpoint stand that has any."""
    is_waiting = Delivery.state == DeliveryState.WAITING
    rows = session.execute(
        select(
            Delivery.endpoint_id,
            func.count().filter(is_waiting),
            func.count().filter(is_waiting, Delivery.attempts > 0),
            func.count().filter(Delivery.state == DeliveryState.DELIVERED),
            func.count().filter(Delivery.state == DeliveryState.DEAD),
            func.min(Delivery.next_at).filter(is_waiting),
        ).group_by(Delivery.endpoint_id)
    )
    return {
        endpoint: Counts(
            waiting=waiting, failing=failing, delivered=delivered, dead=dead, oldest_due=oldest
        )
        for endpoint, waiting, failing, delivered, dead, oldest in rows
    }


def counts_of(session: Session, endpoint_id: UUID) -> Counts:
    """Return how the deliveries of one endpoint stand."""
    return counts(session).get(endpoint_id, NONE)


def deliveries(
    session: Session,
    endpoint_id: UUID,
    states: Collection[DeliveryState],
    *,
    before: UUID | None,
    limit: int,
) -> Sequence[Delivery]:
    """Return deliveries, what they tell and each attempt, the newest first."""
    query = (
        select(Delivery)
        .where(Delivery.endpoint_id == endpoint_id, Delivery.state.in_(states))
        .options(joinedload(Delivery.happening), selectinload(Delivery.tries))
        .order_by(Delivery.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Delivery.id < before)
    return session.scalars(query).all()


def dead(session: Session, endpoint_id: UUID) -> Sequence[UUID]:
    """Return the deliveries of an endpoint that were given up."""
    return session.scalars(
        select(Delivery.id).where(
            Delivery.endpoint_id == endpoint_id, Delivery.state == DeliveryState.DEAD
        )
    ).all()


def dead_count(session: Session) -> int:
    """Return how many deliveries to endpoints that are still there were given up."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Delivery)
            .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
            .where(Delivery.state == DeliveryState.DEAD, Endpoint.state != EndpointState.REMOVED)
        )
        or 0
    )


def unread(session: Session) -> int:
    """Return how many entries of the ledger's sequence were not read yet."""
    end = select(func.coalesce(func.max(LedgerLeaf.seq) + 1, 0)).scalar_subquery()
    return session.scalar(select(end - Progress.seq)) or 0


def due(session: Session, *, at: datetime) -> Sequence[UUID]:
    """Return the endpoints that have something due."""
    return session.scalars(
        select(Delivery.endpoint_id)
        .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(
            Delivery.state == DeliveryState.WAITING,
            Delivery.next_at <= at,
            Endpoint.state == EndpointState.ON,
        )
        .distinct()
    ).all()
