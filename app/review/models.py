"""The tables of review: claims, batches, sample periods and what samples found."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, JsonObject, one_of
from app.review.rules import Queue


class BatchVerdict(StrEnum):
    """What can be said of a whole batch."""

    VERIFY = "verify"
    REJECT = "reject"


class CheckVerdict(StrEnum):
    """What a person found of a notice that was verified automatically."""

    RIGHT = "right"
    WRONG = "wrong"


class ReviewClaim(Base):
    """Who has taken an item, and until when it is his. One row per item, taken over at its end."""

    __tablename__ = "review_claims"
    __table_args__ = (CheckConstraint(one_of("queue", Queue), name="queue"),)

    queue: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    claimed_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ReviewNote(Base):
    """That a person has taken note of an item that only asks for it. Inserted only."""

    __tablename__ = "review_notes"
    __table_args__ = (CheckConstraint(one_of("queue", Queue), name="queue"),)

    queue: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    noted_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    note: Mapped[str]
    at: Mapped[datetime]


class ReviewAsk(Base):
    """That somebody asked those who review to look at a recording, and at what.

    It waits until a note says what came of it. The words go when the recording is erased.
    """

    __tablename__ = "review_asks"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    words: Mapped[str | None]
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    asked_at: Mapped[datetime]


class ReviewBatch(Base):
    """A frozen list of evidence of one kind. Only the verdict is added, once.

    `pick_seed` draws what must be opened; it is made with the list and never chosen by anybody.
    """

    __tablename__ = "review_batches"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        CheckConstraint("octet_length(pick_seed) = 32", name="pick_seed"),
        CheckConstraint(one_of("verdict", BatchVerdict), name="verdict"),
        CheckConstraint("num_nonnulls(verdict, decided_by, decided_at) IN (0, 3)", name="decided"),
        CheckConstraint("num_nonnulls(undone_by, undone_at) IN (0, 2)", name="undone"),
        CheckConstraint("undone_at IS NULL OR decided_at IS NOT NULL", name="undone_later"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    query: Mapped[JsonObject]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    pick_seed: Mapped[bytes] = mapped_column(LargeBinary(32))
    made_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime]
    verdict: Mapped[str | None]
    reason: Mapped[str | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]
    undone_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    undone_at: Mapped[datetime | None]


class ReviewBatchItem(Base):
    """One piece of evidence of a batch. Inserted only.

    `must_be_opened` was drawn when the list was frozen.
    """

    __tablename__ = "review_batch_items"

    batch_id: Mapped[UUID] = mapped_column(ForeignKey("review_batches.id"), primary_key=True)
    assertion_id: Mapped[UUID] = mapped_column(
        ForeignKey("assertions.id"), primary_key=True, index=True
    )
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))
    must_be_opened: Mapped[bool]


class SamplePeriod(Base):
    """How the sample of a period is drawn, published before it begins. Inserted only.

    A sample that finds more than `error_percent` wrong, of at least `least_checked`, has failed.
    """

    __tablename__ = "review_sample_periods"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="period"),
        CheckConstraint("published_at <= starts_at", name="published_before"),
        CheckConstraint("octet_length(seed) = 32", name="seed"),
        CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
        CheckConstraint("error_percent BETWEEN 0 AND 100", name="error_percent"),
        CheckConstraint("least_checked > 0", name="least_checked"),
        CheckConstraint("num_nonnulls(low, high) IN (0, 2) AND high >= low", name="band"),
        Index("uq_review_sample_periods_starts_at", "starts_at", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    seed: Mapped[bytes] = mapped_column(LargeBinary(32))
    percent: Mapped[int]
    low: Mapped[float | None]
    high: Mapped[float | None]
    error_percent: Mapped[int]
    least_checked: Mapped[int]
    published_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    published_at: Mapped[datetime]


class SampleCheck(Base):
    """What a person found of one drawn notice. Inserted only; each notice is checked once."""

    __tablename__ = "review_sample_checks"
    __table_args__ = (
        CheckConstraint(one_of("verdict", CheckVerdict), name="verdict"),
        CheckConstraint("verdict = 'right' OR coalesce(btrim(reason), '') <> ''", name="reason"),
        ForeignKeyConstraint(["text_id", "version"], ["notice_texts.id", "notice_texts.version"]),
        Index("ix_review_sample_checks_version", "period_id", "text_id", "version"),
    )

    assertion_id: Mapped[UUID] = mapped_column(ForeignKey("assertions.id"), primary_key=True)
    period_id: Mapped[UUID] = mapped_column(ForeignKey("review_sample_periods.id"))
    text_id: Mapped[UUID]
    version: Mapped[int]
    verdict: Mapped[str]
    reason: Mapped[str | None]
    checked_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]
