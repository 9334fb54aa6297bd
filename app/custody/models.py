"""The tables of the ledger."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, JsonObject


class CustodyEntry(Base):
    """One thing that happened, told without personal data. Inserted only.

    `position` grows in the order of insertion and may have gaps; a sequencer lays the gapless
    log over it. `at` is when it happened by the application's clock; `written_at` is the
    database's own, and no role can choose either it or the position.
    """

    __tablename__ = "custody_entries"
    __table_args__ = (
        CheckConstraint("outcome IN ('success', 'denied', 'failed')", name="outcome"),
        CheckConstraint("actor_kind IN ('user', 'device', 'system', 'link')", name="actor_kind"),
        Index("ix_custody_entries_object", "object_kind", "object_id", "position"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    at: Mapped[datetime]
    act: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[UUID]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_role: Mapped[str | None]
    outcome: Mapped[str]
    facts: Mapped[JsonObject]
    content_commitment: Mapped[bytes | None]
    detail_commitment: Mapped[bytes | None]
    written_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class CustodyPrivate(Base):
    """What an entry commits to, encrypted, with the salt; removed when the object is erased."""

    __tablename__ = "custody_private"
    __table_args__ = (CheckConstraint("label IN ('content', 'detail')", name="label"),)

    entry_id: Mapped[UUID] = mapped_column(ForeignKey("custody_entries.id"), primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)
    salt: Mapped[bytes]
    ciphertext: Mapped[bytes]
