"""What crosses the wire of learning."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from app.core.moments import Milliseconds, Version
from app.core.text import LongText, Text
from app.learning.agents import AgentPage, Person, Place
from app.learning.appraising import Told
from app.learning.calibrating import Comparison, Summary
from app.learning.forms import questions_of
from app.learning.library import Exemplary
from app.learning.models import CallForm
from app.learning.rules import MOST_QUESTIONS, MOST_WEIGHT, Answer, Kappa, Method, NoKappa, Question
from app.playback.models import MarkKind

Key = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
Topic = Annotated[Text, Field(max_length=60)]
_DIGITS = 4


class PersonRead(BaseModel):
    """An agent with his figures; `percent` is the mean of his appraisals."""

    id: UUID
    name: str
    agent_ref: str
    praises: int
    appraisals: int
    percent: int | None
    exemplary: int

    @classmethod
    def of(cls, found: Person) -> PersonRead:
        return cls.model_validate(found, from_attributes=True)


class PeopleList(BaseModel):
    items: list[PersonRead]


class PlaceRead(BaseModel):
    """A marked place in a call."""

    mark_id: UUID
    recording_id: UUID
    kind: MarkKind
    from_ms: int
    to_ms: int | None
    note: str | None
    by: str
    called_at: AwareDatetime
    client: str

    @classmethod
    def of(cls, found: Place) -> PlaceRead:
        mark = found.mark
        return cls(
            mark_id=mark.id,
            recording_id=mark.recording_id,
            kind=MarkKind(mark.kind),
            from_ms=mark.from_ms,
            to_ms=mark.to_ms,
            note=mark.note,
            by=found.by,
            called_at=found.called_at,
            client=found.client,
        )


class ReplyRead(BaseModel):
    at: AwareDatetime
    words: str | None


class ReplyWrite(BaseModel):
    """The agent has read it; `words` are what he says of it."""

    words: LongText | None = None


class AnswerRead(BaseModel):
    answer: Answer
    note: str | None = None


class AppraisalRead(BaseModel):
    """An appraisal; `failed` are the critical questions answered with no.

    It `replaces` an earlier one of its author; `replaced_by` is the one that has taken its place.
    """

    id: UUID
    recording_id: UUID
    agent: str | None
    form_id: UUID
    form_version: int
    form_name: str
    calibration_id: UUID | None
    answers: dict[str, AnswerRead]
    note: str | None
    percent: int | None
    failed: list[str]
    is_passed: bool
    by: str
    made_at: AwareDatetime
    replaces: UUID | None
    replaced_by: UUID | None
    replaced_at: AwareDatetime | None
    reply: ReplyRead | None

    @classmethod
    def of(cls, found: Told) -> AppraisalRead:
        row = found.appraisal
        return cls(
            id=row.id,
            recording_id=row.recording_id,
            agent=row.agent,
            form_id=row.form_id,
            form_version=row.form_version,
            form_name=found.form.name,
            calibration_id=row.calibration_id,
            answers={key: AnswerRead(**told) for key, told in row.answers.items()},
            note=row.note,
            percent=row.percent,
            failed=row.failed,
            is_passed=row.is_passed,
            by=found.by,
            made_at=row.made_at,
            replaces=row.replaces,
            replaced_by=found.replaced_by,
            replaced_at=row.replaced_at,
            reply=ReplyRead(at=found.reply.at, words=found.reply.words) if found.reply else None,
        )


class AppraisalList(BaseModel):
    items: list[AppraisalRead]


class AppraisalWrite(BaseModel):
    """A form filled for a call; each of its questions is answered.

    Of one's own appraisal that it `replaces` it has the call, the form and the calibration.
    """

    form_id: UUID
    answers: dict[Key, Answer] = Field(max_length=MOST_QUESTIONS)
    notes: dict[Key, LongText] = Field(default={}, max_length=MOST_QUESTIONS)
    note: LongText | None = None
    calibration_id: UUID | None = None
    replaces: UUID | None = None


class AgentRead(BaseModel):
    """An agent's page: praise first."""

    person: PersonRead
    praise: list[PlaceRead]
    key_moments: list[PlaceRead]
    mistakes: list[PlaceRead]
    appraisals: list[AppraisalRead]

    @classmethod
    def of(cls, found: AgentPage) -> AgentRead:
        return cls(
            person=PersonRead.of(found.person),
            praise=[PlaceRead.of(one) for one in found.praise],
            key_moments=[PlaceRead.of(one) for one in found.moments],
            mistakes=[PlaceRead.of(one) for one in found.mistakes],
            appraisals=[AppraisalRead.of(one) for one in found.appraisals],
        )


class ExemplaryWrite(BaseModel):
    """Why a call is worth hearing, what it is about, and from which place on."""

    recording_id: UUID
    title: Text
    why: LongText
    topics: list[Topic] = Field(default=[], max_length=10)
    start_ms: Milliseconds = 0


