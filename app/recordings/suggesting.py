"""Which events a recording may belong to: near in time, each with the reasons that speak for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, false, func, or_, select
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import Client, Contact, ContactPhone, Event, EventOrigin
from app.identity.actor import Actor
from app.identity.agents import normalised
from app.recordings.models import LinkedBy, Recording

NEAR: Final = timedelta(days=3)
_CLOSE: Final = timedelta(hours=2)
_MOST: Final = 200
_SHOWN: Final = 3
_FEWEST_LETTERS: Final = 3


class Reason(StrEnum):
    """Why a recording may belong to an event, the strongest first."""

    CLIENT = "client"  # The recording is tied to an event of this client that the archive made.
    NUMBER = "number"  # The number is that of a contact of the client.
    EARLIER = "earlier"  # A person has tied a call of this number to the client before.
    NAME = "name"  # The caller's name is that of the client or a contact.
    AGENT = "agent"  # Our person of the call worked on the event.
    TIME = "time"  # It happened within two hours of the call.


_WEIGHT: Final = {
    Reason.CLIENT: 8,
    Reason.NUMBER: 8,
    Reason.EARLIER: 6,
    Reason.NAME: 4,
    Reason.AGENT: 3,
    Reason.TIME: 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """An event, why the recording may belong to it, and how far it is in time."""

    event: Event
    client: Client
    reasons: tuple[Reason, ...]
    distance: timedelta

    @property
    def weight(self) -> int:
        return sum(_WEIGHT[one] for one in self.reasons)


def suggestions(
    session: Session, actor: Actor, recording: Recording, *, client_id: UUID | None
) -> list[Suggestion]:
    """Return the events that speak for themselves, the strongest and nearest first.

    Time alone says nothing; an event of a client that `actor` may not see is not told of.
    """
    numbered = _of_number(session, recording.outside_number)
    earlier = _tied_before(session, recording.outside_number)
    named = _of_name(session, recording.from_party)
    speaking = {*numbered, *earlier, *named, *({client_id} if client_id else ())}
    query = (
        select(Event, Client)
        .join(Client, Client.id == Event.client_id)
        .where(
            Event.origin == EventOrigin.SENT,
            Event.external_id.is_not(None),
            Event.id != recording.event_id,
            Event.occurred_at.between(recording.started_at - NEAR, recording.started_at + NEAR),
            clients.visible_to(actor),
            or_(Event.client_id.in_(speaking), _worked(recording.agent)),
        )
        .order_by(Event.occurred_at.desc(), Event.id)
        .limit(_MOST)
    )
    if client_id is not None:
        query = query.where(Event.client_id == client_id)
    found = []
    for event, client in session.execute(query):
        distance = abs(event.occurred_at - recording.started_at)
        agents = {normalised(one) for one in event.agents}
        speaks = {
            Reason.CLIENT: client.id == client_id,
            Reason.NUMBER: client.id in numbered,
            Reason.EARLIER: client.id in earlier,
            Reason.NAME: client.id in named,
            Reason.AGENT: recording.agent is not None and recording.agent in agents,
            Reason.TIME: distance <= _CLOSE,
        }
        reasons = tuple(reason for reason, is_so in speaks.items() if is_so)
        if set(reasons) - {Reason.TIME}:
            found.append(Suggestion(event=event, client=client, reasons=reasons, distance=distance))
    found.sort(key=lambda one: (-one.weight, one.distance, one.event.id))
    return found[:_SHOWN]


def _worked(agent: str | None) -> ColumnElement[bool]:
    """Return the condition of the events that our person of the call worked on."""
    if agent is None:
        return false()
    one = func.unnest(Event.agents).column_valued("one")
    return select(one).where(func.lower(func.btrim(one)) == agent).exists()


def _of_number(session: Session, number: str | None) -> set[UUID]:
    if number is None:
        return set()
    return set(
        session.scalars(
            select(Contact.client_id)
            .join(ContactPhone, ContactPhone.contact_id == Contact.id)
            .where(ContactPhone.number == number)
        )
    )


def _tied_before(session: Session, number: str | None) -> set[UUID]:
    if number is None:
        return set()
    found: Sequence[UUID | None] = session.scalars(
        select(Event.client_id)
        .join(Recording, Recording.event_id == Event.id)
        .where(Recording.outside_number == number, Recording.linked_by == LinkedBy.MANUAL)
    ).all()
    return {one for one in found if one is not None}


def _of_name(session: Session, written: str | None) -> set[UUID]:
    """Return the clients whose name, or a contact's, is what the exchange shows of the caller."""
    name = (written or "").strip()
    if sum(one.isalpha() for one in name) < _FEWEST_LETTERS:
        return set()
    of_firms = select(Client.id).where(Client.name.icontains(name, autoescape=True))
    of_people = select(Contact.client_id).where(Contact.name.icontains(name, autoescape=True))
    return set(session.scalars(of_firms)) | set(session.scalars(of_people))
