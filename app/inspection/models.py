"""The tables of what the audio tells."""

from __future__ import annotations

from datetime import datetime
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

from app.core.db import Base, JsonObject


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
