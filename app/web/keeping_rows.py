"""The rows of the pages of keeping: rules, announcements, holds and erasures in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients.models import Client
from app.identity.actor import Actor
from app.retention import erasures, keeping, queries, subjects
from app.retention.models import ErasureState, Ground, LegalHold, RetentionRule
from app.retention.rules import Action, Because, Kind, Outcome, Rule, Trigger
from app.retention.subjects import Subject
from app.web import lookups
from app.web.words import N_, Words

SHOWN: Final = 50

TRIGGERS: Final = {
    Trigger.CALL_END: N_("the end of the call"),
    Trigger.CONTRACT_END: N_("the end of the contract"),
    Trigger.DISPUTE_CLOSED: N_("the end of the dispute"),
    Trigger.LAST_SHARE: N_("the end of the last release"),
    Trigger.REVIEWED: N_("a review that found no ground"),
}
ACTIONS: Final = {Action.ERASE: N_("erase"), Action.REVIEW: N_("let a person look at it")}
KINDS: Final = {
    Kind.RECORDING: N_("recordings"),
    Kind.SCREENSHOT: N_("screenshots"),
    Kind.DOCUMENT: N_("papers"),
    Kind.UPLOAD: N_("what clients sent by links"),
    Kind.ANSWER: N_("answers by links"),
}
WHAT: Final = {
    Kind.RECORDING: N_("a recording"),
    Kind.SCREENSHOT: N_("a screenshot"),
    Kind.DOCUMENT: N_("a paper"),
    Kind.UPLOAD: N_("something that a client sent"),
    Kind.ANSWER: N_("an answer by a link"),
}
GROUNDS: Final = {
    Ground.REQUEST: N_("the person who is heard asked for it"),
    Ground.WITHDRAWAL: N_("consent was taken back"),
    Ground.DUTY: N_("nothing allows keeping it"),
    Ground.RETENTION: N_("its time is over"),
    Ground.DEMO: N_("it was demo data"),
}
OUTCOMES: Final = {
    Outcome.KEEP: N_("is kept"),
    Outcome.ERASE: N_("is erased"),
    Outcome.REVIEW: N_("a person looks at it"),
    Outcome.CONFLICT: N_("stays, restricted"),
}
BECAUSE: Final = {
    Because.ORDER: N_("an authority has ordered it"),
    Because.HOLD: N_("a hold keeps it"),
    Because.LAW: N_("a law asks for it"),
    Because.REQUEST: N_("its erasure was asked for"),
    Because.CONFLICT: N_("it must be kept longer than it may; a person decides"),
    Because.MAXIMUM: N_("its longest time is over"),
    Because.POLICY: N_("its time is not over"),
}
STATES: Final = {
    ErasureState.REQUESTED: N_("waits for another person"),
    ErasureState.DENIED: N_("turned down"),
    ErasureState.APPROVED: N_("agreed to"),
    ErasureState.EXECUTED: N_("keys destroyed"),
    ErasureState.VERIFIED: N_("destroyed and checked"),
    ErasureState.ALARM: N_("something is left: alarm"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """A rule: offered, proposed, in force or over."""

    id: UUID | None
    name: str
    version: int
    trigger: str
    minimum: str
    maximum: str
    action: str
    kinds: str
    basis: str
    changes: tuple[str, ...]
    by: str
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRow:
    """What was announced."""

    keep: str
    what: str
    made_at: datetime
    due_at: datetime
    announced_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """A hold that stands, or is over."""

    id: UUID
    matter: str
    reason: str
    whom: str
    placed: str
    placed_at: datetime
    review_at: datetime
    approved: str
    is_late: bool
    is_own: bool
    released: str
    released_at: datetime | None
    release_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRow:
    """An erasure and how far it is."""

    id: UUID
    keep: str
    what: str
    state: str
    state_word: str
    ground: str
    reason: str
    asked: str
    asked_at: datetime
    denial: str
    alarm: str
    is_open: bool
    is_own: bool
    has_act: bool


def path_of(subject: Subject) -> str:
    return f"/keeping/{subject.kind}/{subject.id}"


def proposed(session: Session) -> list[RetentionRule]:
    """Return the versions that wait: newer than what is in force, of each name the newest."""
    rows = session.scalars(
        select(RetentionRule).order_by(RetentionRule.name, RetentionRule.version)
    )
    newest = {row.name: row for row in rows}
    return [row for row in newest.values() if row.approved_at is None]


def length(told: dict[str, int] | None, words: Words) -> str:
    if told is None:
        return ""
    parts = []
    if told.get("years"):
        parts.append(words.counted("%(num)s year", "%(num)s years", told["years"]))
    if told.get("months"):
        parts.append(words.counted("%(num)s month", "%(num)s months", told["months"]))
    if told.get("days"):
        parts.append(words.counted("%(num)s day", "%(num)s days", told["days"]))
    return " ".join(parts)


def rule_row(
    session: Session, row: RetentionRule, actor: Actor, words: Words, names: dict[UUID, str]
) -> RuleRow:
    changes: Sequence[str] = ()
    if row.approved_at is None:
        changes = sorted(keeping.diff(session, row.id)) if row.version > 1 else ()
    return RuleRow(
        id=row.id,
        name=row.name,
        version=row.version,
        trigger=words.gettext(TRIGGERS[Trigger(row.trigger)]),
        minimum=length(row.minimum, words),
        maximum=length(row.maximum, words),
        action=words.gettext(ACTIONS[Action(row.action)]),
        kinds=", ".join(words.gettext(KINDS[Kind(one)]) for one in row.kinds),
        basis=row.basis,
        changes=tuple(changes),
        by=names.get(row.proposed_by, ""),
        is_own=row.proposed_by == actor.id,
    )


def offered_row(rule: Rule, words: Words) -> RuleRow:
    return RuleRow(
        id=None,
        name=rule.name,
        version=0,
        trigger=words.gettext(TRIGGERS[rule.trigger]),
        minimum=length(rule.minimum.as_dict() if rule.minimum else None, words),
        maximum=length(rule.maximum.as_dict() if rule.maximum else None, words),
        action=words.gettext(ACTIONS[rule.action]),
        kinds=", ".join(words.gettext(KINDS[Kind(one)]) for one in rule.kinds),
        basis=rule.basis,
        changes=(),
        by="",
        is_own=False,
    )


def due_row(due_at: datetime, announced_at: datetime, found: subjects.Kept, words: Words) -> DueRow:
    subject = subjects.of_kept(found)
    return DueRow(
        keep=path_of(subject),
        what=words.gettext(WHAT[subject.kind]),
        made_at=queries.made_at(found),
        due_at=due_at,
        announced_at=announced_at,
    )


def hold_row(
    session: Session, row: LegalHold, actor: Actor, words: Words, *, at: datetime
) -> HoldRow:
    names = lookups.names(session, [row.placed_by, row.approved_by, row.released_by])
    named = len(queries.items_of(session, row.id))
    whom = []
    if row.rule_client_id is not None:
        client = session.get(Client, row.rule_client_id)
        whom.append(client.name if client else "")
    if row.rule_agent:
        whom.append(row.rule_agent)
    if row.rule_dispute_id is not None:
        whom.append(words.gettext("a dispute"))
    if named:
        whom.append(words.counted("%(num)s thing", "%(num)s things", named))
    return HoldRow(
        id=row.id,
        matter=row.matter,
        reason=row.reason,
        whom=", ".join(whom),
        placed=names.get(row.placed_by, ""),
        placed_at=row.placed_at,
        review_at=row.review_at,
        approved=names.get(row.approved_by, "") if row.approved_by else "",
        is_late=row.review_at <= at,
        is_own=row.placed_by == actor.id,
        released=names.get(row.released_by, "") if row.released_by else "",
        released_at=row.released_at,
        release_reason=row.release_reason or "",
    )


def held(found: Sequence[LegalHold], words: Words) -> tuple[str, ...]:
    """Say what keeps something and since when."""
    return tuple(
        words.gettext("held by %(matter)s since %(day)s")
        % {"matter": one.matter, "day": words.day(one.placed_at)}
        for one in found
    )


def erasure_rows(session: Session, actor: Actor, words: Words) -> tuple[ErasureRow, ...]:
    kept = queries.erasures(session, limit=SHOWN)
    names = lookups.names(session, [row.requested_by for row in kept])
    found = []
    for row in kept:
        state = erasures.state_of(row, agreed=len(queries.approvals(session, row.id)))
        found.append(
            ErasureRow(
                id=row.id,
                keep=path_of(subjects.of(row)),
                what=words.gettext(WHAT[subjects.of(row).kind]),
                state=state,
                state_word=words.gettext(STATES[state]),
                ground=words.gettext(GROUNDS[Ground(row.ground)]),
                reason=row.reason or "",
                asked=names.get(row.requested_by, "") if row.requested_by else "",
                asked_at=row.requested_at,
                denial=row.denial or "",
                alarm=row.alarm or "",
                is_open=state is ErasureState.REQUESTED,
                is_own=row.requested_by == actor.id,
                has_act=row.executed_at is not None,
            )
        )
    return tuple(found)
