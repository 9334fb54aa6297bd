"""Asking for mails, withdrawing them, and trying once more what could not be sent."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.errors import Conflict, NotFound
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody.ledger import DetailCipher
from app.identity import account
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.models import TokenKind
from app.identity.permissions import Permission
from app.identity.tokens import LIFETIMES
from app.mail import queries
from app.mail.models import DEAD, Kind, Mail, MailState
from app.mail.queries import Recipient

SEND = "mail.send"
SECRET_KEPT = timedelta(days=7)
_LABEL = "mail"


class MailNotFound(NotFound):
    """There is no such mail."""


class MailNotDead(Conflict):
    """Only a mail that was refused or given up is sent again; `state` says how far this one is."""


class NoAddress(Conflict):
    """The person has no address of mail."""


class MailOff(Conflict):
    """No mail server is configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is told: of which kind, about what. `secret` is a link, `facts` codes and moments."""

    kind: Kind
    about: tuple[str, UUID]
    occasion: str = ""
    secret: str | None = None
    facts: dict[str, str] = field(default_factory=dict)


def to_person(session: Session, user_id: UUID, letter: Letter, *, at: datetime) -> bool:
    """Ask for a letter to a person of the house; False where he has no address."""
    found = queries.person(session, user_id)
    return found is not None and _ask(session, found, letter, at=at)


def to_those_with(
    session: Session,
    permission: Permission,
    letter: Letter,
    *,
    but: Collection[UUID] = (),
    at: datetime,
) -> int:
    """Ask for a letter to everybody with a permission, `but` some; return to how many."""
    people = [one for one in queries.people_with(session, permission) if one.id not in but]
    return sum(_ask(session, one, letter, at=at) for one in people)


def to_contact(session: Session, contact_id: UUID, letter: Letter, *, at: datetime) -> bool:
    """Ask for a letter to a person of a client; False where he has no address."""
    found = queries.contact(session, contact_id)
    return found is not None and _ask(session, found, letter, at=at)


def withdraw(session: Session, about: tuple[str, UUID]) -> None:
    """Let nothing more be sent about what is over.

    By a statement of its own: what the caller has changed half is not written yet.
    """
    waiting = [row.id for row in queries.queued_about(session, about)]
    session.execute(
        update(Mail)
        .where(Mail.id.in_(waiting))
        .values(state=MailState.WITHDRAWN, fault=None, sent_at=None, secret=None)
    )


def end(
    row: Mail, state: MailState, *, fault: str | None = None, at: datetime | None = None
) -> None:
    """Let a mail be in a last state; its link is forgotten unless it may still be sent."""
    row.state = state
    row.fault = fault
    row.sent_at = at
    if state not in DEAD:
        row.secret = None


def again(session: Session, mail_id: UUID) -> None:
    """Let a mail be tried once more that was refused or given up.

    Raises:
        MailNotFound: there is none.
        MailNotDead: it waits, was sent, or what it told of is over.
    """
    row = session.get(Mail, mail_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise MailNotFound
    if row.state not in DEAD:
        raise MailNotDead(state=row.state)
    row.state, row.attempts, row.fault = MailState.QUEUED, 0, None
    session.flush()
    _enqueue(session, row.id)


def forget_links(session: Session, *, at: datetime) -> int:
    """Forget the links of mails that were not sent within a week; they are not sent any more."""
    rows = queries.with_old_secrets(session, asked_before=at - SECRET_KEPT)
    for row in rows:
        end(row, MailState.WITHDRAWN, fault="too old")
    session.flush()
    return len(rows)


def secret_of(session: Session, row: Mail) -> str | None:
    """Return the link of a mail that was not sent yet."""
    if row.secret is None:
        return None
    return _cipher(session).open(row.id, _LABEL, row.secret).decode()


def mail_recovery_link(
    session: Session, actor: Actor, name: str, *, base_url: str, has_server: bool, at: datetime
) -> None:
    """Make a link by which a person sets a new password, and mail it to him alone.

    Raises:
        UserNotFound: nobody who may come in has this name.
        ProofNeeded: asked for from a browser without a fresh proof.
        MailOff: there is no server to send it by.
        NoAddress: he has none.
    """
    if not has_server:
        raise MailOff
    user = identity.user_named(session, name)
    token = account.mint_recovery_link(session, actor, name, at=at)
    id_of_link = str(new_id())
    letter = Letter(
        kind=Kind.RECOVERY,
        about=("user", user.id),
        occasion=id_of_link,
        secret=account.recovery_url(base_url, token),
        facts={"until": (at + LIFETIMES[TokenKind.RECOVERY]).isoformat()},
    )
    for older in queries.queued_about(session, letter.about):
        end(older, MailState.WITHDRAWN)
    if not to_person(session, user.id, letter, at=at):
        raise NoAddress


def _ask(session: Session, to: Recipient, letter: Letter, *, at: datetime) -> bool:
    """Write a mail down and ask for its job; a letter that was asked for before is not again."""
    mail_id = new_id()
    secret = letter.secret
    sealed = _cipher(session).seal(mail_id, _LABEL, secret.encode()) if secret else None
    digest = hashlib.sha256(to.address.encode()).digest() if to.is_contact else None
    added = session.scalar(
        insert(Mail)
        .values(
            id=mail_id,
            kind=letter.kind,
            user_id=None if to.is_contact else to.id,
            contact_id=to.id if to.is_contact else None,
            address_sha256=digest,
            language=to.language,
            about_kind=letter.about[0],
            about_id=letter.about[1],
            occasion=letter.occasion,
            facts=letter.facts,
            secret=sealed,
            state=MailState.QUEUED,
            asked_at=at,
        )
        .on_conflict_do_nothing()
        .returning(Mail.id)
    )
    if added is not None:
        _enqueue(session, mail_id)
    return True


def _enqueue(session: Session, mail_id: UUID) -> None:
    job = Job(task=SEND, args={"mail_id": str(mail_id)}, lock=f"mail:{mail_id}")
    enqueue(session, job)


def _cipher(session: Session) -> DetailCipher:
    return cast("DetailCipher", session.info["detail_cipher"])
