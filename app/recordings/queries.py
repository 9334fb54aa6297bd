"""Finding recordings, within what the asker may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, func, select, text, true, tuple_
from sqlalchemy.orm import Session, aliased, selectinload

from app.clients import queries as clients
from app.clients.models import Client, ContactPhone, Event, EventOrigin
from app.core.paging import Cursor
from app.identity.actor import Actor
from app.identity.models import Device
from app.identity.permissions import Role
from app.recordings.models import (
    Leg,
    LinkChange,
    LinkedBy,
    Recording,
    Screenshot,
    SealedRow,
    TriageAside,
)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of what `actor` may know of.

    An agent, his own calls; a manager, those of his offices' clients and those whose client nobody
    knows yet; a device, none.
    """
    if actor.kind == "system":
        return true()
    if actor.kind != "user":
        return false()
    if actor.role is Role.AGENT:
        return Recording.agent == actor.agent_ref if actor.agent_ref else false()
    if actor.offices is None:
        return true()
    whose, firm = aliased(Event), aliased(Client)
    of_another = (
        select(whose.id)
        .join(firm, firm.id == whose.client_id)
        .where(whose.id == Recording.event_id, firm.office_id.not_in(actor.offices))
        .correlate(Recording)
    )
    return ~of_another.exists()


def recording(session: Session, actor: Actor, recording_id: UUID) -> Recording | None:
    """Return a recording with its legs and parties, if there is one that `actor` may see."""
    return session.scalar(
        select(Recording)
        .where(Recording.id == recording_id, visible_to(actor))
        .options(selectinload(Recording.legs), selectinload(Recording.parties))
    )


def is_seen(session: Session, actor: Actor, recording_id: UUID) -> bool:
    """Say whether `actor` may know of a recording."""
    found = select(Recording.id).where(Recording.id == recording_id, visible_to(actor))
    return session.scalar(found) is not None


def is_screenshot_seen(session: Session, actor: Actor, screenshot: Screenshot) -> bool:
    """Say whether `actor` may know of a screenshot: of what its event's client has."""
    client_id = session.scalar(select(Event.client_id).where(Event.id == screenshot.event_id))
    return clients.is_seen(session, actor, client_id)


