"""The table of marks: what somebody says of a place in a recording."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.clients.models import WORDS
from app.core.db import Base, one_of


class MarkKind(StrEnum):
    """What a place is marked as."""

    PRAISE = "praise"
    MISTAKE = "mistake"
    KEY_MOMENT = "key_moment"
    COMMENT = "comment"


class Mark(Base):
    """A place in a recording and what somebody said of it; `to_ms` null: a moment.

    The words go when the recording is erased; the row stays.
    """

    __tablename__ = "marks"
    __table_args__ = (
        CheckConstraint(one_of("kind", MarkKind), name="kind"),
        CheckConstraint("from_ms >= 0 AND to_ms > from_ms", name="span"),
        Index("ix_marks_recording", "recording_id", "from_ms"),
        Index(
            "ix_marks_words",
            text(WORDS.format("note")),
            postgresql_using="gin",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))
    kind: Mapped[str]
    from_ms: Mapped[int]
    to_ms: Mapped[int | None]
    note: Mapped[str | None]
    made_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
