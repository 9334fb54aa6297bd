"""The tables of calls, gaps and statements."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    desc,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, JsonObject, one_of
from app.feeds.reasons import GapReason
from app.identity.agents import AgentRef
from app.recordings.models import Direction


class Disposition(StrEnum):
    """How a call ended for who was called."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"
    CONGESTION = "congestion"


class MatchedBy(StrEnum):
    """How a call came to its recording."""

    CALL_ID = "call_id"  # The recording has the call's own id.
    LINKED_ID = "linked_id"  # It has the id that the exchange gives to all rows of a call.
    NUMBER = "number"  # Number, line and time; both fit nothing else.


class GapKind(StrEnum):
    """What is missing."""

    CALL = "call"  # A call has no recording.
    RECORDING = "recording"  # A recording has no call.
    COUNT = "count"  # A device's counter disagrees.


class ExceptionKind(StrEnum):
    """Why nothing is expected for a while."""

    EXCLUDED = "excluded"
    OUTAGE = "outage"


class KnownCall(Base):
    """A call as its source told it last. What was told before is in its versions.

    `talk_ms` is how long somebody talked. Rows of one call, as of a transfer, name the first of
    them in `part_of`. `not_recorded` is the source's own word that no recording is to come.
    """

    __tablename__ = "known_calls"
    __table_args__ = (
        CheckConstraint(one_of("direction", Direction), name="direction"),
        CheckConstraint(one_of("disposition", Disposition), name="disposition"),
        CheckConstraint(one_of("matched_by", MatchedBy), name="matched_by"),
        CheckConstraint(one_of("not_recorded", GapReason), name="not_recorded"),
        CheckConstraint("duration_ms >= 0 AND talk_ms >= 0", name="durations"),
        CheckConstraint("(recording_id IS NULL) = (matched_by IS NULL)", name="matched"),
        Index("ix_known_calls_call", "call_id"),
        Index("ix_known_calls_linked", "linked_id"),
        Index("uq_known_calls_call", "device_id", "call_id", unique=True),
        Index("ix_known_calls_started", "started_at"),
        Index("ix_known_calls_number", "outside_number", "started_at"),
        Index("ix_known_calls_recording", "recording_id"),
        Index("ix_known_calls_received", "device_id", desc("received_at")),
        Index(
            "uq_known_calls_recording",
            "device_id",
            "recording_id",
            unique=True,
            postgresql_where=text("recording_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    call_id: Mapped[str]
    linked_id: Mapped[str | None]
    version: Mapped[int]
    started_at: Mapped[datetime]
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    talk_ms: Mapped[int] = mapped_column(BigInteger)
    direction: Mapped[str]
    from_party: Mapped[str | None]
    to_party: Mapped[str | None]
    outside_number: Mapped[str | None]
    line: Mapped[str | None]
    agent: Mapped[str | None] = mapped_column(AgentRef)
    disposition: Mapped[str]
    not_recorded: Mapped[str | None]
    told_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    received_at: Mapped[datetime]
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"))
    matched_by: Mapped[str | None]
    part_of: Mapped[UUID | None] = mapped_column(ForeignKey("known_calls.id"))

    @property
    def is_answered(self) -> bool:
        return self.disposition == Disposition.ANSWERED


class KnownCallVersion(Base):
    """What was told of a call, each time that it was told otherwise. Inserted only."""

    __tablename__ = "known_call_versions"

    known_call_id: Mapped[UUID] = mapped_column(ForeignKey("known_calls.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    told: Mapped[JsonObject]
    told_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    received_at: Mapped[datetime]
    entry_id: Mapped[UUID]


class CallCounter(Base):
    """What a device counted on a day; the greatest version counts. Inserted only."""

    __tablename__ = "call_counters"
    __table_args__ = (
        CheckConstraint("calls >= 0 AND recorded >= 0 AND recorded <= calls", name="counts"),
        UniqueConstraint("device_id", "day", "version"),
        Index("ix_call_counters_day", "day"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    day: Mapped[date]
    version: Mapped[int]
    calls: Mapped[int]
    recorded: Mapped[int]
    not_recorded: Mapped[JsonObject]
    told_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    received_at: Mapped[datetime]
    entry_id: Mapped[UUID]

    @property
    def expected(self) -> int:
        """Return how many recordings the device has to send."""
        return self.calls - sum(int(count) for count in self.not_recorded.values())


class RefusedUpload(Base):
    """That a call's recording was sent and not taken. Inserted only."""

    __tablename__ = "refused_uploads"
    __table_args__ = (UniqueConstraint("device_id", "call_id", "refusal"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    call_id: Mapped[str]
    refusal: Mapped[str]
    status: Mapped[int]
    at: Mapped[datetime]


class RecordingException(Base):
    """That calls of a source, line or direction are not recorded for a while, and who says so."""

    __tablename__ = "recording_exceptions"
    __table_args__ = (
        CheckConstraint(one_of("kind", ExceptionKind), name="kind"),
        CheckConstraint(one_of("direction", Direction), name="direction"),
        CheckConstraint("num_nonnulls(device_id, line, direction) > 0", name="narrowed"),
        CheckConstraint("until > since", name="span"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey("devices.id"))
    line: Mapped[str | None]
    direction: Mapped[str | None]
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    words: Mapped[str]
    set_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    set_at: Mapped[datetime]


class CallGap(Base):
    """What is missing, of which day, and why. It is closed when it is missing no more.

    `reason` is a person's where one was given, else what the rules found.
    """

    __tablename__ = "call_gaps"
    __table_args__ = (
        CheckConstraint(one_of("kind", GapKind), name="kind"),
        CheckConstraint(one_of("reason", GapReason), name="reason"),
        CheckConstraint(one_of("found_reason", GapReason), name="found_reason"),
        CheckConstraint(
            "CASE kind WHEN 'call' THEN num_nonnulls(known_call_id, device_id) = 2"
            " WHEN 'recording' THEN num_nonnulls(recording_id, device_id) = 2"
            " ELSE num_nonnulls(device_id, counted) = 2 END",
            name="subject",
        ),
        Index(
            "uq_call_gaps_call",
            "known_call_id",
            unique=True,
            postgresql_where=text("kind = 'call'"),
        ),
        Index(
            "uq_call_gaps_recording",
            "recording_id",
            unique=True,
            postgresql_where=text("kind = 'recording'"),
        ),
        Index(
            "uq_call_gaps_count",
            "device_id",
            "day",
            unique=True,
            postgresql_where=text("kind = 'count'"),
        ),
        Index("ix_call_gaps_day", "day"),
        Index("ix_call_gaps_at", desc("at"), desc("id")),
        Index("ix_call_gaps_open", "reason", postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    day: Mapped[date]
    at: Mapped[datetime]
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    known_call_id: Mapped[UUID | None] = mapped_column(ForeignKey("known_calls.id"))
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"))
    counted: Mapped[int | None]
    reason: Mapped[str]
    found_reason: Mapped[str]
    words: Mapped[str | None]
    explained_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    explained_at: Mapped[datetime | None]
    found_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class ReconciledDay(Base):
    """A day of the office that is looked at; `id` is how the ledger names it."""

    __tablename__ = "reconciled_days"
    __table_args__ = (Index("ix_reconciled_days_dirty", "day", postgresql_where=text("is_dirty")),)

    day: Mapped[date] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    is_dirty: Mapped[bool]
    looked_at: Mapped[datetime | None]


class Statement(Base):
    """The signed sum of a day. Inserted only; the greatest version counts.

    `body` is canonical JSON, `note` the signed text that a bundle may hold.
    """

    __tablename__ = "call_statements"
    __table_args__ = (
        UniqueConstraint("day", "version"),
        CheckConstraint("sha256 = sha256(body)", name="digest"),
        CheckConstraint("(version = 1) = (supersedes IS NULL)", name="supersedes"),
        Index("ix_call_statements_span", "since", "until"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date]
    version: Mapped[int]
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("call_statements.id"))
    since: Mapped[datetime]
    until: Mapped[datetime]
    body: Mapped[bytes]
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    note: Mapped[str]
    entry_id: Mapped[UUID]
    made_at: Mapped[datetime]
