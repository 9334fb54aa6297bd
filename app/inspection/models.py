"""The tables of what the audio tells."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, JsonObject, one_of


class LegSound(Base):
    """What a leg sounds like: figures for each channel, and where its talk is kept. Inserted only.

    When somebody talks is no small figure and goes with the sound, so it is a sealed object, whose
    key can be destroyed. A leg that was measured again has several rows; the newest counts.
    """

    __tablename__ = "leg_sounds"
    __table_args__ = (
        Index("ix_leg_sounds_leg", "leg_id", "at"),
        CheckConstraint("duration_ms >= 0", name="duration_ms"),
        CheckConstraint("jsonb_typeof(channels) = 'array'", name="channels"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    leg_id: Mapped[UUID] = mapped_column(ForeignKey("legs.id"))
    method_version: Mapped[str]
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    loudness_lufs: Mapped[float | None]
    same_channels: Mapped[bool]
    channels: Mapped[list[JsonObject]] = mapped_column(JSONB)
    talk_object_id: Mapped[UUID] = mapped_column(
        ForeignKey("sealed_objects.object_id"), unique=True
    )
    at: Mapped[datetime]


class NoticeSearch(Base):
    """A search of a leg for the notice texts: by which method and references. Inserted only.

    A leg is searched again when a reference or the method changes; what was found before stays.
    `texts` were searched for; `not_searched` has the reason for each whose reference is unusable.
    """

    __tablename__ = "notice_searches"
    __table_args__ = (Index("ix_notice_searches_leg", "leg_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    leg_id: Mapped[UUID] = mapped_column(ForeignKey("legs.id"))
    method_version: Mapped[str]
    texts: Mapped[list[str]] = mapped_column(ARRAY(Text))
    not_searched: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    is_whole: Mapped[bool]
    decoder: Mapped[str]
    at: Mapped[datetime]


class NoticeHit(Base):
    """One playing of a notice text, as a search found it. Inserted only.

    Times are in milliseconds from the first sample of the leg; `share` is the part of the
    reference's speech that was heard.
    """

    __tablename__ = "notice_hits"
    __table_args__ = (
        ForeignKeyConstraint(
            ["text_id", "text_version"],
            ["notice_texts.id", "notice_texts.version"],
        ),
        CheckConstraint("0 <= start_ms AND start_ms < end_ms", name="span"),
        CheckConstraint("share BETWEEN 0 AND 1", name="share"),
        CheckConstraint("NOT complete OR (verdict = 'full' AND share >= 0.9)", name="complete"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    search_id: Mapped[UUID] = mapped_column(ForeignKey("notice_searches.id"), index=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    text_id: Mapped[UUID]
    text_version: Mapped[int]
    channel: Mapped[int]
    start_ms: Mapped[int]
    end_ms: Mapped[int]
    share: Mapped[float]
    score: Mapped[float]
    complete: Mapped[bool]
    verdict: Mapped[str]
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    clock_ppm: Mapped[float]
    heard: Mapped[list[dict[str, int]]] = mapped_column(JSONB)
    reference_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))


class JoinedSound(Base):
    """The two directions of a call in one playable file: sent left, received right. Inserted only.

    It holds for as long as neither leg was looked into again since; the newest counts.
    """

    __tablename__ = "joined_sounds"

    object_id: Mapped[UUID] = mapped_column(
        ForeignKey("sealed_objects.object_id"), primary_key=True
    )
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    sent_leg_id: Mapped[UUID] = mapped_column(ForeignKey("legs.id"))
    received_leg_id: Mapped[UUID] = mapped_column(ForeignKey("legs.id"))
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    decoder: Mapped[str]
    at: Mapped[datetime]


class RunReason(StrEnum):
    """Why old recordings are searched again."""

    TEXT = "text"
    METHOD = "method"
    REQUEST = "request"


class RunState(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class SearchRun(Base):
    """A walk through the old recordings, the newest first: its scope, its place and its counts.

    Recordings are counted, not legs. `total` is null until they have been counted, `batch` numbers
    the jobs of the run, of which only the current one does anything. `place_at` and `place_id` are
    the last recording that was passed; `trying_id` is in work, for the `tries`th time.
    """

    __tablename__ = "search_runs"
    __table_args__ = (
        CheckConstraint(one_of("reason", RunReason), name="reason"),
        CheckConstraint(one_of("state", RunState), name="state"),
        CheckConstraint("num_nonnulls(text_id, text_version) IN (0, 2)", name="text"),
        CheckConstraint("num_nonnulls(place_at, place_id) IN (0, 2)", name="place"),
        CheckConstraint("(state = 'running') = (ended_at IS NULL)", name="ended"),
        ForeignKeyConstraint(
            ["text_id", "text_version"], ["notice_texts.id", "notice_texts.version"]
        ),
        Index("ix_search_runs_begun", "begun_at", "id"),
        Index(
            "uq_search_runs_text",
            "text_id",
            "text_version",
            unique=True,
            postgresql_where="reason = 'text'",
        ),
        Index(
            "uq_search_runs_method",
            "method_version",
            unique=True,
            postgresql_where="reason = 'method'",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reason: Mapped[str]
    state: Mapped[str]
    method_version: Mapped[str]
    text_id: Mapped[UUID | None]
    text_version: Mapped[int | None]
    since: Mapped[datetime | None]
    is_whole: Mapped[bool]
    begun_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    begun_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    total: Mapped[int | None]
    done: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    found_complete: Mapped[int] = mapped_column(server_default="0")
    found_partial: Mapped[int] = mapped_column(server_default="0")
    differing: Mapped[int] = mapped_column(server_default="0")
    busy_ms: Mapped[int] = mapped_column(BigInteger, server_default="0")
    batch: Mapped[int] = mapped_column(server_default="0")
    place_at: Mapped[datetime | None]
    place_id: Mapped[UUID | None]
    trying_id: Mapped[UUID | None]
    tries: Mapped[int] = mapped_column(server_default="0")


class SearchFailure(Base):
    """That a run could not search a recording, and why. Inserted only."""

    __tablename__ = "search_failures"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("search_runs.id"), primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(
        ForeignKey("recordings.id"), primary_key=True, index=True
    )
    reason: Mapped[str]
    at: Mapped[datetime]


class DifferenceKind(StrEnum):
    """How a search differs from a verdict."""

    HEARD = "heard"
    NOT_HEARD = "not_heard"


class NoticeDifference(Base):
    """That a later search contradicts what was settled. Inserted only; the verdict stands.

    `heard`: put aside by people, and now heard completely. `not_heard`: rests on a playing that the
    search does not find any more. One of a kind for a piece of evidence and method.
    """

    __tablename__ = "notice_differences"
    __table_args__ = (
        CheckConstraint(one_of("kind", DifferenceKind), name="kind"),
        CheckConstraint("(kind = 'heard') = (hit_id IS NOT NULL)", name="hit"),
        Index("ix_notice_differences_recording", "recording_id"),
        Index("uq_notice_differences_one", "assertion_id", "kind", "method_version", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))
    assertion_id: Mapped[UUID] = mapped_column(ForeignKey("assertions.id"))
    kind: Mapped[str]
    status: Mapped[str]
    by_person: Mapped[bool]
    method_version: Mapped[str]
    search_id: Mapped[UUID] = mapped_column(ForeignKey("notice_searches.id"))
    hit_id: Mapped[UUID | None] = mapped_column(ForeignKey("notice_hits.id"))
    at: Mapped[datetime]
