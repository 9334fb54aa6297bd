"""What crosses the wire of 1C: what it sends, what it is answered, and how its sources stand."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from app.onec.models import Fault, Kind, ReturnState, ThingState
from app.onec.reasons import FAULTS, REASONS, Reason
from app.onec.taking import MOST_ITEMS, Problem, Said


class ItemsSent(BaseModel):
    """A batch of things. Each item is looked at by itself, so a bad one stops no other.

    An item is `kind`, `ref`, `version`, `deleted` and `fields`; `entity` is the name that the
    thing's type has in OData, where the way back writes into documents.
    """

    model_config = ConfigDict(extra="forbid")

    items: Annotated[list[JsonValue], Field(max_length=MOST_ITEMS)]


class ProblemRead(BaseModel):
    """What is wrong with an item, in Russian and English, and what helps."""

    reason: Reason
    field: str
    what: str
    ru: str
    en: str
    help_ru: str
    help_en: str


class ItemAnswer(BaseModel):
    """What became of an item; `unknown` are fields that were left out, since nobody knows them."""

    kind: str
    ref: str
    outcome: Literal["taken", "unchanged", "refused"]
    is_new: bool
    problems: list[ProblemRead]
    unknown: list[str]


class ItemsAnswer(BaseModel):
    """An answer for each item, in the order in which they were sent."""

    taken: int
    unchanged: int
    refused: int
    items: list[ItemAnswer]


class EntityRead(BaseModel):
    """How far an entity was read."""

    entity: str
    kind: Kind
    done_at: AwareDatetime | None
    full_at: AwareDatetime | None
    fault: Fault | None
    detail: str | None


class SourceRead(BaseModel):
    """A source of 1C; `things` and `returns` count how things and documents stand."""

    name: str
    base_url: str | None
    sent_at: AwareDatetime | None
    pulled_at: AwareDatetime | None
    next_at: AwareDatetime | None
    fault: Fault | None
    fault_ru: str | None
    fault_en: str | None
    detail: str | None
    things: dict[ThingState, int]
    returns: dict[ReturnState, int]
    entities: list[EntityRead]


class SourceList(BaseModel):
    items: list[SourceRead]


class RefusedRead(BaseModel):
    """A thing that was refused and waits: what was told of it last, and why it was not taken."""

    id: UUID
    kind: Kind
    ref: UUID
    entity: str | None
    version: str | None
    at: AwareDatetime
    told: dict[str, Any]
    problems: list[ProblemRead]


class RefusedPage(BaseModel):
    """A page of refused things; `next` is the `before` of the next page, if any."""

    items: list[RefusedRead]
    next: UUID | None


def answer_of(said: Said) -> ItemAnswer:
    """Return what an item is answered."""
    return ItemAnswer(
        kind=said.kind,
        ref=said.ref,
        outcome=said.outcome,
        is_new=said.is_new,
        problems=[problem_of(one) for one in said.problems],
        unknown=list(said.unknown),
    )


def problem_of(problem: Problem) -> ProblemRead:
    """Return a problem with its words."""
    words = REASONS[problem.reason]
    return ProblemRead(
        reason=problem.reason,
        field=problem.field,
        what=problem.what,
        ru=words.ru,
        en=words.en,
        help_ru=words.help_ru,
        help_en=words.help_en,
    )


def words_of(fault: str | None) -> tuple[str | None, str | None]:
    """Return the words of a fault in Russian and English."""
    return FAULTS[fault] if fault is not None else (None, None)
