"""What crosses the wire about the work on a dispute: plans, steps, statements, requests, hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.core.moments import Day, Moment
from app.core.text import ExternalId, LongText, Text
from app.disputes import hours, rules
from app.disputes.hours import Line, Worked
from app.disputes.models import (
    ClientUpload,
    DisputeConduct,
    DisputeHours,
    DisputeMove,
    DisputeStatement,
    DisputeStep,
    DocumentRequest,
)
from app.disputes.rules import (
    AnswerKind,
    Channel,
    Outcome,
    RequestState,
    Side,
    State,
    StatementKind,
    StepKind,
    StepState,
    UploadState,
    Urgency,
    WorkRole,
)
from app.disputes.service import Plan
from app.disputes.statements import Told
from app.disputes.steps import StepPlan

MOST_MINOR = 10**15
Money = Annotated[int, Field(ge=0, le=MOST_MINOR)]
"""An amount in the currency's minor unit, as kopecks or cents."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""A currency by its code of three letters. Source: ISO 4217."""

MOST_MINUTES = 14_400


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Complaint(_Told):
    """Who complained, when, by which way, in which words."""

    words: LongText
    said_by: Text
    said_at: Moment
    channel: Channel
    contact_id: UUID | None = None
    recording_id: UUID | None = None
    replaces: UUID | None = None

    def told(self) -> Told:
        return Told(kind=StatementKind.COMPLAINT, **dict(self))


class Finding(_Told):
    """What we found, and what shows it."""

    words: LongText
    exhibit_id: UUID | None = None
    recording_id: UUID | None = None
    replaces: UUID | None = None

    def told(self) -> Told:
        return Told(kind=StatementKind.FINDING, **dict(self))


class Verdict(_Told):
    """Whose side it was on, by a specialist: a person who works here, or somebody by his name."""

    value: Side
    words: LongText
    person_id: UUID | None = None
    said_by: Text | None = None
    said_at: Moment | None = None
    replaces: UUID | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.person_id is None) == (self.said_by is None):
            raise ValueError("a verdict names its specialist: person_id or said_by")
        return self

    def told(self) -> Told:
        return Told(kind=StatementKind.VERDICT, **dict(self))


class Basis(_Told):
    """The clause of the client's contract by which work is charged, or is not, and how much."""

    contract: Text
    clause_ref: Text
    words: LongText
    amount_minor: Money | None = None
    currency: Currency | None = None
    replaces: UUID | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.amount_minor is None) != (self.currency is None):
            raise ValueError("an amount has a currency")
        return self

    def told(self) -> Told:
        return Told(kind=StatementKind.BASIS, **dict(self))


class Answer(_Told):
    """What the client did with what it was told."""

    value: AnswerKind
    words: LongText
    said_by: Text
    said_at: Moment
    channel: Channel | None = None
    contact_id: UUID | None = None
    replaces: UUID | None = None

    def told(self) -> Told:
        return Told(kind=StatementKind.ANSWER, **dict(self))


class OutcomeTold(_Told):
    """How the dispute ended."""

    value: Outcome
    words: LongText
    replaces: UUID | None = None

    def told(self) -> Told:
        return Told(kind=StatementKind.OUTCOME, **dict(self))


class Lesson(_Told):
    """What is learnt, or who is thanked: `kind` is `lesson` or `praise`."""

    kind: Literal[StatementKind.LESSON, StatementKind.PRAISE] = StatementKind.LESSON
    words: LongText
    agent: Text | None = None
    recording_id: UUID | None = None
    replaces: UUID | None = None

    def told(self) -> Told:
        return Told(**dict(self))


class StatementRead(BaseModel):
    """A statement; `noted_by` wrote it down.

    Where nobody did, the recipient of `release_id` answered so on the page of his link, as
    `answer_id`. What is `withheld` is only kept: its words are empty.
    """

    id: UUID
    kind: StatementKind
    words: str
    value: str | None
    said_by: str | None
    said_at: AwareDatetime | None
    channel: Channel | None
    contact_id: UUID | None
    person_id: UUID | None
    agent: str | None
    exhibit_id: UUID | None
    recording_id: UUID | None
    contract_id: UUID | None
    clause_ref: str | None
    quote: str | None
    amount_minor: int | None
    currency: str | None
    replaces: UUID | None
    release_id: UUID | None
    answer_id: UUID | None
    noted_by: UUID | None
    at: AwareDatetime
    withheld: bool

    @classmethod
    def of(cls, row: DisputeStatement, *, withheld: bool = False) -> StatementRead:
        own = cls.model_fields.keys() - {"withheld"}
        told = {name: getattr(row, name) for name in own} | {"withheld": withheld}
        return cls.model_validate(told | ({"words": "", "said_by": None} if withheld else {}))