def last_received(session: Session) -> dict[UUID, datetime]:
    """Return when the newest recording of each device came in, for those that sent any."""
    newest = (
        select(Recording.received_at)
        .where(Recording.device_id == Device.id)
        .order_by(Recording.received_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(select(Device.id, newest))
    return {device_id: at for device_id, at in rows if at is not None}


def counted(
    session: Session, actor: Actor, client_ids: Sequence[UUID]
) -> dict[UUID, tuple[int, datetime]]:
    """Return by client how many recordings there are, and when the newest call began."""
    rows = session.execute(
        select(Event.client_id, func.count(), func.max(Recording.started_at))
        .join(Recording, Recording.event_id == Event.id)
        .where(Event.client_id.in_(client_ids), Recording.erased_at.is_(None), visible_to(actor))
        .group_by(Event.client_id)
    )
    return {client_id: (count, last) for client_id, count, last in rows if client_id}


def of_event(session: Session, actor: Actor, event_id: UUID) -> Sequence[Recording]:
    """Return the recordings of an event that `actor` may see, in their order."""
    return session.scalars(
        select(Recording)
        .where(Recording.event_id == event_id, Recording.erased_at.is_(None), visible_to(actor))
        .order_by(Recording.started_at, Recording.id)
    ).all()


def screenshots_of_event(session: Session, event_id: UUID) -> Sequence[Screenshot]:
    """Return the screenshots of an event, in their order."""
    return session.scalars(
        select(Screenshot)
        .where(Screenshot.event_id == event_id, Screenshot.erased_at.is_(None))
        .order_by(Screenshot.captured_at, Screenshot.id)
    ).all()


def links_to(session: Session, actor: Actor, event_id: UUID) -> Sequence[LinkChange]:
    """Return how recordings that `actor` may see were tied to an event, the oldest first."""
    return session.scalars(
        select(LinkChange)
        .join(Recording, Recording.id == LinkChange.recording_id)
        .where(LinkChange.event_id == event_id, visible_to(actor))
        .order_by(LinkChange.at, LinkChange.id)
    ).all()


def _is_aside() -> ColumnElement[bool]:
    return (
        select(TriageAside.id)
        .where(TriageAside.recording_id == Recording.id, TriageAside.undone_at.is_(None))
        .exists()
    )


def _untied() -> ColumnElement[bool]:
    return and_(Recording.client_id.is_(None), Recording.erased_at.is_(None), ~_is_aside())


def is_aside(session: Session, recording_id: UUID) -> bool:
    """Say whether somebody said that a recording is of no client, and nobody put it back."""
    query = select(TriageAside.id).where(
        TriageAside.recording_id == recording_id, TriageAside.undone_at.is_(None)
    )
    return session.scalar(query) is not None


def aside(
    session: Session, actor: Actor, *, after: Cursor | None, limit: int
) -> Sequence[tuple[Recording, Event, TriageAside]]:
    """Return the recordings that somebody said to be of no client, the newest first."""
    query = (
        select(Recording, Event, TriageAside)
        .join(Event, Event.id == Recording.event_id)
        .join(TriageAside, TriageAside.recording_id == Recording.id)
        .where(
            TriageAside.undone_at.is_(None),
            Recording.client_id.is_(None),
            Recording.erased_at.is_(None),
            visible_to(actor),
        )
    )
    if after is not None:
        query = query.where(tuple_(Recording.started_at, Recording.id) < (after.at, after.id))
    rows = session.execute(
        query.order_by(Recording.started_at.desc(), Recording.id.desc()).limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def untied_count(session: Session, actor: Actor) -> int:
    """Return how many recordings have an event without a client, but for those set aside."""
    return session.scalars(
        select(func.count())
        .select_from(Recording)
        .join(Event, Event.id == Recording.event_id)
        .where(_untied(), visible_to(actor))
    ).one()


def untied_since(session: Session, actor: Actor) -> tuple[int, datetime | None]:
    """Return how many recordings wait for a client, and since when the oldest."""
    row = session.execute(
        select(func.count(), func.min(Recording.received_at))
        .select_from(Recording)
        .join(Event, Event.id == Recording.event_id)
        .where(_untied(), visible_to(actor))
    ).one()
    return row[0], row[1]


def untied(
    session: Session,
    actor: Actor,
    *,
    is_made: bool,
    after: Cursor | None,
    limit: int,
) -> Sequence[tuple[Recording, Event, Client | None]]:
    """Return recordings to be tied by a person, the newest first.

    Those of no known client; or `is_made`, those whose event the archive made for a known client.
    """
    made = and_(
        Event.origin == EventOrigin.MADE,
        Event.client_id.is_not(None),
        Recording.linked_by == LinkedBy.CREATED,
        Recording.erased_at.is_(None),
    )
    query = (
        select(Recording, Event, Client)
        .join(Event, Event.id == Recording.event_id)
        .outerjoin(Client, Client.id == Event.client_id)
        .where(made if is_made else _untied(), visible_to(actor))
    )
    if after is not None:
        query = query.where(tuple_(Recording.started_at, Recording.id) < (after.at, after.id))
    rows = session.execute(
        query.order_by(Recording.started_at.desc(), Recording.id.desc()).limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def near(
    session: Session, actor: Actor, client_id: UUID, at: datetime, *, within: timedelta, limit: int
) -> Sequence[Recording]:
    """Return the recordings of a client's calls next to a moment, in their order."""
    distance = func.abs(func.extract("epoch", Recording.started_at - at))
    found = session.scalars(
        select(Recording)
        .join(Event, Event.id == Recording.event_id)
        .where(
            Event.client_id == client_id,
            Recording.started_at.between(at - within, at + within),
            Recording.erased_at.is_(None),
            visible_to(actor),
        )
        .order_by(distance, Recording.id)
        .limit(limit)
    ).all()
    return sorted(found, key=lambda one: (one.started_at, one.id))


def event_of(session: Session, found: Recording) -> tuple[Event, str | None]:
    """Return the event of a recording and its client's external id."""
    event, client = session.execute(
        select(Event, Client.external_id)
        .outerjoin(Client, Client.id == Event.client_id)
        .where(Event.id == found.event_id)
    ).one()
    return event, client


def links_of(session: Session, recording_id: UUID) -> Sequence[LinkChange]:
    """Return how a recording was tied, oldest first."""
    return session.scalars(
        select(LinkChange)
        .where(LinkChange.recording_id == recording_id)
        .order_by(LinkChange.at, LinkChange.id)
    ).all()


def objects_of(session: Session, legs: Sequence[Leg]) -> dict[UUID, SealedRow]:
    """Return the sealed objects of the legs' original bytes, by object id."""
    rows = session.scalars(
        select(SealedRow).where(SealedRow.object_id.in_([leg.object_id for leg in legs]))
    )
    return {row.object_id: row for row in rows}


def adoptable_by(
    session: Session, event: Event, *, since: datetime, until: datetime
) -> Sequence[Recording]:
    """Return recordings of the event's client that have no event but one the archive made."""
    return session.scalars(
        select(Recording)
        .join(Event, Event.id == Recording.event_id)
        .where(
            Event.origin == EventOrigin.MADE,
            Event.client_id == event.client_id,
            Recording.linked_by == LinkedBy.CREATED,
            Recording.started_at.between(since, until),
        )
        .with_for_update(of=Recording)
    ).all()


def waiting_for(session: Session, event_id: UUID) -> Sequence[Recording]:
    """Return the recordings tied to an event, for when its client becomes known."""
    return session.scalars(
        select(Recording)
        .where(Recording.event_id == event_id)
        .options(selectinload(Recording.parties))
        .with_for_update(of=Recording)
    ).all()


def triaged_of_client(session: Session, client_id: UUID) -> Sequence[Recording]:
    """Return recordings in the triage queue whose number is now a contact's of this client."""
    numbers = select(ContactPhone.number).where(
        ContactPhone.contact_id.in_(
            text("SELECT id FROM contacts WHERE client_id = :c AND left_at IS NULL").bindparams(
                c=client_id
            )
        )
    )
    return session.scalars(
        select(Recording)
        .where(Recording.linked_by == LinkedBy.TRIAGE, Recording.outside_number.in_(numbers))
        .options(selectinload(Recording.parties))
        .with_for_update(of=Recording)
    ).all()


def nearest_event(
    session: Session, client_id: UUID, at: datetime, *, window: timedelta
) -> Event | None:
    """Return a client's open event that was told of and lies nearest to a moment, within a time."""
    apart = func.abs(func.extract("epoch", Event.occurred_at - at))
    return session.scalar(
        select(Event)
        .where(
            Event.client_id == client_id,
            Event.closed_at.is_(None),
            Event.origin == EventOrigin.SENT,
            Event.occurred_at.between(at - window, at + window),
        )
        .order_by(apart, Event.id)
        .limit(1)
    )
