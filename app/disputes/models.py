"""The tables of disputes and their exhibits."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, desc, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base


class Dispute(Base):
    """Something that a client blames us for, or we the client."""

    __tablename__ = "disputes"
    __table_args__ = (Index("ix_disputes_client", "client_id", desc("opened_at"), desc("id")),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"))
    subject: Mapped[str]
    opened_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    exhibits: Mapped[list[Exhibit]] = relationship(lazy="raise", order_by="Exhibit.at")


class Exhibit(Base):
    """A recording in a dispute, from `from_ms` until `to_ms` (null: its end)."""

    __tablename__ = "exhibits"
    __table_args__ = (
        CheckConstraint("from_ms >= 0 AND (to_ms IS NULL OR to_ms > from_ms)", name="segment"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"), index=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    from_ms: Mapped[int] = mapped_column(server_default=text("0"))
    to_ms: Mapped[int | None]
    note: Mapped[str | None]
    added_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]