class PlanTold(_Told):
    """Who settles it, by when, the event that it is about, and the time that it is about."""

    owner_id: UUID | None = None
    due_at: Moment | None = None
    event: ExternalId | None = None
    period_from: Moment | None = None
    period_to: Moment | None = None

    def plan(self) -> Plan:
        return Plan(
            owner_id=self.owner_id,
            due_at=self.due_at,
            event=self.event,
            period_from=self.period_from,
            period_to=self.period_to,
        )


class MoveTold(_Told):
    to: State
    reason: LongText | None = None


class MoveRead(BaseModel):
    from_state: State
    to_state: State
    role: str
    reason: str | None
    moved_by: UUID
    at: AwareDatetime


class ConductTold(_Told):
    """Whose conduct it is: somebody with an account, or an agent as softphones name him."""

    user_id: UUID | None = None
    agent: Text | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if (self.user_id is None) == (self.agent is None):
            raise ValueError("either user_id or agent")
        return self


class Because(_Told):
    reason: LongText


class ConductRead(BaseModel):
    id: UUID
    user_id: UUID | None
    agent: str | None
    noted_by: UUID
    at: AwareDatetime
    cleared_by: UUID | None
    cleared_at: AwareDatetime | None
    reason: str | None


class StepPlanTold(_Told):
    owner_id: UUID | None = None
    due_at: Moment | None = None

    def plan(self) -> StepPlan:
        return StepPlan(owner_id=self.owner_id, due_at=self.due_at)


class StepTold(StepPlanTold):
    title: Text


class ResultTold(_Told):
    result: LongText


class OrderTold(_Told):
    """All steps of the dispute in their new order."""

    steps: Annotated[list[UUID], Field(max_length=500)]
    reason: LongText


class StepRead(BaseModel):
    id: UUID
    kind: StepKind
    title: str | None
    position: int
    state: StepState
    owner_id: UUID | None
    due_at: AwareDatetime | None
    result: str | None
    reason: str | None
    changed_by: UUID
    changed_at: AwareDatetime

    @classmethod
    def of(cls, row: DisputeStep) -> StepRead:
        return cls.model_validate({name: getattr(row, name) for name in cls.model_fields})


class RequestTold(_Told):
    """What exactly is asked for, of whom, by when."""

    asked: LongText
    contact_id: UUID | None = None
    due_at: Moment | None = None


class ReceivedTold(_Told):
    """The documents that came; they were uploaded before."""

    document_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]


class JudgedTold(_Told):
    """What we say of what came: `valid`, `asked_again`, or that we gave up; in words."""

    state: Literal[RequestState.VALID, RequestState.ASKED_AGAIN, RequestState.GIVEN_UP]
    words: LongText
    due_at: Moment | None = None


class LinkTold(_Told):
    days: Annotated[int, Field(ge=1, le=90)] = 14


class UploadRead(BaseModel):
    """What the client sent by the link: `words`, or a file that became a document or was refused.

    `reason` is the slug of a refusal. Of what is `withheld` or erased the words are empty.
    """

    id: UUID
    words: str | None
    file_name: str | None
    size_bytes: int | None
    state: UploadState
    reason: str | None
    document_id: UUID | None
    at: AwareDatetime
    erased_at: AwareDatetime | None
    withheld: bool

    @classmethod
    def of(cls, row: ClientUpload, *, withheld: bool) -> UploadRead:
        own = cls.model_fields.keys() - {"withheld"}
        told = {name: getattr(row, name) for name in own} | {"withheld": withheld}
        if withheld:
            told |= {"words": row.words and "", "file_name": None}
        return cls.model_validate(told)


class RequestRead(BaseModel):
    """A request; `link_until` is when the link for uploading ends, null where there is none.

    `changed_by` is null where the client sent something by the link.
    """

    id: UUID
    asked: str
    contact_id: UUID | None
    due_at: AwareDatetime | None
    state: RequestState
    words: str | None
    link_until: AwareDatetime | None
    document_ids: list[UUID]
    uploads: list[UploadRead]
    asked_by: UUID
    asked_at: AwareDatetime
    changed_by: UUID | None
    changed_at: AwareDatetime


