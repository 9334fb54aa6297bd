"""Who gets a letter and at which address, and what became of mails."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.clients.models import Client, Contact
from app.core.addresses import wire_form
from app.identity.models import User
from app.identity.permissions import PERMISSIONS, Permission
from app.mail.models import DEAD, Kind, Mail, MailState

_READS_RUSSIAN = ("RU", "BY", "KZ", "KG")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A person to whom a letter goes: of the house, or of a client."""

    id: UUID
    is_contact: bool
    address: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSeen:
    """A mail as whoever looks after the archive sees it; people of clients are not named."""

    row: Mail
    to: str | None


def language_of_place(place: str | None) -> str:
    """Return the language in which a firm of this place is written to."""
    return "ru" if (place or "RU").split("-")[0] in _READS_RUSSIAN else "en"


def person(session: Session, user_id: UUID) -> Recipient | None:
    """Return a person of the house; None where he has no address or was shut out."""
    user = session.get(User, user_id, populate_existing=True)
    if user is None or user.disabled_at is not None:
        return None
    return _of_user(session, user)


def people_with(session: Session, permission: Permission) -> list[Recipient]:
    """Return those who have a permission and an address."""
    roles = [role for role, granted in PERMISSIONS.items() if permission in granted]
    rows = session.scalars(
        select(User)
        .where(User.role.in_(roles), User.disabled_at.is_(None), User.email.is_not(None))
        .order_by(User.created_at, User.id)
    )
    found = [_of_user(session, user) for user in rows]
    return [one for one in found if one is not None]


def contact(session: Session, contact_id: UUID) -> Recipient | None:
    """Return a person of a client; None where he has no address or has left."""
    row = session.execute(
        select(Contact, Client.jurisdiction)
        .join(Client, Client.id == Contact.client_id)
        .where(Contact.id == contact_id, Contact.left_at.is_(None))
        .execution_options(populate_existing=True)
    ).first()
    address = wire_form(row[0].email) if row and row[0].email else None
    if row is None or address is None:
        return None
    place = row[1] or session.info.get("jurisdiction")
    return Recipient(
        id=contact_id, is_contact=True, address=address, language=language_of_place(place)
    )


def _of_user(session: Session, user: User) -> Recipient | None:
    address = wire_form(user.email) if user.email else None
    if address is None:
        return None
    language = user.language or language_of_place(session.info.get("jurisdiction"))
    return Recipient(id=user.id, is_contact=False, address=address, language=language)


def counts(session: Session) -> dict[MailState, int]:
    """Return how many mails there are in each state."""
    rows = session.execute(select(Mail.state, func.count()).group_by(Mail.state))
    seen: dict[str, int] = {state: count for state, count in rows}  # noqa: C416 - rows are no tuples.
    return {state: seen.get(state, 0) for state in MailState}


def listed(
    session: Session, states: Collection[MailState], *, before: UUID | None, limit: int
) -> Sequence[MailSeen]:
    """Return mails of these states, the newest first, of those that are older than `before`."""
    query = (
        select(Mail, User.name)
        .outerjoin(User, User.id == Mail.user_id)
        .where(Mail.state.in_(states))
        .order_by(Mail.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Mail.id < before)
    return [MailSeen(row=row, to=name) for row, name in session.execute(query)]


def dead_count(session: Session) -> int:
    """Return how many mails wait for somebody to look at them."""
    return session.scalar(select(func.count()).where(Mail.state.in_(DEAD))) or 0


def is_asked_for(session: Session, kind: Kind, about: tuple[str, UUID]) -> bool:
    """Say whether a letter of this kind about something waits or was sent."""
    found = session.scalar(
        select(Mail.id)
        .where(
            Mail.kind == kind,
            Mail.about_kind == about[0],
            Mail.about_id == about[1],
            Mail.state.in_({MailState.QUEUED, MailState.SENT}),
        )
        .limit(1)
    )
    return found is not None


def with_old_secrets(session: Session, *, asked_before: datetime) -> Sequence[Mail]:
    """Return unsent mails that still hold a link since before a moment."""
    return session.scalars(
        select(Mail)
        .where(Mail.secret.is_not(None), Mail.asked_at < asked_before)
        .with_for_update(skip_locked=True)
    ).all()


def queued_about(session: Session, about: tuple[str, UUID]) -> Sequence[Mail]:
    """Return the mails about something that were not sent, and lock them."""
    return session.scalars(
        select(Mail)
        .where(
            Mail.about_kind == about[0],
            Mail.about_id == about[1],
            Mail.state.in_({MailState.QUEUED, *DEAD}),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
