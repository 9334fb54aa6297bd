"""Correcting the link of a recording, by a person or by an event that arrives later."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import Client, Contact, ContactPhone, Event, EventKind, EventOrigin
from app.clients.schemas import ClientWrite, ContactWrite
from app.clients.service import ClientNotFound, EventNotFound, upsert_client
from app.core.errors import Conflict, NotFound
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.recordings import demo, queries
from app.recordings.demo import DemoNotMixed
from app.recordings.linking import made_subject
from app.recordings.models import LinkChange, LinkedBy, Recording

REFRESH_FLAG = "consent.refresh_flag"


class RecordingNotFound(NotFound):
    """There is no such recording."""


class EventHasNoClient(Conflict):
    """The event waits for its client itself; tie to one whose client is known."""


class ClientIsItsOwn(Conflict):
    """The recording is of this client already."""


class NumberMissing(Conflict):
    """The call has no number to know anybody by."""


class NumberKnown(Conflict):
    """The number is known as somebody's already; tie the call to one of his events."""


def find(session: Session, actor: Actor, recording_id: UUID) -> Recording:
    """Return the recording with its legs and parties.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
    """
    found = queries.recording(session, actor, recording_id)
    if found is None:
        raise RecordingNotFound
    return found


def require_seen(session: Session, actor: Actor, recording_id: UUID) -> None:
    """Refuse who may not know of the recording.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
    """
    if not queries.is_seen(session, actor, recording_id):
        raise RecordingNotFound


def relink(
    session: Session, actor: Actor, recording_id: UUID, *, event: str, reason: str, at: datetime
) -> Recording:
    """Tie a recording to the event that a person says it belongs to; the history stays.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
        EventNotFound: no event that `actor` may see has this external id.
        EventHasNoClient: the event is itself awaited.
    """
    found = find(session, actor, recording_id)
    wanted = clients.event_by_external_id(session, event)
    if wanted is None or not clients.is_seen(session, actor, wanted.client_id):
        raise EventNotFound
    if wanted.client_id is None:
        raise EventHasNoClient
    tie(session, actor, found, wanted, linked_by=LinkedBy.MANUAL, at=at, reason=reason)
    return found


def relink_to_client(  # noqa: PLR0913 - what is tied to whom, why, and how near an event must be.
    session: Session,
    actor: Actor,
    recording_id: UUID,
    *,
    client_id: UUID,
    reason: str,
    window: timedelta,
    at: datetime,
) -> Recording:
    """Tie a recording to a client: to its nearest open event, else to one made for the call.

    Raises:
        RecordingNotFound: there is none that `actor` may see, or it was erased.
        ClientNotFound: there is no such client that he may see.
        ClientIsItsOwn: it is of this client already.
        DemoNotMixed: one of them alone is demo data.
    """
    found = find(session, actor, recording_id)
    client = clients.client(session, actor, client_id)
    if found.erased_at is not None:
        raise RecordingNotFound
    if client is None:
        raise ClientNotFound
    if session.get_one(Event, found.event_id).client_id == client.id:
        raise ClientIsItsOwn
    event = queries.nearest_event(session, client.id, found.started_at, window=window)
    if event is None:
        demo.must_match(session, found.id, client.id)
        event = Event(
            id=new_id(),
            external_id=None,
            kind=EventKind.CALL,
            origin=EventOrigin.MADE,
            occurred_at=found.started_at,
            subject=made_subject(found.started_at, found.outside_number),
            client_id=client.id,
            agents=[],
            closed_at=None,
            created_at=at,
            updated_at=at,
        )
        session.add(event)
        session.flush()
    tie(session, actor, found, event, linked_by=LinkedBy.MANUAL, at=at, reason=reason)
    return found


