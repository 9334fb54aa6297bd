"""What sources tell of calls, what people say of gaps, and what is answered."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from app.core.moments import Day, Milliseconds, Moment
from app.core.text import LongText
from app.feeds.models import Disposition, ExceptionKind, GapKind
from app.feeds.reasons import BY_PERSON, BY_SENDER, GapReason
from app.identity.agents import normalised
from app.recordings.models import Direction
from app.recordings.schemas import CallId, Line

MAX_CALLS = 1000
_MOST_CALLS_A_DAY = 1_000_000
Count = Annotated[int, Field(ge=0, le=_MOST_CALLS_A_DAY)]
Words = Annotated[LongText, StringConstraints(min_length=3, max_length=1000)]


def _by_sender(reason: GapReason) -> GapReason:
    if reason not in BY_SENDER:
        raise ValueError(f"a sender says one of {', '.join(sorted(BY_SENDER))}")
    return reason


def _by_person(reason: GapReason) -> GapReason:
    if reason not in BY_PERSON:
        raise ValueError(f"a person says one of {', '.join(sorted(BY_PERSON))}")
    return reason


SenderReason = Annotated[GapReason, AfterValidator(_by_sender)]
PersonReason = Annotated[GapReason, AfterValidator(_by_person)]


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CallTold(_Told):
    """A call that took place. `call_id` is told again with the same call.

    `talk_ms` is from the answer to the end; `linked_id` is what all rows of one call share.
    """

    call_id: CallId
    linked_id: CallId | None = None
    started_at: Moment
    duration_ms: Milliseconds
    talk_ms: Milliseconds = 0
    direction: Direction
    from_party: Annotated[Line | None, Field(alias="from")] = None
    to_party: Annotated[Line | None, Field(alias="to")] = None
    line: Line | None = None
    agent: Annotated[Line | None, AfterValidator(normalised)] = None
    disposition: Disposition
    not_recorded: SenderReason | None = None
    raw_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.talk_ms > self.duration_ms:
            raise ValueError("talk_ms is part of duration_ms")
        return self


class CallsTold(_Told):
    calls: Annotated[tuple[CallTold, ...], Field(min_length=1, max_length=MAX_CALLS)]

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        if len({call.call_id for call in self.calls}) != len(self.calls):
            raise ValueError("a call is told once in a request")
        return self


class CallTaken(BaseModel):
    """What became of one call: `version` is that of what was told, `current` the one in force."""

    call_id: str
    result: Literal["new", "corrected", "repeated"]
    version: int
    current: int


class CallsTaken(BaseModel):
    new: int
    corrected: int
    repeated: int
    items: list[CallTaken]


class CounterTold(_Told):
    """What a device counted on a day of the office. What it did not record it says why."""

    day: Day
    calls: Count
    recorded: Count
    not_recorded: dict[SenderReason, Count] = {}

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.recorded + sum(self.not_recorded.values()) > self.calls:
            raise ValueError("recorded and not_recorded together are no more than calls")
        return self


class CounterTaken(BaseModel):
    result: Literal["new", "corrected", "repeated"]
    version: int
    current: int


class ReasonRead(BaseModel):
    """A reason in words. `by` says who may give it."""

    code: GapReason
    title: str
    help: str
    by: list[Literal["sender", "person", "rule"]]
    is_alarm: bool


class GapRead(BaseModel):
    """Something that is missing. `words` are those of the person who explained it."""

    id: UUID
    kind: GapKind
    day: date
    at: AwareDatetime
    source: str
    call_id: str | None
    recording: UUID | None
    counted: int | None
    direction: Direction | None
    number: str | None
    line: str | None
    agent: str | None
    talk_ms: int | None
    reason: GapReason
    found_reason: GapReason
    words: str | None
    explained_by: UUID | None
    explained_at: AwareDatetime | None
    found_at: AwareDatetime
    closed_at: AwareDatetime | None


class GapPage(BaseModel):
    items: list[GapRead]
    next: str | None


class GapExplain(_Told):
    reason: PersonReason
    words: Words


class DayRead(BaseModel):
    """The newest statement of a day, in figures."""

    day: date
    version: int
    made_at: AwareDatetime
    calls: int
    answered: int
    recordings: int
    matched: int
    not_answered: int
    gaps: dict[str, int]
    alarms: int
    sha256: str


class DayList(BaseModel):
    """Days by the newest first; `pending` are over and not looked at as they now are."""

    items: list[DayRead]
    pending: list[date]


class VersionRead(BaseModel):
    version: int
    made_at: AwareDatetime
    sha256: str
    note: str


class StatementRead(BaseModel):
    """A day's statement: what it says, the note that is signed over its digest, all versions."""

    statement: dict[str, Any]
    sha256: str
    note: str
    entry: UUID
    versions: list[VersionRead]
    gaps: list[GapRead]


class ExceptionWrite(_Told):
    """That calls of a device, line or direction are not recorded for a while."""

    kind: ExceptionKind
    device: Line | None = None
    line: Line | None = None
    direction: Direction | None = None
    since: Moment
    until: Moment | None = None
    words: Words

    @model_validator(mode="after")
    def _narrowed(self) -> Self:
        if not (self.device or self.line or self.direction):
            raise ValueError("name a device, a line or a direction")
        if self.until is not None and self.until <= self.since:
            raise ValueError("until lies after since")
        return self


class ExceptionEnd(_Told):
    until: Moment
    words: Words


class ExceptionRead(BaseModel):
    id: UUID
    kind: ExceptionKind
    device: str | None
    line: str | None
    direction: Direction | None
    since: AwareDatetime
    until: AwareDatetime | None
    words: str
    set_by: UUID
    set_at: AwareDatetime


class ExceptionList(BaseModel):
    items: list[ExceptionRead]
