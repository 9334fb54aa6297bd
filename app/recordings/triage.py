"""What a person does with a call that nobody knows, beside tying it; each of it can be undone."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients import service as client_service
from app.clients.models import Client, ContactPhone, Event
from app.clients.service import ClientNotFound
from app.core.errors import Conflict
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.recordings import demo, service
from app.recordings.models import LinkChange, LinkedBy, NoClient, TriageAside
from app.recordings.service import NumberKnown, NumberMissing


class ClientIsKnown(Conflict):
    """The recording has a client; it does not wait in triage."""


class SetAsideAlready(Conflict):
    """It is said to be of no client already."""


class NotSetAside(Conflict):
    """Nobody has said that it is of no client."""


class TieOfAnother(Conflict):
    """Only who tied it last takes the tie back."""


def set_aside(
    session: Session,
    actor: Actor,
    recording_id: UUID,
    reason: NoClient,
    *,
    note: str | None,
    at: datetime,
) -> TriageAside:
    """Take a recording out of triage, since it is of no client.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
        ClientIsKnown: it has a client.
        SetAsideAlready: somebody was faster.
    """
    found = service.find(session, actor, recording_id)
    event = session.get_one(Event, found.event_id)
    if event.client_id is not None:
        raise ClientIsKnown
    clients.lock_name(session, "triage", str(recording_id))
    if _open(session, recording_id) is not None:
        raise SetAsideAlready
    row = TriageAside(
        id=new_id(),
        recording_id=recording_id,
        reason=reason,
        note=note,
        set_by=actor.id,
        set_at=at,
    )
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.TRIAGE_SET_ASIDE,
        ("recording", recording_id),
        at=at,
        facts={"reason": str(reason)},
        detail={"note": note} if note else None,
    )
    return row


def put_back(session: Session, actor: Actor, recording_id: UUID, *, at: datetime) -> None:
    """Let a recording wait in triage again.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
        NotSetAside: it was not taken out.
    """
    service.find(session, actor, recording_id)
    clients.lock_name(session, "triage", str(recording_id))
    row = _open(session, recording_id)
    if row is None:
        raise NotSetAside
    row.undone_by, row.undone_at = actor.id, at
    session.flush()
    ledger.append(session, actor, Act.TRIAGE_PUT_BACK, ("recording", recording_id), at=at)


def undo(session: Session, actor: Actor, recording_id: UUID, *, at: datetime) -> None:
    """Tie a recording to the event that it had before `actor` tied it; both stand in the history.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
        TieOfAnother: he was not the last who tied it.
    """
    found = service.find(session, actor, recording_id)
    changes = session.scalars(
        select(LinkChange)
        .where(LinkChange.recording_id == recording_id)
        .order_by(LinkChange.at.desc(), LinkChange.id.desc())
        .limit(2)
    ).all()
    last, before = (*changes, None, None)[:2]
    if last is None or before is None or last.linked_by != LinkedBy.MANUAL:
        raise TieOfAnother
    if last.user_id != actor.id or last.event_id == before.event_id:
        raise TieOfAnother
    event = session.get_one(Event, before.event_id)
    service.tie(
        session,
        actor,
        found,
        event,
        linked_by=LinkedBy(before.linked_by),
        at=at,
        reason=before.reason,
    )


def know_number(
    session: Session,
    actor: Actor,
    recording_id: UUID,
    *,
    client_id: UUID,
    contact: str,
    at: datetime,
) -> Client:
    """Let the number of a call be a contact's of a client; its calls that waited are taken at once.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
        ClientNotFound: there is no such client that he may see.
        NumberMissing: the call has no number to know anybody by.
        NumberKnown: the number is somebody's already.
        DemoNotMixed: the call or the client is demo data, and the other is not.
    """
    found = service.find(session, actor, recording_id)
    client = clients.client(session, actor, client_id)
    if client is None:
        raise ClientNotFound
    demo.must_match(session, recording_id, client.id)
    number = found.outside_number
    if number is None:
        raise NumberMissing
    clients.lock_name(session, "number", number)
    if session.scalar(select(ContactPhone.number).where(ContactPhone.number == number).limit(1)):
        raise NumberKnown
    client_service.add_phone(session, actor, client, contact=contact, number=number, at=at)
    service.adopt_by_client(session, client.id, at=at)
    return client


def _open(session: Session, recording_id: UUID) -> TriageAside | None:
    return session.scalar(
        select(TriageAside).where(
            TriageAside.recording_id == recording_id, TriageAside.undone_at.is_(None)
        )
    )
