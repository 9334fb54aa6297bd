"""What crosses the wire about disputes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from app.consent.purposes import ScreeningResult
from app.core.moments import MAX_INTEGER, Milliseconds
from app.core.text import ExternalId, LongText
from app.disputes.models import ExhibitKind
from app.disputes.redactions import Area, How, Redaction, Why, in_order
from app.disputes.rules import State
from app.disputes.work_schemas import (
    Complaint,
    ConductRead,
    Cost,
    MoveRead,
    PlanTold,
    RequestRead,
    StatementRead,
    StepRead,
)

MAX_REDACTIONS = 200


class DisputeCreate(PlanTold):
    """With whom and of what; the complaint itself can be told at once."""

    client: ExternalId
    subject: LongText
    complaint: Complaint | None = None


class RedactionWire(BaseModel):
    """A stretch that is silenced or beeped over; `channel` counts from 0, null means all."""

    from_ms: Milliseconds
    to_ms: Milliseconds
    how: How = How.SILENCE
    reason: Why
    channel: Annotated[int, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to_ms <= self.from_ms:
            raise ValueError("to_ms must be greater than from_ms")
        return self

    def redaction(self) -> Redaction:
        return Redaction(**dict(self))


def _consistent(told: list[RedactionWire]) -> list[RedactionWire]:
    in_order(one.redaction() for one in told)
    return told


Redactions = Annotated[
    list[RedactionWire], Field(max_length=MAX_REDACTIONS), AfterValidator(_consistent)
]
"""In any order. Those that are alike may overlap and become one; others must not."""


class AreaWire(BaseModel):
    """A rectangle that is blacked out, in pixels of the screenshot as it is shown."""

    x: Annotated[int, Field(ge=0, le=MAX_INTEGER)]
    y: Annotated[int, Field(ge=0, le=MAX_INTEGER)]
    w: Annotated[int, Field(gt=0, le=MAX_INTEGER)]
    h: Annotated[int, Field(gt=0, le=MAX_INTEGER)]
    reason: Why

    def area(self) -> Area:
        return Area(**dict(self))


class ExhibitRevise(BaseModel):
    """What an exhibit shows: a part and `redactions` of a recording, `areas` of a screenshot."""

    from_ms: Milliseconds = 0
    to_ms: Milliseconds | None = None
    redactions: Redactions = []
    areas: Annotated[list[AreaWire], Field(max_length=MAX_REDACTIONS)] = []
    note: LongText | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to_ms is not None and self.to_ms <= self.from_ms:
            raise ValueError("to_ms must be greater than from_ms")
        return self

    def must_suit(self, kind: ExhibitKind) -> None:
        """Raise ValueError where something is told of what the exhibit is not."""
        if kind is ExhibitKind.SCREENSHOT and (
            self.redactions or self.from_ms or self.to_ms is not None
        ):
            raise ValueError("a screenshot has areas, no part and no redactions")
        if kind is ExhibitKind.RECORDING and self.areas:
            raise ValueError("a recording has redactions, no areas")


class ExhibitCreate(ExhibitRevise):
    """Either a recording or a screenshot."""

    recording_id: UUID | None = None
    screenshot_id: UUID | None = None

    @model_validator(mode="after")
    def _one_object(self) -> Self:
        if (self.recording_id is None) == (self.screenshot_id is None):
            raise ValueError("an exhibit is of one recording or of one screenshot")
        self.must_suit(
            ExhibitKind.SCREENSHOT if self.recording_id is None else ExhibitKind.RECORDING
        )
        return self


class ExhibitRead(BaseModel):
    id: UUID
    kind: str
    recording_id: UUID | None
    screenshot_id: UUID | None
    from_ms: int
    to_ms: int | None
    redactions: list[RedactionWire]
    areas: list[AreaWire]
    replaces: UUID | None
    note: str | None
    added_by: UUID
    at: datetime


class ExhibitRemove(BaseModel):
    """Why an exhibit is taken out."""

    reason: Annotated[LongText, StringConstraints(strip_whitespace=True)]


class ExhibitScreening(BaseModel):
    """What is seen in a screenshot whose areas are black as the exhibit says."""

    result: ScreeningResult
    note: LongText | None = None


class ExhibitScreened(BaseModel):
    """`areas` were black; what was seen holds of no picture that shows more, or hides less."""

    id: UUID
    result: ScreeningResult
    areas: list[AreaWire]
    screened_by: UUID
    at: datetime


class DisputeBrief(BaseModel):
    """A line of the list of disputes."""

    id: UUID
    client: str
    client_name: str
    subject: str
    state: State
    owner_id: UUID
    owner: str
    due_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None


class DisputePage(BaseModel):
    """A page of disputes; `next` is the cursor of the next page, if any."""

    items: list[DisputeBrief]
    next: str | None


class Board(BaseModel):
    """How many disputes stand in each state."""

    counts: dict[State, int]
    total: int


class DisputeRead(BaseModel):
    """A dispute with all that belongs to it.

    `allowed` is where the asker may move it, `people` the names of those named by an id.
    """

    id: UUID
    client: str
    client_name: str
    subject: str
    state: State
    allowed: list[State]
    event_id: UUID | None
    period_from: datetime | None
    period_to: datetime | None
    owner_id: UUID
    due_at: datetime | None
    opened_by: UUID
    opened_at: datetime
    closed_at: datetime | None
    exhibits: list[ExhibitRead]
    statements: list[StatementRead]
    steps: list[StepRead]
    requests: list[RequestRead]
    conducts: list[ConductRead]
    moves: list[MoveRead]
    cost: Cost
    releases: list[UUID]
    people: dict[UUID, str]
