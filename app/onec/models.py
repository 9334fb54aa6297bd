"""The tables of 1C: sources, things, how far an entity was read, and what is written back."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, JsonObject, one_of


class Kind(StrEnum):
    """What a thing is."""

    CLIENT = "client"
    CONTACT = "contact"
    CONTRACT = "contract"
    EVENT = "event"


class ThingState(StrEnum):
    """What became of what was told last of a thing."""

    TAKEN = "taken"
    REFUSED = "refused"


class Fault(StrEnum):
    """Why 1C could not be asked, or did not take what it was told."""

    ADDRESS = "address"  # The rules of outgoing requests forbid it.
    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    SLOW = "slow"
    TOO_LARGE = "too_large"
    REDIRECT = "redirect"
    CREDENTIALS = "credentials"
    FORBIDDEN = "forbidden"
    NOT_SWITCHED_ON = "not_switched_on"  # The entity or the service is not published.
    BUSY = "busy"  # 429
    BROKEN = "broken"  # 5xx
    STATUS = "status"
    UNREADABLE = "unreadable"
    SHIFTING = "shifting"  # Rows moved faster than they could be read.
    CHANGED = "changed"  # Somebody else wrote the document at each try.


class ReturnState(StrEnum):
    """How far a return has come."""

    WAITING = "waiting"
    WRITTEN = "written"
    DEAD = "dead"  # All attempts were in vain; somebody may ask for it again.


class OnecSource(Base):
    """An infobase. Without a `base_url` it sends and is asked for nothing.

    `login` holds user and password, sealed. Whoever pulls moves `held_until` ahead: if he is
    killed, the next one begins then.
    """

    __tablename__ = "onec_sources"
    __table_args__ = (
        CheckConstraint(
            "(base_url IS NULL) = (login IS NULL) OR removed_at IS NOT NULL", name="login"
        ),
        CheckConstraint(one_of("fault", Fault), name="fault"),
        Index(
            "uq_onec_sources_name", "name", unique=True, postgresql_where=text("removed_at IS NULL")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    base_url: Mapped[str | None]
    mapping: Mapped[JsonObject]
    login: Mapped[bytes | None]
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    pulled_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    held_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    fault: Mapped[str | None]
    detail: Mapped[str | None]


class OnecThing(Base):
    """A thing of a source. `told` is kept while it is refused; `needs` is the client it lacked.

    `name` is how it is known here: the external id, or the number of a contract.
    """

    __tablename__ = "onec_things"
    __table_args__ = (
        CheckConstraint(one_of("kind", Kind), name="kind"),
        CheckConstraint(one_of("state", ThingState), name="state"),
        CheckConstraint("(state = 'refused') = (told IS NOT NULL)", name="told"),
        Index(
            "ix_onec_things_refused",
            "source_id",
            "at",
            "id",
            postgresql_where=text("state = 'refused'"),
        ),
        Index(
            "ix_onec_things_needs", "source_id", "needs", postgresql_where=text("needs IS NOT NULL")
        ),
        Index("ix_onec_things_event", "event_id", postgresql_where=text("event_id IS NOT NULL")),
        Index("uq_onec_things_ref", "source_id", "kind", "ref", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(ForeignKey("onec_sources.id"))
    kind: Mapped[str]
    ref: Mapped[UUID]
    state: Mapped[str]
    version: Mapped[str | None]
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    name: Mapped[str | None]
    client: Mapped[str | None]
    entity: Mapped[str | None]
    event_id: Mapped[UUID | None] = mapped_column(ForeignKey("events.id"))
    is_marked: Mapped[bool]
    needs: Mapped[str | None]
    told: Mapped[JsonObject | None] = mapped_column(JSONB(none_as_null=True))
    reasons: Mapped[list[Any]] = mapped_column(JSONB)
    at: Mapped[datetime]


class OnecCursor(Base):
    """How far the reading of an entity is. `skip` and `anchor` are where a scan goes on.

    `changed_after` is 1C's own local moment up to which changes were seen.
    """

    __tablename__ = "onec_cursors"
    __table_args__ = (CheckConstraint(one_of("fault", Fault), name="fault"),)

    source_id: Mapped[UUID] = mapped_column(ForeignKey("onec_sources.id"), primary_key=True)
    entity: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    is_full: Mapped[bool]
    began_at: Mapped[datetime | None]
    skip: Mapped[int]
    anchor: Mapped[UUID | None]
    changed_after: Mapped[str | None]
    newest: Mapped[str | None]
    full_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    fault: Mapped[str | None]
    detail: Mapped[str | None]


class OnecReturn(Base):
    """What is to stand in a document of 1C: the addresses of the recordings of its event.

    `asked` grows with each change, so that a write under way never hides a later one.
    """

    __tablename__ = "onec_returns"
    __table_args__ = (
        CheckConstraint(one_of("state", ReturnState), name="state"),
        CheckConstraint(one_of("fault", Fault), name="fault"),
        CheckConstraint("(state = 'waiting') = (next_at IS NOT NULL)", name="next"),
        Index("ix_onec_returns_due", "next_at", postgresql_where=text("state = 'waiting'")),
    )

    thing_id: Mapped[UUID] = mapped_column(ForeignKey("onec_things.id"), primary_key=True)
    source_id: Mapped[UUID] = mapped_column(ForeignKey("onec_sources.id"), index=True)
    state: Mapped[str]
    asked: Mapped[int] = mapped_column(server_default=text("1"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime | None]
    written_at: Mapped[datetime | None]
    fault: Mapped[str | None]
    detail: Mapped[str | None]
    changed_at: Mapped[datetime]


class OnecProgress(Base):
    """The first number of the ledger's sequence that was not read yet. One row."""

    __tablename__ = "onec_progress"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
