"""The tables of webhooks: endpoints, happenings, deliveries, attempts, and how far was read."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, JsonObject, one_of


class Kind(StrEnum):
    """What can be told."""

    RECORDING_KEPT = "recording.kept"
    RECORDING_LEG_KEPT = "recording.leg_kept"
    RECORDING_LINKED = "recording.linked"
    RECORDING_FLAGGED = "recording.flagged"
    RECORDING_ERASED = "recording.erased"
    SCREENSHOT_KEPT = "screenshot.kept"
    SCREENSHOT_ERASED = "screenshot.erased"
    RELEASE_GRANTED = "release.granted"
    RELEASE_VIEWED = "release.viewed"
    RELEASE_REVOKED = "release.revoked"
    GAP_FOUND = "gap.found"


class EndpointState(StrEnum):
    """Whether an endpoint is told anything."""

    ON = "on"
    OFF = "off"  # It has answered that it is gone for good.
    REMOVED = "removed"


class DeliveryState(StrEnum):
    """How far a delivery has come."""

    WAITING = "waiting"  # For its first attempt or the next one.
    DELIVERED = "delivered"
    DEAD = "dead"  # All attempts were in vain; somebody may replay it.
    DROPPED = "dropped"  # Its endpoint was removed before.


class Fault(StrEnum):
    """Why an attempt was in vain."""

    STATUS = "status"  # It answered, but not by 2xx.
    REDIRECT = "redirect"
    GONE = "gone"
    SLOW = "slow"
    UNREACHABLE = "unreachable"
    UNRESOLVED = "unresolved"
    ADDRESS = "address"  # The rules of outgoing requests forbid it.


class Endpoint(Base):
    """An address that is told, and its secret, sealed.

    `from_seq` is the first number of the ledger that it is told of. `previous_secret` signs too
    until `previous_until`.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint(one_of("state", EndpointState), name="state"),
        CheckConstraint("cardinality(kinds) > 0", name="kinds"),
        CheckConstraint("(state = 'removed') = (secret IS NULL)", name="secret"),
        CheckConstraint("(previous_secret IS NULL) = (previous_until IS NULL)", name="previous"),
        Index(
            "uq_webhook_endpoints_name", "name", unique=True, postgresql_where="state <> 'removed'"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    url: Mapped[str]
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text))
    state: Mapped[str]
    secret: Mapped[bytes | None]
    previous_secret: Mapped[bytes | None]
    previous_until: Mapped[datetime | None]
    from_seq: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class Happening(Base):
    """One thing that happened, as it is told. `seq` is its number in the ledger, if it has one."""

    __tablename__ = "webhook_happenings"
    __table_args__ = (CheckConstraint(one_of("kind", Kind), name="kind"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    data: Mapped[JsonObject]
    seq: Mapped[int | None] = mapped_column(BigInteger, unique=True)


class Delivery(Base):
    """A happening on its way to an endpoint.

    Whoever begins an attempt moves `next_at` ahead by more than it can last: if he is killed, the
    next one begins then. `attempts` are those begun since the delivery was asked for or replayed.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("happening_id", "endpoint_id"),
        CheckConstraint(one_of("state", DeliveryState), name="state"),
        CheckConstraint("(state = 'waiting') = (next_at IS NOT NULL)", name="next"),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="ended"),
        Index(
            "ix_webhook_deliveries_due",
            "endpoint_id",
            "next_at",
            postgresql_where="state = 'waiting'",
        ),
        Index("ix_webhook_deliveries_log", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_ended", "ended_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    happening_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_happenings.id"))
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id"))
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    happening: Mapped[Happening] = relationship(lazy="raise")
    tries: Mapped[list[Attempt]] = relationship(
        lazy="raise", order_by="Attempt.id", passive_deletes=True
    )


class Attempt(Base):
    """One try: what was answered within which time, and the first bytes of the answer."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        CheckConstraint(one_of("fault", Fault), name="fault"),
        CheckConstraint("fault IS NOT NULL OR status BETWEEN 200 AND 299", name="outcome"),
        Index("ix_webhook_attempts_delivery", "delivery_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE")
    )
    at: Mapped[datetime]
    status: Mapped[int | None]
    ms: Mapped[int]
    fault: Mapped[str | None]
    answer: Mapped[bytes]


class Progress(Base):
    """The first number of the ledger's sequence that was not read yet. One row."""

    __tablename__ = "webhook_progress"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
