"""The checkpoint of each month, mailed to whoever shall hold it apart from us.

Whoever has an old checkpoint can tell whether the ledger before it was changed. Mailing it is the
cheapest witness there is, and tells nothing but a number of entries and a digest.
"""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.clients.models import Contact
from app.consent.models import ContactVerification
from app.core.clock import Clock
from app.core.db import Database
from app.custody import checkpoints
from app.custody.checkpoints import LogTools
from app.custody.signing import Purpose
from app.identity.permissions import Permission
from app.mail import service as mail
from app.mail.models import Kind
from app.mail.service import Letter
from app.settings import Settings


class Tools(Protocol):
    """What this job needs of the worker's tools."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def log(self) -> LogTools: ...


def handle_monthly(tools: Tools) -> None:
    """Let the newest checkpoint be mailed, once in a month to each person."""
    whom = tools.settings.checkpoint_mail
    if whom == "none" or tools.settings.smtp_host is None:
        return
    made = checkpoints.checkpoint_now(tools.log, wants_stamp=False)
    key = tools.log.ring.keys.public(Purpose.LOG)[0]
    with tools.database.transaction() as session:
        at = tools.clock.now()
        month = f"{at.astimezone(tools.settings.zone):%Y-%m}"
        letter = Letter(
            kind=Kind.CHECKPOINT,
            about=("checkpoint", made.id),
            occasion=month,
            facts={"key": key.vkey()},
        )
        mail.to_those_with(session, Permission.RELEASE_APPROVE, letter, at=at)
        if whom == "clients":
            for contact in _directors(session):
                mail.to_contact(session, contact.id, letter, at=at)


def _directors(session: Session) -> list[Contact]:
    """Return management of clients who were verified as they now are, and have an address."""
    known = select(ContactVerification.id).where(
        ContactVerification.contact_id == Contact.id,
        ContactVerification.client_id == Contact.client_id,
        ContactVerification.contact_sha256 == func.contact_looks(Contact.id),
    )
    return list(
        session.scalars(
            select(Contact)
            .where(
                Contact.is_management,
                Contact.left_at.is_(None),
                Contact.email.is_not(None),
                known.exists(),
            )
            .order_by(Contact.id)
        )
    )
