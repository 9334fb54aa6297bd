"""The tables of checks, locks and notes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, one_of


class Occasion(StrEnum):
    """Why an object was looked at."""

    INGEST = "ingest"  # Read back after it came in.
    DAY = "day"
    QUARTER = "quarter"
    SAMPLE = "sample"
    RELEASE = "release"
    RESTORE = "restore"
    REPAIR = "repair"


class Outcome(StrEnum):
    SUCCESS = "success"
    DAMAGED = "damaged"
    MISSING = "missing"


class Over(StrEnum):
    """What was hashed: what came in, or the sealed bytes, which needs no key."""

    PLAINTEXT = "plaintext"
    SEAL = "seal"


class FixityCheck(Base):
    """One look at an object. Inserted only; the newest one says how the object is.

    `sealed_sha256` is noted in the same reading that proved the plaintext, and only there.
    """

    __tablename__ = "fixity_checks"
    __table_args__ = (
        CheckConstraint(one_of("occasion", Occasion), name="occasion"),
        CheckConstraint(one_of("outcome", Outcome), name="outcome"),
        CheckConstraint(one_of("over", Over), name="over"),
        Index("ix_fixity_checks_object", "object_id", "at", "id"),
        Index("ix_fixity_checks_failed", "at", postgresql_where=text("outcome <> 'success'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    object_id: Mapped[UUID] = mapped_column(ForeignKey("sealed_objects.object_id"))
    occasion: Mapped[str]
    outcome: Mapped[str]
    over: Mapped[str]
    sealed_sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    at: Mapped[datetime]


class ObjectLock(Base):
    """How an object is to be locked, and how it was seen to be locked.

    `wanted_until` and `wants_hold` are the house's wish; `mode`, `locked_until` and `is_held` are
    what the store said at `seen_at`, and all that may be claimed. `difference` is what the daily
    comparison found between the two, at `differed_at`.
    """

    __tablename__ = "object_locks"
    __table_args__ = (
        CheckConstraint("mode IN ('GOVERNANCE', 'COMPLIANCE')", name="mode"),
        CheckConstraint("num_nonnulls(mode, locked_until) IN (0, 2)", name="locked"),
    )

    object_id: Mapped[UUID] = mapped_column(
        ForeignKey("sealed_objects.object_id"), primary_key=True
    )
    wanted_until: Mapped[datetime | None]
    wants_hold: Mapped[bool] = mapped_column(server_default=text("false"))
    mode: Mapped[str | None]
    locked_until: Mapped[datetime | None]
    is_held: Mapped[bool] = mapped_column(server_default=text("false"))
    seen_at: Mapped[datetime | None]
    difference: Mapped[str | None]
    differed_at: Mapped[datetime | None]


class ObjectNote(Base):
    """Which note lies beside an object: the digest of its text, and when it was written."""

    __tablename__ = "object_notes"

    object_id: Mapped[UUID] = mapped_column(
        ForeignKey("sealed_objects.object_id"), primary_key=True
    )
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    at: Mapped[datetime]
