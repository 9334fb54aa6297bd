"""Offices: where people work, and whose clients a manager sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity import service
from app.identity.actor import Actor
from app.identity.models import MAIN_OFFICE, Office, UserOffice


class OfficeNotFound(NotFound):
    """There is no such office."""


class OfficeNameTaken(Conflict):
    """There is an office of this name."""


class ZoneUnknown(Invalid):
    """A time zone is written as `Europe/Moscow`."""


def named(session: Session, actor: Actor, name: str) -> Office:
    """Return the office of this name, if there is one that `actor` sees.

    Raises:
        OfficeNotFound: there is none.
    """
    found = session.scalar(select(Office).where(Office.name == name))
    if found is None or (actor.offices is not None and found.id not in actor.offices):
        raise OfficeNotFound(f"There is no office {name!r}.", office=name)
    return found


def names(session: Session) -> dict[UUID, str]:
    """Return what the offices are called."""
    return {row[0]: row[1] for row in session.execute(select(Office.id, Office.name))}


def first_of(actor: Actor) -> UUID:
    """Return the office that a client of `actor` belongs to where nothing is said of it."""
    if actor.offices is None or MAIN_OFFICE in actor.offices:
        return MAIN_OFFICE
    return min(actor.offices)


def put(  # noqa: PLR0913 - an office has these parts; all but three are named.
    session: Session,
    actor: Actor,
    office_id: UUID | None,
    *,
    name: str,
    jurisdiction: str | None,
    zone: str | None,
    at: datetime,
) -> Office:
    """Make an office, or make of one what is told.

    Raises:
        OfficeNotFound: there is none of this id.
        OfficeNameTaken: another has the name.
        ZoneUnknown: there is no such time zone.
    """
    if zone is not None and zone not in available_timezones():
        raise ZoneUnknown(zone=zone)
    office = session.get(Office, office_id) if office_id else Office(id=new_id(), created_at=at)
    if office is None:
        raise OfficeNotFound
    office.name, office.jurisdiction, office.zone = name, jurisdiction, zone
    session.add(office)
    try:
        session.flush()
    except IntegrityError as exc:
        raise OfficeNameTaken(f"There is an office {name} already.", office=name) from exc
    facts = {"change": "office.changed" if office_id else "office.added"}
    ledger.append(session, actor, Act.CONFIG_CHANGED, ("office", office.id), at=at, facts=facts)
    return office


def place(
    session: Session, actor: Actor, user_name: str, names: Sequence[str], *, at: datetime
) -> None:
    """Let a person belong to these offices; to the main one where none is named.

    Raises:
        UserNotFound: nobody has this name.
        OfficeNotFound: one of them is not there.
    """
    user = service.user_named(session, user_name)
    found = {named(session, actor, name).id for name in names}
    session.execute(delete(UserOffice).where(UserOffice.user_id == user.id))
    session.add_all(UserOffice(user_id=user.id, office_id=office_id) for office_id in found)
    facts: dict[str, str | int | bool | None] = {
        "change": "user.offices_changed",
        "offices": " ".join(sorted(map(str, found))),
    }
    ledger.append(session, actor, Act.CONFIG_CHANGED, ("user", user.id), at=at, facts=facts)
