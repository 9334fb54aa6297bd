"""The tables of disputes and their exhibits."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, desc, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, one_of


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


class ExhibitKind(StrEnum):
    RECORDING = "recording"
    SCREENSHOT = "screenshot"


class Exhibit(Base):
    """A recording in a dispute, from `from_ms` until `to_ms` (null: its end), or a screenshot.

    `redactions` are stretches of the recording that nobody outside hears, `areas` parts of the
    screenshot that nobody sees. An exhibit is never changed: another `replaces` it.
    """

    __tablename__ = "exhibits"
    __table_args__ = (
        CheckConstraint("from_ms >= 0 AND (to_ms IS NULL OR to_ms > from_ms)", name="segment"),
        CheckConstraint(one_of("kind", ExhibitKind), name="kind"),
        CheckConstraint(
            "(recording_id IS NOT NULL) = (kind = 'recording') "
            "AND (screenshot_id IS NOT NULL) = (kind = 'screenshot')",
            name="one_object",
        ),
        CheckConstraint(
            "jsonb_typeof(redactions) = 'array' AND jsonb_typeof(areas) = 'array' "
            "AND (kind = 'recording' OR redactions = '[]') "
            "AND (kind = 'screenshot' OR areas = '[]')",
            name="redactions",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"), index=True)
    kind: Mapped[str] = mapped_column(server_default=ExhibitKind.RECORDING)
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"), index=True)
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"), index=True)
    from_ms: Mapped[int] = mapped_column(server_default=text("0"))
    to_ms: Mapped[int | None]
    redactions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    areas: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    replaces: Mapped[UUID | None] = mapped_column(ForeignKey("exhibits.id"), unique=True)
    note: Mapped[str | None]
    added_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]
