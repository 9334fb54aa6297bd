"""The background jobs of mail: sending one letter, and forgetting links that were not sent."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from email.message import EmailMessage
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.custody.models import Checkpoint
from app.mail import letters, queries, service, smtp, wording
from app.mail.letters import Told
from app.mail.models import Kind, Mail, MailState
from app.mail.smtp import MailRefused, MailServerAway
from app.settings import Settings

MOST_ATTEMPTS = 11
"""The pauses between them grow threefold: together a day and a half."""

_log = structlog.get_logger()


class Tools(Protocol):
    """What these jobs need of the worker's tools."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...


def handle_send(tools: Tools, mail_id: str) -> None:
    """Send a mail that waits, once; no transaction is open while the server is talked to.

    Raises:
        MailServerAway: the server takes nothing now; the queue tries again later.
    """
    with tools.database.transaction() as session:
        message = _prepared(session, tools, UUID(mail_id))
    if message is None:
        return
    state, fault = MailState.SENT, None
    try:
        smtp.deliver(tools.settings, message)
    except MailRefused as exc:
        state, fault = MailState.REFUSED, exc.fault
    except MailServerAway as exc:
        if not _is_last(tools, UUID(mail_id), exc.detail):
            raise
        state, fault = MailState.GIVEN_UP, exc.detail
    with tools.database.transaction() as session:
        row = session.get_one(Mail, UUID(mail_id), with_for_update=True)
        sent_at = tools.clock.now() if state is MailState.SENT else None
        service.end(row, state, fault=fault, at=sent_at)
    _log.info("mail.tried", mail_id=mail_id, state=state, fault=fault)


def handle_forget(tools: Tools) -> None:
    """Forget the links of mails that were not sent within a week."""
    with tools.database.transaction() as session:
        service.forget_links(session, at=tools.clock.now())


def _prepared(session: Session, tools: Tools, mail_id: UUID) -> EmailMessage | None:
    """Return the letter that is still to be sent, and count the attempt."""
    row = session.get(Mail, mail_id, with_for_update=True)
    if row is None or row.state != MailState.QUEUED:
        return None
    if tools.settings.smtp_host is None:
        service.end(row, MailState.SKIPPED)
        return None
    address = _address(session, row)
    if address is None:
        service.end(row, MailState.WITHDRAWN, fault="no address")
        return None
    if _is_over(row, at=tools.clock.now()):
        service.end(row, MailState.WITHDRAWN, fault="too late")
        return None
    row.attempts += 1
    words = wording.load(row.language, tools.settings.zone)
    page = letters.page_of(
        Told(
            kind=Kind(row.kind),
            about_id=str(row.about_id),
            facts=row.facts,
            secret=service.secret_of(session, row),
            base_url=tools.settings.base_url,
            signed=_signed(session, row),
        ),
        words,
    )
    return smtp.message_of(
        page, to=address, mail_id=row.id, settings=tools.settings, clock=tools.clock
    )


def _address(session: Session, row: Mail) -> str | None:
    """Return where a mail goes; a contact whose address was changed since gets nothing."""
    if row.user_id is not None:
        person = queries.person(session, row.user_id)
        return person.address if person else None
    contact = queries.contact(session, row.contact_id) if row.contact_id else None
    if contact is None or row.address_sha256 is None:
        return None
    digest = hashlib.sha256(contact.address.encode()).digest()
    return contact.address if hmac.compare_digest(digest, row.address_sha256) else None


def _is_over(row: Mail, *, at: datetime) -> bool:
    """Say whether the link of a mail has ended before it could be sent."""
    until = row.facts.get("until")
    return until is not None and datetime.fromisoformat(until) <= at


def _signed(session: Session, row: Mail) -> str:
    if row.kind != Kind.CHECKPOINT:
        return ""
    return session.get_one(Checkpoint, row.about_id).note


def _is_last(tools: Tools, mail_id: UUID, fault: str) -> bool:
    """Note why an attempt failed; say whether it was the last."""
    with tools.database.transaction() as session:
        row = session.get_one(Mail, mail_id, with_for_update=True)
        row.fault = fault
        return row.attempts >= MOST_ATTEMPTS
