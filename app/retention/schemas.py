"""What crosses the wire about holds, retention, restriction and erasure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from app.core.text import LongText, Text
from app.recordings.models import Flag
from app.retention import holds, subjects
from app.retention.erasures import Asked, state_of
from app.retention.keeping import Explained
from app.retention.models import (
    Erasure,
    ErasureApproval,
    ErasureObject,
    ErasureState,
    Ground,
    LegalHold,
    Restriction,
    RetentionNotice,
    RetentionRule,
)
from app.retention.rules import Action, Because, Kind, Outcome, Period, Rule, Trigger
from app.retention.subjects import Subject

_Ids = Annotated[list[UUID], Field(max_length=1000)]
_Count = Annotated[int, Field(ge=0, le=36_500)]


class OfOne(BaseModel):
    """What it is of, by an id of its kind; the others are null."""

    recording_id: UUID | None
    screenshot_id: UUID | None
    document_id: UUID | None
    upload_id: UUID | None
    answer_id: UUID | None


def ids(subject: Subject) -> dict[str, UUID | None]:
    """Return the five ids of which the one of its kind is its own."""
    return dict.fromkeys(OfOne.model_fields) | subject.named


class Reason(BaseModel):
    reason: LongText


class Noted(BaseModel):
    note: LongText


class HoldCreate(BaseModel):
    """What to hold: things that are kept by id, and a rule that catches later ones too."""

    matter: Text
    reason: LongText
    recording_ids: _Ids = []
    screenshot_ids: _Ids = []
    document_ids: _Ids = []
    upload_ids: _Ids = []
    answer_ids: _Ids = []
    client_id: UUID | None = None
    agent: Text | None = None
    dispute_id: UUID | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    review_at: AwareDatetime | None = None
    is_order: bool = False

    def wanted(self) -> holds.Wanted:
        return holds.Wanted(
            matter=self.matter,
            reason=self.reason,
            named=tuple(
                Subject(kind, one) for kind in Kind for one in getattr(self, f"{kind}_ids")
            ),
            client_id=self.client_id,
            agent=self.agent,
            dispute_id=self.dispute_id,
            since=self.since,
            until=self.until,
            review_at=self.review_at,
            is_order=self.is_order,
        )


class HoldReview(BaseModel):
    note: LongText
    next_at: AwareDatetime | None = None


class HoldRead(BaseModel):
    id: UUID
    matter: str
    reason: str
    is_order: bool
    rule_client_id: UUID | None
    rule_agent: str | None
    rule_from: datetime | None
    rule_to: datetime | None
    rule_dispute_id: UUID | None
    placed_by: UUID
    placed_at: datetime
    review_at: datetime
    approved_by: UUID | None
    approved_at: datetime | None
    released_by: UUID | None
    released_at: datetime | None
    release_reason: str | None
    recording_ids: list[UUID] = []
    screenshot_ids: list[UUID] = []
    document_ids: list[UUID] = []
    upload_ids: list[UUID] = []
    answer_ids: list[UUID] = []

    @classmethod
    def of(cls, row: LegalHold, items: Sequence[Subject] = ()) -> HoldRead:
        named = {f"{kind}_ids": [one.id for one in items if one.kind is kind] for kind in Kind}
        told = {name: getattr(row, name) for name in cls.model_fields if name not in named}
        return cls(**told, **named)


class PeriodBody(BaseModel):
    years: _Count = 0
    months: _Count = 0
    days: _Count = 0

    def period(self) -> Period:
        return Period(years=self.years, months=self.months, days=self.days)


class RuleCreate(BaseModel):
    """A rule, or the next version of the one with this name; without periods it ends the rule."""

    name: Text
    trigger: Trigger
    minimum: PeriodBody | None = None
    maximum: PeriodBody | None = None
    min_is_law: bool = False
    action: Action = Action.ERASE
    basis: LongText
    kinds: Annotated[list[Kind], Field(min_length=1)] = [Kind.RECORDING]
    flags: list[Flag] = []
    client_id: UUID | None = None

    def rule(self) -> Rule:
        return Rule(
            id=None,
            name=self.name,
            trigger=self.trigger,
            minimum=self.minimum.period() if self.minimum else None,
            maximum=self.maximum.period() if self.maximum else None,
            min_is_law=self.min_is_law,
            action=self.action,
            basis=self.basis,
            kinds=tuple(dict.fromkeys(self.kinds)),
            flags=tuple(self.flags),
            client_id=self.client_id,
        )


class RuleRead(BaseModel):
    """A rule; one that is offered has no id and is not in force."""

    id: UUID | None
    name: str
    version: int
    trigger: Trigger
    minimum: dict[str, int] | None
    maximum: dict[str, int] | None
    min_is_law: bool
    action: Action
    basis: str
    kinds: list[Kind]
    flags: list[str]
    client_id: UUID | None
    state: Literal["offered", "proposed", "active", "retired"]
    proposed_by: UUID | None = None
    approved_by: UUID | None = None
    approved_at: datetime | None = None

    @classmethod
    def of(cls, row: RetentionRule) -> RuleRead:
        told = {name: getattr(row, name) for name in cls.model_fields if name != "state"}
        state = "proposed" if row.approved_at is None else "retired" if row.retired_at else "active"
        return cls(**told, state=state)

    @classmethod
    def offered(cls, rule: Rule) -> RuleRead:
        return cls(
            id=None,
            name=rule.name,
            version=0,
            trigger=rule.trigger,
            minimum=rule.minimum.as_dict() if rule.minimum else None,
            maximum=rule.maximum.as_dict() if rule.maximum else None,
            min_is_law=rule.min_is_law,
            action=rule.action,
            basis=rule.basis,
            kinds=[Kind(kind) for kind in rule.kinds],
            flags=list(rule.flags),
            client_id=rule.client_id,
            state="offered",
        )


class Changed(BaseModel):
    """A part of a rule before and after."""

    part: str
    before: str | None
    after: str | None


class NoticeRead(OfOne):
    """That something is going to be erased; `started_at` is when it was made, or came."""

    due_at: datetime
    announced_at: datetime
    rule_ids: list[UUID]
    started_at: datetime | None = None
    flag: str | None = None

    @classmethod
    def of(cls, row: RetentionNotice) -> NoticeRead:
        return cls(
            **ids(subjects.of(row)),
            due_at=row.due_at,
            announced_at=row.announced_at,
            rule_ids=list(row.rule_ids),
        )


class RetentionRead(OfOne):
    """Why something is kept, until when, and by what."""

    outcome: Outcome
    because: Because
    until: datetime | None
    earliest: datetime | None
    latest: datetime | None
    held_past_retention: bool
    is_contradiction: bool
    held: list[str]
    holds: list[HoldRead]
    rules: list[str]
    began: dict[Trigger, datetime | None]
    announced: NoticeRead | None
    restricted_at: datetime | None
    erased_at: datetime | None

    @classmethod
    def of(cls, found: Explained) -> RetentionRead:
        return cls(
            **ids(found.subject),
            outcome=found.verdict.outcome,
            because=found.verdict.because,
            until=found.verdict.until,
            earliest=found.bounds.earliest,
            latest=found.bounds.latest,
            held_past_retention=found.verdict.held_past_retention,
            is_contradiction=found.verdict.contradict,
            held=holds.words(found.holds),
            holds=[HoldRead.of(row) for row in found.holds],
            rules=[rule.name for rule in found.rules],
            began=found.moments,
            announced=NoticeRead.of(found.notice) if found.notice else None,
            restricted_at=found.kept.restricted_at,
            erased_at=found.kept.erased_at,
        )


class ConflictPage(BaseModel):
    """Queue Q11: what must be kept longer than they may be; `next` goes on."""

    items: list[RetentionRead]
    next: UUID | None


class RestrictionRead(OfOne):
    reason: str
    set_by: UUID
    set_at: datetime
    lifted_by: UUID | None
    lifted_at: datetime | None
    lift_reason: str | None

    @classmethod
    def of(cls, row: Restriction) -> RestrictionRead:
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class ErasureCreate(BaseModel):
    ground: Literal[Ground.REQUEST, Ground.WITHDRAWAL, Ground.DUTY]
    reason: LongText
    subject: Text | None = None
    identity_basis: LongText | None = None

    def asked(self) -> Asked:
        return Asked(
            ground=self.ground,
            reason=self.reason,
            subject=self.subject,
            identity_basis=self.identity_basis,
        )


class ErasureObjectRead(BaseModel):
    object_id: UUID
    store: str
    deleted_at: datetime | None
    note: str | None
    locked_until: datetime | None


class ErasureRead(OfOne):
    id: UUID
    state: ErasureState
    ground: Ground
    reason: str | None
    subject: str | None
    identity_basis: str | None
    with_id: UUID | None
    approvals_needed: int
    approved_by: list[UUID]
    requested_by: UUID | None
    requested_at: datetime
    denial: str | None
    executed_at: datetime | None
    verified_at: datetime | None
    alarm: str | None
    objects: list[ErasureObjectRead]

    @classmethod
    def of(
        cls, row: Erasure, agreed: list[ErasureApproval], objects: list[ErasureObject]
    ) -> ErasureRead:
        other = {"state", "approved_by", "objects"}
        told = {name: getattr(row, name) for name in cls.model_fields if name not in other}
        parts = ErasureObjectRead.model_fields
        return cls(
            **told,
            state=state_of(row, agreed=len(agreed)),
            approved_by=[one.approver_id for one in agreed],
            objects=[
                ErasureObjectRead(**{name: getattr(one, name) for name in parts}) for one in objects
            ],
        )