def make_client(  # noqa: PLR0913 - who calls, and what is said of him.
    session: Session,
    actor: Actor,
    recording_id: UUID,
    *,
    firm: str,
    contact: str,
    region: str,
    at: datetime,
) -> Client:
    """Make a client and its contact of an unknown number; its calls that waited are taken at once.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
        NumberMissing: the call has no number to know anybody by.
        NumberKnown: the number is somebody's already.
        DemoNotMixed: the call is demo data.
    """
    found = find(session, actor, recording_id)
    number = found.outside_number
    if number is None:
        raise NumberMissing
    clients.lock_name(session, "number", number)
    if session.scalar(select(ContactPhone.number).where(ContactPhone.number == number).limit(1)):
        raise NumberKnown
    told = ClientWrite(name=firm, contacts=[ContactWrite(name=contact, phones=[number])])
    if demo.is_recording(session, recording_id):
        raise DemoNotMixed
    client, _ = upsert_client(session, actor, f"audiatur-{new_id()}", told, region=region, at=at)
    adopt_by_client(session, client.id, at=at)
    return client


def adopt_by_event(session: Session, event_id: UUID, *, window: timedelta, at: datetime) -> int:
    """Give a newly told event the recordings that belong to it; return how many were tied anew.

    Those that named it are tied already and only learn its client. Those of its client that were
    given an event of the archive's own, near enough in time, are tied to it.
    """
    event = session.get(Event, event_id)
    if event is None or event.client_id is None:
        return 0
    for waiting in queries.waiting_for(session, event.id):
        _identify(waiting, event)
    if event.closed_at is not None:
        return 0
    adopted = queries.adoptable_by(
        session, event, since=event.occurred_at - window, until=event.occurred_at + window
    )
    for recording in adopted:
        session.refresh(recording, ["parties"])
        tie(session, Actor.system("linking"), recording, event, linked_by=LinkedBy.ADOPTED, at=at)
    return len(adopted)


def adopt_by_client(session: Session, client_id: UUID, *, at: datetime) -> int:
    """Take recordings of a number that is now known out of the triage queue; return how many.

    The event that was made for each gets the client; a number shared with another client's
    contact stays where it is.
    """
    found = queries.triaged_of_client(session, client_id)
    taken = 0
    for recording in found:
        people = session.execute(
            select(Contact.id, Contact.client_id)
            .join(ContactPhone, ContactPhone.contact_id == Contact.id)
            .where(ContactPhone.number == recording.outside_number, Contact.left_at.is_(None))
            .order_by(Contact.id)
        ).all()
        event = session.get(Event, recording.event_id)
        if event is None or {client for _, client in people} != {client_id}:
            continue
        event.client_id = client_id
        event.updated_at = at
        session.flush()
        for party in recording.parties:
            if party.number == recording.outside_number and party.side != "own":
                party.side = "client"
                party.client_id = client_id
                party.contact_id = people[0].id
                party.how_identified = "number"
        tie(session, Actor.system("linking"), recording, event, linked_by=LinkedBy.CREATED, at=at)
        taken += 1
    return taken


def tie(  # noqa: PLR0913 - a change of a link has these parts; the later ones are named.
    session: Session,
    actor: Actor,
    recording: Recording,
    event: Event,
    *,
    linked_by: LinkedBy,
    at: datetime,
    reason: str | None = None,
) -> None:
    """Tie a recording to an event, with its parties, the history and the ledger.

    Raises:
        DemoNotMixed: a person ties what is demo data to what is not.
    """
    if actor.kind == "user":
        demo.must_match(session, recording.id, event.client_id)
    before = recording.event_id
    recording.event_id = event.id
    recording.linked_by = linked_by
    _identify(recording, event)
    session.add(
        LinkChange(
            id=new_id(),
            recording_id=recording.id,
            event_id=event.id,
            linked_by=linked_by,
            at=at,
            user_id=actor.id,
            reason=reason,
        )
    )
    session.flush()
    enqueue(session, Job(task=REFRESH_FLAG, args={"recording_id": str(recording.id)}))
    ledger.append(
        session,
        actor,
        Act.LINK_CHANGED,
        ("recording", recording.id),
        at=at,
        facts={"linked_by": str(linked_by), "from": str(before), "to": str(event.id)},
        detail={"reason": reason} if reason else None,
    )


def _identify(recording: Recording, event: Event) -> None:
    """Let parties known by nothing but the event speak for the event's client."""
    for party in recording.parties:
        if party.label == "cli" and party.how_identified in {"event", "unknown"}:
            party.client_id = event.client_id
            party.side = "client" if event.client_id else "other"
            party.how_identified = "event" if event.client_id else "unknown"