class ExemplaryRead(BaseModel):
    """A call of the library. `reasons` say why it may not be heard for training now."""

    id: UUID
    title: str
    why: str
    topics: list[str]
    start_ms: int
    duration_ms: int | None
    agent: str | None
    added_by: str
    added_at: AwareDatetime
    is_allowed: bool
    reasons: list[str]

    @classmethod
    def of(cls, found: Exemplary) -> ExemplaryRead:
        row = found.call
        return cls(
            id=row.id,
            title=row.title,
            why=row.why,
            topics=row.topics,
            start_ms=row.start_ms,
            duration_ms=found.duration_ms,
            agent=found.agent,
            added_by=found.added_by,
            added_at=row.added_at,
            is_allowed=found.decision.allowed,
            reasons=[]
            if found.decision.allowed
            else [reason.text for reason in found.decision.reasons],
        )


class ExemplaryAdded(BaseModel):
    id: UUID


class ExemplaryList(BaseModel):
    items: list[ExemplaryRead]
    next: str | None


class QuestionWrite(BaseModel):
    """A question; answered with no, a critical one fails the whole."""

    key: Key
    text: Text
    weight: int = Field(default=1, ge=0, le=MOST_WEIGHT)
    is_critical: bool = False


class FormWrite(BaseModel):
    """A version of a form; with an `id` it is a further version of that form."""

    id: UUID | None = None
    name: Text
    questions: list[QuestionWrite] = Field(min_length=1, max_length=MOST_QUESTIONS)
    pass_percent: int = Field(default=80, ge=0, le=100)
    is_offered: bool = True


class FormRead(BaseModel):
    id: UUID
    version: Version
    name: str
    questions: list[QuestionWrite]
    pass_percent: int
    is_offered: bool
    made_at: AwareDatetime

    @classmethod
    def of(cls, row: CallForm) -> FormRead:
        return cls(
            id=row.id,
            version=row.version,
            name=row.name,
            questions=[_question(one) for one in questions_of(row)],
            pass_percent=row.pass_percent,
            is_offered=row.is_offered,
            made_at=row.made_at,
        )


class FormList(BaseModel):
    items: list[FormRead]


def _question(one: Question) -> QuestionWrite:
    return QuestionWrite.model_validate(one, from_attributes=True)


class CalibrationWrite(BaseModel):
    """The call that several people are to appraise, and by which form."""

    recording_id: UUID
    form_id: UUID


class KappaRead(BaseModel):
    """Fleiss' kappa over the closed calibrations by this version of the form, or why not."""

    method: Method = Method.FLEISS
    value: float | None
    why_not: NoKappa | None

    @classmethod
    def of(cls, found: Kappa) -> KappaRead:
        return cls(value=_shown(found.value), why_not=found.why)


class ComparedRead(BaseModel):
    """A question: who answered what, and the share of pairs of people who agree."""

    key: str
    text: str
    answers: dict[str, Answer]
    agreed: float | None
    method: Method = Method.PAIRS
    kappa: KappaRead


class ComparisonRead(BaseModel):
    """What several people made of one call."""

    questions: list[ComparedRead]
    agreed: float | None
    method: Method = Method.PAIRS
    percents: dict[str, int | None]
    calls: int

    @classmethod
    def of(cls, found: Comparison) -> ComparisonRead:
        return cls(
            questions=[
                ComparedRead(
                    key=one.question.key,
                    text=one.question.text,
                    answers=dict(one.answers),
                    agreed=_shown(one.agreed),
                    kappa=KappaRead.of(one.kappa),
                )
                for one in found.questions
            ],
            agreed=_shown(found.agreed),
            percents={name: percent for name, percent, _ in found.scores},
            calls=found.calls,
        )


class CalibrationRead(BaseModel):
    """A calibration; `comparison` is null until it is closed."""

    id: UUID
    recording_id: UUID
    form_id: UUID
    form_version: int
    form_name: str
    opened_by: str
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    filled: int
    has_own: bool
    comparison: ComparisonRead | None = None

    @classmethod
    def of(cls, found: Summary, comparison: Comparison | None = None) -> CalibrationRead:
        row = found.calibration
        return cls(
            id=row.id,
            recording_id=row.recording_id,
            form_id=row.form_id,
            form_version=row.form_version,
            form_name=found.form.name,
            opened_by=found.opened_by,
            opened_at=row.opened_at,
            closed_at=row.closed_at,
            filled=found.filled,
            has_own=found.has_own,
            comparison=ComparisonRead.of(comparison) if comparison else None,
        )


class CalibrationList(BaseModel):
    items: list[CalibrationRead]


def _shown(value: Fraction | None) -> float | None:
    return None if value is None else round(float(value), _DIGITS)