class LinkMade(BaseModel):
    """The link's token, told this once."""

    request: RequestRead
    token: str


class RateTold(_Told):
    role: WorkRole
    hour_minor: Money
    currency: Currency
    valid_from: Day


class RateRead(BaseModel):
    id: UUID
    role: WorkRole
    hour_minor: int
    currency: str
    valid_from: date
    set_by: UUID
    at: AwareDatetime


class HoursTold(_Told):
    """Minutes of work; none, where hours noted before never were."""

    role: WorkRole
    minutes: Annotated[int, Field(ge=0, le=MOST_MINUTES)]
    worked_on: Day
    person_id: UUID | None = None
    what: LongText | None = None
    replaces: UUID | None = None

    def worked(self) -> Worked:
        return Worked(**dict(self))


class HoursRead(BaseModel):
    id: UUID
    role: WorkRole
    person_id: UUID | None
    worked_on: date
    minutes: int
    hour_minor: int | None
    currency: str | None
    cost_minor: int | None
    what: str | None
    replaces: UUID | None
    noted_by: UUID
    at: AwareDatetime

    @classmethod
    def of(cls, row: DisputeHours, cost_minor: int | None) -> HoursRead:
        names = cls.model_fields.keys() - {"cost_minor"}
        told: dict[str, Any] = {name: getattr(row, name) for name in names}
        return cls.model_validate(told | {"cost_minor": cost_minor})


class LineRead(BaseModel):
    role: WorkRole
    minutes: int
    cost_minor: dict[str, int]
    minutes_without_rate: int

    @classmethod
    def of(cls, line: Line) -> LineRead:
        return cls.model_validate({name: getattr(line, name) for name in cls.model_fields})


class Cost(BaseModel):
    """What a dispute cost, by role and in all; `total_minor` by currency."""

    lines: list[LineRead]
    hours: list[HoursRead]
    total_minor: Mapping[str, int]


class ReminderRead(BaseModel):
    id: UUID
    dispute_id: UUID
    subject_kind: Literal["dispute", "step", "request"]
    subject_id: UUID
    urgency: Urgency
    due_at: AwareDatetime
    person_id: UUID
    noted_at: AwareDatetime
    told_at: AwareDatetime | None


class HistoryRead(BaseModel):
    """A change: what the row was (null: it is new) and what it became, as it is kept."""

    id: int
    what: str
    row_id: UUID
    changed_by: UUID | None
    before: dict[str, Any] | None
    after: dict[str, Any]
    written_at: AwareDatetime


class HistoryPage(BaseModel):
    items: list[HistoryRead]
    next_after: int | None


def request_read(
    row: DocumentRequest,
    document_ids: Sequence[UUID],
    uploads: Sequence[ClientUpload],
    *,
    withheld: frozenset[UUID],
) -> RequestRead:
    """Return a request as it crosses the wire, without its token."""
    return RequestRead(
        id=row.id,
        asked=row.asked,
        contact_id=row.contact_id,
        due_at=row.due_at,
        state=RequestState(row.state),
        words=row.words,
        link_until=row.token_expires_at,
        document_ids=list(document_ids),
        uploads=[UploadRead.of(one, withheld=one.id in withheld) for one in uploads],
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        changed_by=row.changed_by,
        changed_at=row.changed_at,
    )


def conduct_read(row: DisputeConduct) -> ConductRead:
    """Return whose conduct is in question as it crosses the wire."""
    return ConductRead.model_validate({n: getattr(row, n) for n in ConductRead.model_fields})


def move_read(row: DisputeMove) -> MoveRead:
    """Return a move as it crosses the wire."""
    return MoveRead.model_validate({n: getattr(row, n) for n in MoveRead.model_fields})


def cost_read(rows: Sequence[DisputeHours]) -> Cost:
    """Return what hours cost, by role and in all."""
    lines = hours.summed(rows)
    return Cost(
        lines=[LineRead.of(line) for line in lines],
        hours=[HoursRead.of(row, _cost(row)) for row in rows],
        total_minor=hours.total(lines),
    )


def hours_read(row: DisputeHours) -> HoursRead:
    """Return hours as they cross the wire."""
    return HoursRead.of(row, _cost(row))


def _cost(row: DisputeHours) -> int | None:
    return None if row.hour_minor is None else rules.cost_minor(row.minutes, row.hour_minor)
