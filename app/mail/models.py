"""The table of mails: to whom, of which kind, about what, and how far."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, JsonObject, one_of


class Kind(StrEnum):
    """What a letter tells."""

    APPROVAL = "approval"  # A release waits for another person's approval.
    DEADLINE = "deadline"  # What was promised in a dispute is due soon, or overdue.
    RELEASE_LINK = "release_link"  # To the recipient of a release: its link.
    LINK_ENDED = "link_ended"  # To whoever asked for a release: it has ended.
    ALARM = "alarm"  # Something that is kept is not what came in.
    CHECKPOINT = "checkpoint"  # The signed head of the ledger, to be held elsewhere.
    RECOVERY = "recovery"  # A link by which a person sets a password.
    REQUEST_LINK = "request_link"  # A link by which a client sends what he was asked for.


class MailState(StrEnum):
    """How far a mail has come."""

    QUEUED = "queued"  # It waits for its job, or for the next try.
    SENT = "sent"  # The server has taken it.
    REFUSED = "refused"  # The server will not take it, now or later.
    GIVEN_UP = "given_up"  # The server could not be reached in all attempts.
    WITHDRAWN = "withdrawn"  # What it told of is over, or the person has gone.
    SKIPPED = "skipped"  # No mail server was configured.


DEAD = frozenset({MailState.REFUSED, MailState.GIVEN_UP})
"""What somebody has to look at."""


class Mail(Base):
    """One letter to one person. `facts` are codes and moments, `secret` a sealed link until then.

    `address_sha256` is of a contact's address when the letter was asked for: to another address
    nothing is sent. `occasion` parts letters of one kind about one thing. `fault` is what the
    server said last, as a code.
    """

    __tablename__ = "mails"
    __table_args__ = (
        CheckConstraint(one_of("kind", Kind), name="kind"),
        CheckConstraint(one_of("state", MailState), name="state"),
        CheckConstraint("num_nonnulls(user_id, contact_id) = 1", name="one_recipient"),
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent"),
        CheckConstraint(
            "secret IS NULL OR state IN ('queued', 'refused', 'given_up')", name="secret"
        ),
        CheckConstraint("(contact_id IS NULL) = (address_sha256 IS NULL)", name="address"),
        Index(
            "uq_mails_once",
            "kind",
            "about_kind",
            "about_id",
            "occasion",
            "user_id",
            "contact_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_mails_about", "about_kind", "about_id"),
        Index("ix_mails_open", "asked_at", postgresql_where="state NOT IN ('sent', 'withdrawn')"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    contact_id: Mapped[UUID | None] = mapped_column(ForeignKey("contacts.id"))
    address_sha256: Mapped[bytes | None]
    language: Mapped[str]
    about_kind: Mapped[str]
    about_id: Mapped[UUID]
    occasion: Mapped[str] = mapped_column(server_default=text("''"))
    facts: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
    secret: Mapped[bytes | None]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    fault: Mapped[str | None]
    asked_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
