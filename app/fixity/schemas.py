"""What crosses the wire of checks and locks."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel

from app.fixity.locks import Locked
from app.fixity.models import FixityCheck, ObjectLock
from app.fixity.queries import Damage


class DamageRead(BaseModel):
    """Something whose bytes are not what came in: of what kind, which part, and since when."""

    object_id: UUID
    outcome: str
    occasion: str
    found_at: AwareDatetime
    kind: str
    id: UUID
    recording_id: UUID | None
    part: str | None

    @classmethod
    def of(cls, found: Damage) -> DamageRead:
        return cls(
            object_id=found.object_id,
            outcome=found.outcome,
            occasion=found.occasion,
            found_at=found.at,
            kind=found.subject.kind,
            id=found.subject.id,
            recording_id=found.subject.recording_id,
            part=found.subject.part,
        )


class LockDifference(BaseModel):
    """A lock that the store has otherwise than it said; null where it was put right since."""

    object_id: UUID
    difference: str | None
    differed_at: AwareDatetime | None

    @classmethod
    def of(cls, row: ObjectLock) -> LockDifference:
        return cls(object_id=row.object_id, difference=row.difference, differed_at=row.differed_at)


class Damages(BaseModel):
    """The queue Q9: what is damaged and waits to be repaired, and locks that differ."""

    queue: str = "Q9"
    damaged: list[DamageRead]
    locks: list[LockDifference]


class CheckRead(BaseModel):
    """One look at an object."""

    at: AwareDatetime
    occasion: str
    outcome: str
    over: str

    @classmethod
    def of(cls, row: FixityCheck) -> CheckRead:
        return cls(at=row.at, occasion=row.occasion, outcome=row.outcome, over=row.over)


class LockRead(BaseModel):
    """How the store said that the object is locked, and when; null where nothing is claimed.

    `wants_hold` is what this house wants, `is_held` what the store confirmed.
    """

    store: Literal["supported", "not supported by the store"]
    mode: str | None
    until: AwareDatetime | None
    wants_hold: bool
    is_held: bool
    seen_at: AwareDatetime | None

    @classmethod
    def of(cls, seen: Locked, *, can_lock: bool) -> LockRead:
        return cls(
            store="supported" if can_lock else "not supported by the store",
            mode=seen.mode,
            until=seen.until,
            wants_hold=seen.wants_hold,
            is_held=seen.is_held,
            seen_at=seen.seen_at,
        )


class LegFixity(BaseModel):
    """A leg, its digest, its lock, and the newest looks at it."""

    leg: str
    sha256: str
    check_due_at: AwareDatetime
    lock: LockRead
    playable_lock: LockRead | None
    checks: list[CheckRead]


class RecordingFixity(BaseModel):
    """How whole a recording is: what its passport says of storage and checks."""

    recording_id: UUID
    damaged_since: AwareDatetime | None
    legs: list[LegFixity]
