"""Finding clients and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    any_,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.orm import Session, selectinload

from app.clients.models import Client, Contact, ContactPhone, Contract, Event, EventKind
from app.clients.numbers import normalise
from app.core.paging import Cursor, NameCursor
from app.identity.actor import Actor

_FEWEST_DIGITS = 4


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of the clients that `actor` may know of: a manager, his offices'.

    Demo clients that were removed, nobody.
    """
    is_here = Client.removed_at.is_(None)
    return is_here if actor.offices is None else and_(is_here, Client.office_id.in_(actor.offices))


def removed() -> Select[UUID]:
    """Return the demo clients that were removed, whom nobody sees."""
    return select(Client.id).where(Client.removed_at.is_not(None))


def is_seen(session: Session, actor: Actor, client_id: UUID | None) -> bool:
    """Say whether `actor` may know of a client; of what has no client yet, everybody may."""
    if client_id is None:
        return True
    found = select(Client.id).where(Client.id == client_id, visible_to(actor))
    return session.scalar(found) is not None


def client(session: Session, actor: Actor, client_id: UUID) -> Client | None:
    """Return a client, if there is one that `actor` may see."""
    return session.scalar(select(Client).where(Client.id == client_id, visible_to(actor)))


def page(
    session: Session,
    actor: Actor,
    q: str | None,
    *,
    region: str,
    after: NameCursor | None,
    limit: int,
) -> Sequence[Client]:
    """Return clients in the order of their names, narrowed to a name, number or tax id."""
    wanted = select(Client).where(visible_to(actor))
    if q:
        wanted = wanted.where(_says(q, region=region))
    if after is not None:
        wanted = wanted.where(tuple_(Client.name, Client.id) > (after.name, after.id))
    return session.scalars(wanted.order_by(Client.name, Client.id).limit(limit)).all()


def _says(q: str, *, region: str) -> ColumnElement[bool]:
    """Return the condition that a client is called so, or has such a number to call."""
    found = [
        Client.name.icontains(q, autoescape=True),
        Client.tax_id.startswith(q, autoescape=True),
        Client.external_id.istartswith(q, autoescape=True),
        Client.id.in_(select(Contact.client_id).where(Contact.name.icontains(q, autoescape=True))),
    ]
    whole = normalise(q, region=region)
    digits = "".join(one for one in q if one.isdigit())
    phones = select(Contact.client_id).join(ContactPhone)
    if whole is not None:
        found.append(Client.id.in_(phones.where(ContactPhone.number == whole)))
    if len(digits) >= _FEWEST_DIGITS:
        found.append(Client.id.in_(phones.where(ContactPhone.number.contains(digits))))
    return or_(*found)


def client_by_external_id(session: Session, external_id: str) -> Client | None:
    return session.scalar(select(Client).where(Client.external_id == external_id))


def names(session: Session, actor: Actor, *, limit: int = 1000) -> Sequence[tuple[str, str]]:
    """Return the clients that `actor` may know of, by name: what others call them, and the name."""
    rows = session.execute(
        select(Client.external_id, Client.name)
        .where(visible_to(actor))
        .order_by(Client.name, Client.id)
        .limit(limit)
    )
    return [(external_id, name) for external_id, name in rows]


def contacts_of(session: Session, client_id: UUID) -> Sequence[Contact]:
    """Return all contacts of a client, those who left included, with their phones."""
    return session.scalars(
        select(Contact)
        .where(Contact.client_id == client_id)
        .options(selectinload(Contact.phones))
        .order_by(Contact.name, Contact.id)
    ).all()


def looks_of(session: Session, client_id: UUID) -> dict[UUID, str]:
    """Return by contact the digest of all that a person looks at who verifies him."""
    rows = session.execute(
        select(Contact.id, func.contact_looks(Contact.id)).where(Contact.client_id == client_id)
    )
    return {contact_id: looks.hex() for contact_id, looks in rows}


def contract_by_number(session: Session, client_id: UUID, number: str) -> Contract | None:
    """Return the contract of this number with a client, without its clauses."""
    return session.scalar(
        select(Contract).where(Contract.client_id == client_id, Contract.number == number)
    )


def contracts_of(session: Session, client_id: UUID) -> Sequence[Contract]:
    """Return the contracts of a client with their clauses."""
    return session.scalars(
        select(Contract)
        .where(Contract.client_id == client_id)
        .options(selectinload(Contract.clauses))
        .order_by(Contract.valid_from, Contract.number)
    ).all()


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedEvents:
    """What a list of events is narrowed to; None is no condition."""

    client: str | None = None
    kind: EventKind | None = None
    agent: str | None = None
    is_open: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


def events(
    session: Session, actor: Actor, wanted: WantedEvents, *, after: Cursor | None, limit: int
) -> Sequence[tuple[Event, Client | None]]:
    """Return events that `actor` may see, the newest first, each with its client."""
    query = (
        select(Event, Client)
        .outerjoin(Client, Client.id == Event.client_id)
        .where(or_(Event.client_id.is_(None), visible_to(actor)), *_narrowed(wanted))
    )
    if after is not None:
        query = query.where(tuple_(Event.occurred_at, Event.id) < (after.at, after.id))
    rows = session.execute(query.order_by(Event.occurred_at.desc(), Event.id.desc()).limit(limit))
    return [(row[0], row[1]) for row in rows]


def _narrowed(wanted: WantedEvents) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.client is not None:
        found.append(Client.external_id == wanted.client)
    if wanted.kind is not None:
        found.append(Event.kind == wanted.kind)
    if wanted.agent is not None:
        found.append(literal(wanted.agent) == any_(Event.agents))
    if wanted.is_open is not None:
        found.append(Event.closed_at.is_(None) if wanted.is_open else Event.closed_at.is_not(None))
    if wanted.since is not None:
        found.append(Event.occurred_at >= wanted.since)
    if wanted.until is not None:
        found.append(Event.occurred_at < wanted.until)
    return found


def event(session: Session, actor: Actor, event_id: UUID) -> tuple[Event, Client | None] | None:
    """Return an event and its client, if there is one that `actor` may see."""
    row = session.execute(
        select(Event, Client)
        .outerjoin(Client, Client.id == Event.client_id)
        .where(Event.id == event_id, or_(Event.client_id.is_(None), visible_to(actor)))
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def newest_events(
    session: Session, client_id: UUID, *, kind: EventKind, limit: int
) -> Sequence[Event]:
    """Return the newest events of a kind of a client."""
    return session.scalars(
        select(Event)
        .where(Event.client_id == client_id, Event.kind == kind)
        .order_by(Event.occurred_at.desc(), Event.id.desc())
        .limit(limit)
    ).all()


def event_by_external_id(session: Session, external_id: str) -> Event | None:
    return session.scalar(select(Event).where(Event.external_id == external_id))


def events_in_triage(session: Session, *, after: Cursor | None, limit: int) -> Sequence[Event]:
    """Return events that have no client yet, newest first."""
    wanted = select(Event).where(Event.client_id.is_(None))
    if after is not None:
        wanted = wanted.where(
            text("(occurred_at, id) < (:at, :id)").bindparams(at=after.at, id=after.id)
        )
    return session.scalars(
        wanted.order_by(Event.occurred_at.desc(), Event.id.desc()).limit(limit)
    ).all()


def lock_name(session: Session, kind: str, external_id: str) -> None:
    """Let only one transaction at a time write the thing of this name."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"{kind}/{external_id}"},
    )
