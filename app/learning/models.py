"""The tables of the library, of forms and appraisals, and of calibrations."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Text, desc, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base
from app.identity.agents import AgentRef


class ExemplaryCall(Base):
    """A call worth hearing: why, what it is about, and from which place on.

    The words go when the recording is erased; the row stays.
    """

    __tablename__ = "exemplary_calls"
    __table_args__ = (
        CheckConstraint("start_ms >= 0", name="start"),
        CheckConstraint("(removed_at IS NULL) = (removed_by IS NULL)", name="removed"),
        Index(
            "uq_exemplary_calls_recording",
            "recording_id",
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
        Index("ix_exemplary_calls_added", desc("added_at"), desc("id")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))
    title: Mapped[str]
    why: Mapped[str]
    topics: Mapped[list[str]] = mapped_column(ARRAY(Text))
    start_ms: Mapped[int]
    added_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    added_at: Mapped[datetime]
    removed_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    removed_at: Mapped[datetime | None]


class CallForm(Base):
    """A version of a form by which calls are appraised; it never changes.

    `questions` is a list of `key`, `text`, `weight` and `is_critical`. Whether the form is offered
    any more is said by its newest version.
    """

    __tablename__ = "call_forms"
    __table_args__ = (
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("pass_percent BETWEEN 0 AND 100", name="pass_percent"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    pass_percent: Mapped[int]
    questions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    is_offered: Mapped[bool]
    made_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime]


class Calibration(Base):
    """One call that several people appraise; until it is closed nobody sees the others' answers."""

    __tablename__ = "calibrations"
    __table_args__ = (
        ForeignKeyConstraint(["form_id", "form_version"], ["call_forms.id", "call_forms.version"]),
        CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name="closed"),
        Index("ix_calibrations_opened", desc("opened_at"), desc("id")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))
    form_id: Mapped[UUID]
    form_version: Mapped[int]
    opened_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    opened_at: Mapped[datetime]
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    closed_at: Mapped[datetime | None]


class Appraisal(Base):
    """A form filled for a call. `agent` is whom it is about, as the call named him then.

    `answers` has by key of a question an `answer` and a `note`. The notes go when the recording is
    erased. It is never changed: another of its author `replaces` it, and then the database says
    since when.
    """

    __tablename__ = "appraisals"
    __table_args__ = (
        ForeignKeyConstraint(["form_id", "form_version"], ["call_forms.id", "call_forms.version"]),
        CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
        Index("ix_appraisals_recording", "recording_id", "made_at"),
        Index("ix_appraisals_agent", "agent", desc("made_at"), desc("id")),
        Index(
            "uq_appraisals_calibration",
            "calibration_id",
            "made_by",
            unique=True,
            postgresql_where=text("calibration_id IS NOT NULL AND replaced_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))
    agent: Mapped[str | None] = mapped_column(AgentRef)
    form_id: Mapped[UUID]
    form_version: Mapped[int]
    calibration_id: Mapped[UUID | None] = mapped_column(ForeignKey("calibrations.id"))
    answers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    note: Mapped[str | None]
    percent: Mapped[int | None]
    failed: Mapped[list[str]] = mapped_column(ARRAY(Text))
    is_passed: Mapped[bool]
    made_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime]
    replaces: Mapped[UUID | None] = mapped_column(ForeignKey("appraisals.id"), unique=True)
    replaced_at: Mapped[datetime | None]


class AppraisalReply(Base):
    """The agent has read his appraisal, and what he says of it, if anything."""

    __tablename__ = "appraisal_replies"

    appraisal_id: Mapped[UUID] = mapped_column(ForeignKey("appraisals.id"), primary_key=True)
    by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]
    words: Mapped[str | None]
