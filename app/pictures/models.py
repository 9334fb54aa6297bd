"""The table of what was found in pictures."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.clients.models import WORDS
from app.core.db import Base, one_of


class LookState(StrEnum):
    """Whether a picture could be decoded."""

    SEEN = "seen"
    UNREADABLE = "unreadable"
    DAMAGED = "damaged"


class TextState(StrEnum):
    """What became of the text in it."""

    READ = "read"
    NONE = "none"
    FAILED = "failed"
    NO_READER = "no_reader"


class PictureLook(Base):
    """What was found in a picture. Made anew at need; goes by a trigger when the picture is erased.

    `small`, `told` and `personal` are sealed: the small copy, what the metadata tell of the
    program, and what they tell of people and places. `words` is the text as a machine has read it.
    """

    __tablename__ = "picture_looks"
    __table_args__ = (
        CheckConstraint(one_of("state", LookState), name="state"),
        CheckConstraint(one_of("text_state", TextState), name="text_state"),
        CheckConstraint("(screenshot_id IS NULL) <> (document_id IS NULL)", name="of_one"),
        CheckConstraint("(state = 'seen') = (small IS NOT NULL)", name="small"),
        CheckConstraint("(text_state = 'read') = (words IS NOT NULL)", name="words"),
        Index("uq_picture_looks_screenshot", "screenshot_id", unique=True),
        Index("uq_picture_looks_document", "document_id", unique=True),
        Index("ix_picture_looks_words", text(WORDS.format("words")), postgresql_using="gin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"))
    document_id: Mapped[UUID | None] = mapped_column(ForeignKey("documents.id"))
    state: Mapped[str]
    small: Mapped[bytes | None]
    told: Mapped[bytes | None]
    personal: Mapped[bytes | None]
    text_state: Mapped[str]
    words: Mapped[str | None]
    reader: Mapped[str | None]
    looked_at: Mapped[datetime]
