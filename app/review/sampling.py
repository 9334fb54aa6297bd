"""Samples of what was verified automatically: the seed first, then the draw, then the finding."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.consent import queries as evidence
from app.consent import review as consent
from app.consent.models import Assertion, AutoVerifyStop, NoticeText, Verdict
from app.core.errors import Forbidden, Invalid, NotFound
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.review import queries
from app.review.models import CheckVerdict, SampleCheck, SamplePeriod
from app.review.rules import Plan, Queue, is_failing

_SEED_BYTES = 32
_MAY_PUBLISH = frozenset({Role.APPROVER, Role.LEGAL})
_SYSTEM = Actor.system("review")
WEEK = timedelta(days=7)
_MONDAY = datetime.fromisoformat("2024-01-01T00:00:00+00:00")


class PeriodInvalid(Invalid):
    """A period begins after now, ends after it begins, and overlaps no other."""


class PeriodRefused(Forbidden):
    """Who checks samples does not choose how they are drawn; an approver or legal does."""


class NotDrawn(NotFound):
    """The notice is in no sample, or was checked already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How the notices of a period are drawn and judged."""

    starts_at: datetime
    ends_at: datetime
    percent: int = 5
    low: float | None = None
    high: float | None = None
    error_percent: int = 5
    least_checked: int = 20


def publish(session: Session, actor: Actor, draw: Draw, *, at: datetime) -> SamplePeriod:
    """Choose the seed of a period that has not begun, and publish it in the ledger.

    Raises:
        PeriodRefused: another role must.
        PeriodInvalid: it has begun, or overlaps another.
    """
    if actor.kind != "system" and actor.role not in _MAY_PUBLISH:
        raise PeriodRefused
    if not at <= draw.starts_at < draw.ends_at or (draw.low is None) != (draw.high is None):
        raise PeriodInvalid
    if draw.low is not None and draw.high is not None and draw.high < draw.low:
        raise PeriodInvalid
    row = SamplePeriod(
        id=new_id(),
        starts_at=draw.starts_at,
        ends_at=draw.ends_at,
        seed=os.urandom(_SEED_BYTES),
        percent=draw.percent,
        low=draw.low,
        high=draw.high,
        error_percent=draw.error_percent,
        least_checked=draw.least_checked,
        published_by=actor.id,
        published_at=at,
    )
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError as exc:
        raise PeriodInvalid from exc
    ledger.append(
        session,
        actor,
        Act.SAMPLE_SEED,
        ("sample", row.id),
        at=at,
        facts={
            "queue": str(Queue.SAMPLE),
            "starts_at": row.starts_at.isoformat(),
            "ends_at": row.ends_at.isoformat(),
            "seed": row.seed.hex(),
            "percent": row.percent,
            "low": None if row.low is None else f"{row.low:g}",
            "high": None if row.high is None else f"{row.high:g}",
        },
    )
    return row


def publish_next_week(session: Session, *, at: datetime) -> SamplePeriod | None:
    """Publish the coming week's seed, drawn as the newest period is, unless it is published.

    So there is always a sample, and its seed is always older than what it draws from.
    """
    starts_at = _MONDAY + ((at - _MONDAY) // WEEK + 1) * WEEK
    known = queries.periods(session)
    if any(p.starts_at < starts_at + WEEK and starts_at < p.ends_at for p in known):
        return None
    draw = Draw(starts_at=starts_at, ends_at=starts_at + WEEK)
    if known:
        newest = known[0]
        draw = Draw(
            starts_at=starts_at,
            ends_at=starts_at + WEEK,
            percent=newest.percent,
            low=newest.low,
            high=newest.high,
            error_percent=newest.error_percent,
            least_checked=newest.least_checked,
        )
    return publish(session, _SYSTEM, draw, at=at)


def periods(session: Session) -> Sequence[SamplePeriod]:
    """Return the periods of samples, the newest first."""
    return queries.periods(session)


def plan_of(period: SamplePeriod) -> Plan:
    """Return what is needed to draw the period's sample again."""
    return Plan(seed=period.seed, percent=period.percent, low=period.low, high=period.high)


def check(
    session: Session,
    actor: Actor,
    assertion_id: UUID,
    *,
    verdict: CheckVerdict,
    reason: str | None,
    at: datetime,
) -> SampleCheck:
    """Write down what a person found of a drawn notice; a wrong one is put up for invalidation.

    When the sample of this version of the text has failed, the version stops clearing calls by
    itself.

    Raises:
        NotDrawn: it is in no sample, or was checked.
        ReasonMissing: a wrong one needs a reason.
    """
    found = queries.waiting(actor, Queue.SAMPLE, at=at)
    row = evidence.assertion(session, assertion_id, lock=True)
    if row is None or not queries.is_waiting(session, found, assertion_id):
        raise NotDrawn
    period = queries.period_at(session, row.decided_at or row.proposed_at)
    text = _text(session, row)
    if period is None or text is None:
        raise NotDrawn
    if verdict == CheckVerdict.WRONG and not (reason or "").strip():
        raise consent.ReasonMissing
    checked = SampleCheck(
        assertion_id=row.id,
        period_id=period.id,
        text_id=text.id,
        version=text.version,
        verdict=verdict,
        reason=reason,
        checked_by=consent.person(actor),
        at=at,
    )
    session.add(checked)
    session.flush()
    about = ("recording", row.recording_id) if row.recording_id else ("assertion", row.id)
    ledger.append(
        session,
        actor,
        Act.SAMPLE_CHECKED,
        about,
        at=at,
        facts={
            "assertion_id": str(row.id),
            "period_id": str(period.id),
            "verdict": str(verdict),
        },
        detail={"reason": reason} if reason else None,
    )
    if verdict == CheckVerdict.WRONG:
        consent.decide(session, actor, row.id, Verdict.INVALIDATE, reason=reason, at=at)
        _judge(session, period, text, at=at)
    return checked


def _text(session: Session, row: Assertion) -> NoticeText | None:
    told = row.evidence.get("notice")
    if not isinstance(told, dict):
        return None
    try:
        text_id, version = UUID(str(told.get("id"))), int(str(told.get("version")))
    except ValueError:
        return None
    return evidence.notice_text(session, text_id, version)


def _judge(session: Session, period: SamplePeriod, text: NoticeText, *, at: datetime) -> None:
    checked, wrong = session.execute(
        select(
            func.count(),
            func.count().filter(SampleCheck.verdict == CheckVerdict.WRONG),
        ).where(
            SampleCheck.period_id == period.id,
            SampleCheck.text_id == text.id,
            SampleCheck.version == text.version,
        )
    ).one()
    failing = is_failing(
        checked=checked,
        wrong=wrong,
        error_percent=period.error_percent,
        least_checked=period.least_checked,
    )
    if not failing or evidence.auto_verify_off_at(session, text.id, text.version) is not None:
        return
    session.add(AutoVerifyStop(text_id=text.id, version=text.version, at=at))
    session.flush()
    ledger.append(
        session,
        _SYSTEM,
        Act.AUTO_VERIFY_STOPPED,
        ("notice_text", text.id),
        at=at,
        facts={
            "version": text.version,
            "period_id": str(period.id),
            "checked": checked,
            "wrong": wrong,
        },
    )
