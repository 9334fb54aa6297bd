"""How long something is kept: its standing, the rules, the announcements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.clients import service as clients
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.disputes.service import person
from app.identity import service as identity
from app.identity.actor import Actor
from app.recordings.models import InspectionState, Recording
from app.retention import facts, holds, queries, rules, subjects
from app.retention.facts import Facts
from app.retention.models import (
    Ground,
    LegalHold,
    RetentionNotice,
    RetentionReview,
    RetentionRule,
)
from app.retention.rules import (
    ANNOUNCED_AHEAD,
    Bounds,
    Kind,
    Outcome,
    Rule,
    Standing,
    Trigger,
    Verdict,
)
from app.retention.subjects import Kept, Subject

_SYSTEM = Actor.system("retention")


class RuleNotFound(NotFound):
    """There is no such version of a retention rule."""


class RulePeriodsContradict(Invalid):
    """The rule keeps longer at least than at most."""


class RuleSettled(Conflict):
    """The version is in force, was in force, or a later one is."""


class SamePersonAgrees(Forbidden):
    """Another person than who proposed the rule puts it in force."""


class ScreenshotsHaveNoFlag(Invalid):
    """A rule of consent flags speaks of recordings alone; other kinds need a rule without flags."""


class NotInspected(Conflict):
    """The recording has not been inspected; whoever reviews it must be able to hear it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Why something is kept, until when, and by what."""

    kept: Kept
    verdict: Verdict
    bounds: Bounds
    holds: Sequence[LegalHold]
    rules: Sequence[Rule]
    moments: dict[Trigger, datetime | None]
    notice: RetentionNotice | None
    standing: Standing

    @property
    def subject(self) -> Subject:
        return subjects.of_kept(self.kept)

    def asked_for(self, *, at: datetime) -> Verdict:
        """Return what would be done with it if somebody asked for its erasure."""
        return rules.verdict(replace(self.standing, asked=True), at=at)


def explain(session: Session, subject: Subject, *, zone: ZoneInfo, at: datetime) -> Explained:
    """Return why something is kept and until when.

    Raises:
        NotFound: there is none.
    """
    found = holds.known(session, subject, or_erased=True)
    in_force = [queries.as_rule(row) for row in queries.rules_in_force(session)]
    return standing_of(session, found, in_force, zone=zone, at=at)


def standing_of(
    session: Session, found: Kept, in_force: Sequence[Rule], *, zone: ZoneInfo, at: datetime
) -> Explained:
    """Return what the rules say of something, given the versions in force."""
    return standings_of(session, [found], in_force, zone=zone, at=at)[0]


def standings_of(
    session: Session,
    several: Sequence[Kept],
    in_force: Sequence[Rule],
    *,
    zone: ZoneInfo,
    at: datetime,
) -> list[Explained]:
    """Return what the rules say of each of several things; what they rest on is asked for once."""
    told = facts.of(session, several, at=at)
    return [
        _explained(found, known, in_force, zone=zone, at=at)
        for found, known in zip(several, told, strict=True)
    ]


def _explained(
    found: Kept, known: Facts, in_force: Sequence[Rule], *, zone: ZoneInfo, at: datetime
) -> Explained:
    kind = subjects.of_kept(found).kind
    flag = found.flag if isinstance(found, Recording) else None
    fitting = [
        rule for rule in in_force if rule.fits(kind=kind, flag=flag, client_id=known.client_id)
    ]
    bounds = rules.bounds(fitting, known.moments, zone)
    if known.is_evidence:
        # What rests on a paper has not ended: no rule erases it alone, and two people must agree.
        bounds = replace(bounds, is_open=True)
    asked = known.erasure
    standing = Standing(
        ordered=any(hold.is_order for hold in known.holds),
        held=bool(known.holds),
        asked=asked is not None and asked.ground != Ground.RETENTION,
        bounds=bounds,
    )
    return Explained(
        kept=found,
        verdict=rules.verdict(standing, at=at),
        bounds=bounds,
        holds=known.holds,
        rules=fitting,
        moments=known.moments,
        notice=known.notice,
        standing=standing,
    )


def review(
    session: Session, actor: Actor, subject: Subject, *, note: str, at: datetime
) -> RetentionReview:
    """Say that a person looked at an inspected recording, or a screenshot, and found no ground.

    Raises:
        NotFound: there is none, or it was erased.
        NotInspected: it was not inspected yet.
    """
    found = holds.known(session, subject)
    if isinstance(found, Recording) and found.inspection_state != InspectionState.DONE:
        raise NotInspected
    row = RetentionReview(id=new_id(), reviewed_by=person(actor), note=note, at=at, **subject.named)
    session.add(row)
    session.flush()
    told = {"note": note}
    ledger.append(session, actor, Act.RETENTION_REVIEWED, subject.about, at=at, detail=told)
    return row


def propose(session: Session, actor: Actor, rule: Rule, *, at: datetime) -> RetentionRule:
    """Propose a rule or its next version; nothing changes until another person agrees.

    Raises:
        ClientNotFound: it is for a client that there is not.
        RulePeriodsContradict: its minimum is longer than its maximum.
        ScreenshotsHaveNoFlag: it names flags, and other kinds than recordings.
    """
    identity.must_be_here(session, actor)
    if rule.client_id is not None:
        clients.find(session, actor, rule.client_id)
    if rule.flags and set(rule.kinds) != {Kind.RECORDING}:
        raise ScreenshotsHaveNoFlag
    utc = ZoneInfo("UTC")
    if (
        rule.minimum
        and rule.maximum
        and rules.end_of(at, rule.minimum, utc) > rules.end_of(at, rule.maximum, utc)
    ):
        raise RulePeriodsContradict
    row = RetentionRule(
        id=new_id(),
        name=rule.name,
        version=_next_version(session, rule.name),
        kinds=list(rule.kinds),
        flags=list(rule.flags),
        client_id=rule.client_id,
        trigger=rule.trigger,
        minimum=rule.minimum.as_dict() if rule.minimum else None,
        maximum=rule.maximum.as_dict() if rule.maximum else None,
        min_is_law=rule.min_is_law,
        action=rule.action,
        basis=rule.basis,
        proposed_by=person(actor),
        proposed_at=at,
    )
    session.add(row)
    session.flush()
    _rule_told(session, actor, Act.RETENTION_PROPOSED, row, at=at)
    return row


def _next_version(session: Session, name: str) -> int:
    """Return it when nobody else numbers a version of this name."""
    lock = func.hashtextextended(f"retention_rules {name}", 0)
    session.execute(select(func.pg_advisory_xact_lock(lock)))
    highest = session.scalar(
        select(func.max(RetentionRule.version)).where(RetentionRule.name == name)
    )
    return (highest or 0) + 1


def approve(session: Session, actor: Actor, rule_id: UUID, *, at: datetime) -> RetentionRule:
    """Put a version in force and retire the one before it.

    Raises:
        RuleNotFound: there is none.
        RuleSettled: it was approved, or a later one was.
        SamePersonAgrees: the actor proposed it.
    """
    identity.must_be_here(session, actor)
    row = session.scalar(select(RetentionRule).where(RetentionRule.id == rule_id).with_for_update())
    if row is None:
        raise RuleNotFound
    before = _in_force(session, row.name)
    if row.approved_at is not None or (before is not None and before.version > row.version):
        raise RuleSettled
    if row.proposed_by == person(actor):
        raise SamePersonAgrees
    if before is not None:
        before.retired_at = at
        session.flush()
    row.approved_by, row.approved_at = person(actor), at
    session.flush()
    _rule_told(session, actor, Act.RETENTION_CHANGED, row, at=at)
    return row


def diff(session: Session, rule_id: UUID) -> dict[str, tuple[object, object]]:
    """Return what a version changes in the one in force: each part before and after.

    Raises:
        RuleNotFound: there is none.
    """
    row = session.get(RetentionRule, rule_id)
    if row is None:
        raise RuleNotFound
    before = _in_force(session, row.name)
    new, old = queries.as_rule(row), queries.as_rule(before) if before else None
    named = [field.name for field in fields(Rule) if field.name not in {"id", "name"}]
    pairs = {name: (getattr(old, name, None), getattr(new, name)) for name in named}
    return {name: pair for name, pair in pairs.items() if old is None or pair[0] != pair[1]}


def mark(session: Session, explained: Explained, *, at: datetime) -> RetentionNotice | None:
    """Announce that something will be erased, or take the announcement back; note holds.

    What is announced is due fourteen days later at the earliest, however long its time is over.
    """
    found, said, subject = explained.kept, explained.verdict, explained.subject
    if found.kept_only_by_hold != said.held_past_retention:
        found.kept_only_by_hold = said.held_past_retention
        session.flush()
    notice = explained.notice
    is_due = _ends_by(explained, at + ANNOUNCED_AHEAD)
    if notice is not None:
        if is_due and set(notice.rule_ids) == set(explained.bounds.deciding):
            return notice
        _cancel(session, notice, f"{said.outcome} because of {said.because}", at=at)
    if not is_due or explained.bounds.latest is None:
        return None
    row = RetentionNotice(
        id=new_id(),
        rule_ids=list(explained.bounds.deciding),
        due_at=max(explained.bounds.latest, at + ANNOUNCED_AHEAD),
        **subject.named,
    )
    session.add(row)
    session.flush()
    facts: dict[str, str | int | bool | None] = {"due_at": row.due_at.isoformat()}
    ledger.append(session, _SYSTEM, Act.RETENTION_ANNOUNCED, subject.about, at=at, facts=facts)
    return row


def _ends_by(explained: Explained, moment: datetime) -> bool:
    """Say whether the maximum alone will erase the recording by then."""
    alone = replace(explained.standing, asked=False)
    return rules.verdict(alone, at=moment).outcome is Outcome.ERASE


def _cancel(session: Session, notice: RetentionNotice, why: str, *, at: datetime) -> None:
    notice.cancelled_at, notice.cancelled_why = at, why
    session.flush()
    about = subjects.of(notice).about
    ledger.append(session, _SYSTEM, Act.RETENTION_CANCELLED, about, at=at, facts={"why": why})


def _in_force(session: Session, name: str) -> RetentionRule | None:
    return session.scalar(
        select(RetentionRule).where(
            RetentionRule.name == name,
            RetentionRule.approved_at.is_not(None),
            RetentionRule.retired_at.is_(None),
        )
    )


def _rule_told(
    session: Session, actor: Actor, act: Act, row: RetentionRule, *, at: datetime
) -> None:
    facts: dict[str, str | int | bool | None] = {
        "version": row.version,
        "trigger": row.trigger,
        "action": row.action,
        "min_is_law": row.min_is_law,
    }
    detail = {
        "name": row.name,
        "basis": row.basis,
        "kinds": row.kinds,
        "flags": row.flags,
        "minimum": row.minimum,
        "maximum": row.maximum,
    }
    ledger.append(
        session, actor, act, ("retention_rule", row.id), at=at, facts=facts, detail=detail
    )
