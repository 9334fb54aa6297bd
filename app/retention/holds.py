"""Placing, approving, looking at and releasing holds; restricting what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.clients.models import Client
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.disputes.models import Dispute
from app.disputes.service import person
from app.identity import service as identity
from app.identity.actor import Actor
from app.retention import queries
from app.retention.models import LegalHold, LegalHoldItem, Restriction
from app.retention.rules import HOLD_REVIEW_MONTHS, Kind, Period, end_of
from app.retention.subjects import Kept, Subject

MIRROR = "retention.mirror_hold"


class HoldNotFound(NotFound):
    """There is no such hold."""


class HoldEmpty(Invalid):
    """A hold names something that is kept, or a client, agent or dispute."""


class HoldRecordingUnknown(NotFound):
    """One of those that it names is not there, or was erased."""


class HoldReviewTooLate(Invalid):
    """A hold is looked at again within six months."""


class HoldSettled(Conflict):
    """The hold was approved or released already."""


class SamePersonSettles(Forbidden):
    """Another person than the first must do this."""


class RetentionRecordingUnknown(NotFound):
    """There is no such recording."""


class RetentionScreenshotUnknown(NotFound):
    """There is no such screenshot."""


class RetentionDocumentUnknown(NotFound):
    """There is no such document."""


class RetentionUploadUnknown(NotFound):
    """There is no such text or refused file; a file that was taken in is a document."""


class RetentionAnswerUnknown(NotFound):
    """There is no such answer."""


UNKNOWN: Final[dict[Kind, type[NotFound]]] = {
    Kind.RECORDING: RetentionRecordingUnknown,
    Kind.SCREENSHOT: RetentionScreenshotUnknown,
    Kind.DOCUMENT: RetentionDocumentUnknown,
    Kind.UPLOAD: RetentionUploadUnknown,
    Kind.ANSWER: RetentionAnswerUnknown,
}
"""How it is told that something is not there."""


class RestrictionStands(Conflict):
    """It is restricted already."""


class NotRestricted(Conflict):
    """No restriction of it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a hold is for: what it names, and a rule that later ones are caught by too."""

    matter: str
    reason: str
    named: tuple[Subject, ...] = ()
    client_id: UUID | None = None
    agent: str | None = None
    dispute_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    review_at: datetime | None = None
    is_order: bool = False


def place(
    session: Session, actor: Actor, wanted: Wanted, *, zone: ZoneInfo, at: datetime
) -> LegalHold:
    """Place a hold. It holds at once, and waits for the approval of another person.

    Raises:
        HoldEmpty: it would keep nothing.
        HoldRecordingUnknown: something that it names is unknown or erased.
        HoldReviewTooLate: it would not be looked at for more than six months.
    """
    placer = person(actor)
    identity.must_be_here(session, actor)
    has_rule = any(one is not None for one in (wanted.client_id, wanted.agent, wanted.dispute_id))
    if not wanted.named and not has_rule:
        raise HoldEmpty
    if wanted.client_id is not None and session.get(Client, wanted.client_id) is None:
        raise HoldEmpty("There is no such client.")
    if wanted.dispute_id is not None and session.get(Dispute, wanted.dispute_id) is None:
        raise HoldEmpty("There is no such dispute.")
    row = LegalHold(
        id=new_id(),
        matter=wanted.matter,
        reason=wanted.reason,
        is_order=wanted.is_order,
        rule_client_id=wanted.client_id,
        rule_agent=wanted.agent,
        rule_from=wanted.since,
        rule_to=wanted.until,
        rule_dispute_id=wanted.dispute_id,
        placed_by=placer,
        placed_at=at,
        review_at=_review_at(wanted.review_at, zone=zone, at=at),
    )
    session.add(row)
    session.flush()
    for subject in dict.fromkeys(wanted.named):
        found = queries.kept(session, subject)
        if found is None or found.erased_at is not None:
            raise HoldRecordingUnknown(**subject.told)
        session.add(LegalHoldItem(hold_id=row.id, by_rule=False, at=at, **subject.named))
    session.flush()
    _write(session, actor, Act.HOLD_PLACED, row, at=at, named=len(wanted.named))
    _mirror(session, row.id)
    return row


def approve(session: Session, actor: Actor, hold_id: UUID, *, at: datetime) -> LegalHold:
    """Agree to a hold that another person has placed.

    Raises:
        HoldSettled: it was approved or released.
        SamePersonSettles: the actor has placed it.
    """
    row = _open(session, actor, hold_id)
    if row.approved_at is not None:
        raise HoldSettled
    if row.placed_by == person(actor):
        raise SamePersonSettles
    row.approved_by, row.approved_at = person(actor), at
    session.flush()
    _write(session, actor, Act.HOLD_APPROVED, row, at=at)
    return row


def review(  # noqa: PLR0913 - a look has these parts; all but three are named.
    session: Session,
    actor: Actor,
    hold_id: UUID,
    *,
    note: str,
    next_at: datetime | None,
    zone: ZoneInfo,
    at: datetime,
) -> LegalHold:
    """Say that the matter still needs the hold, until the next look within six months.

    Raises:
        HoldReviewTooLate: the next look would be later.
    """
    row = _open(session, actor, hold_id)
    row.review_at = _review_at(next_at, zone=zone, at=at)
    session.flush()
    _write(session, actor, Act.HOLD_REVIEWED, row, at=at, note=note)
    return row


def release(
    session: Session, actor: Actor, hold_id: UUID, *, reason: str, at: datetime
) -> LegalHold:
    """End a hold; by another person than who placed it.

    Raises:
        SamePersonSettles: the actor has placed it.
    """
    row = _open(session, actor, hold_id)
    if row.placed_by == person(actor):
        raise SamePersonSettles
    row.released_by, row.released_at, row.release_reason = person(actor), at, reason
    session.flush()
    _write(session, actor, Act.HOLD_RELEASED, row, at=at, note=reason)
    _mirror(session, hold_id)
    return row


def restrict(
    session: Session, actor: Actor, subject: Subject, *, reason: str, at: datetime
) -> Restriction:
    """Let something only be kept, at once; decisions allow little else until it is lifted.

    Raises:
        NotFound: there is none, or it was erased.
        RestrictionStands: it is restricted.
    """
    known(session, subject)
    if queries.open_restriction(session, subject) is not None:
        raise RestrictionStands
    row = Restriction(id=new_id(), reason=reason, set_by=person(actor), set_at=at, **subject.named)
    session.add(row)
    session.flush()
    _told(session, actor, Act.RESTRICTION_SET, subject, reason, at=at)
    return row


def lift(
    session: Session, actor: Actor, subject: Subject, *, reason: str, at: datetime
) -> Restriction:
    """Lift a restriction that another person has set.

    Raises:
        NotRestricted: none stands.
        SamePersonSettles: the actor has set it.
    """
    row = queries.open_restriction(session, subject)
    if row is None:
        raise NotRestricted
    if row.set_by == person(actor):
        raise SamePersonSettles
    identity.must_be_here(session, actor)
    row.lifted_by, row.lifted_at, row.lift_reason = person(actor), at, reason
    session.flush()
    _told(session, actor, Act.RESTRICTION_LIFTED, subject, reason, at=at)
    return row


def words(rows: Sequence[LegalHold]) -> list[str]:
    """Return, for people, what keeps something and since when."""
    return [f"held by {row.matter} since {row.placed_at.date().isoformat()}" for row in rows]


def _mirror(session: Session, hold_id: UUID) -> None:
    """Let a job give the store what follows from a hold that was placed or released.

    A rule may have caught a great many, and the store is asked about each of their objects.
    """
    enqueue(session, Job(task=MIRROR, args={"hold_id": str(hold_id)}))


def known(session: Session, subject: Subject, *, or_erased: bool = False) -> Kept:
    """Return what is there.

    Raises:
        NotFound: there is none, or it was erased.
    """
    found = queries.kept(session, subject)
    if found is None or (found.erased_at is not None and not or_erased):
        raise UNKNOWN[subject.kind]
    return found


def _open(session: Session, actor: Actor, hold_id: UUID) -> LegalHold:
    identity.must_be_here(session, actor)
    row = queries.hold(session, hold_id)
    if row is None:
        raise HoldNotFound
    if row.released_at is not None:
        raise HoldSettled
    return row


def _review_at(wanted: datetime | None, *, zone: ZoneInfo, at: datetime) -> datetime:
    latest = end_of(at, Period(months=HOLD_REVIEW_MONTHS), zone) - timedelta(days=1)
    if wanted is not None and not at < wanted <= latest:
        raise HoldReviewTooLate(latest=latest.isoformat())
    return wanted or latest


def _told(
    session: Session, actor: Actor, act: Act, subject: Subject, reason: str, *, at: datetime
) -> None:
    ledger.append(session, actor, act, subject.about, at=at, detail={"reason": reason})


def _write(  # noqa: PLR0913 - an entry has these parts; all but four are named.
    session: Session,
    actor: Actor,
    act: Act,
    row: LegalHold,
    *,
    at: datetime,
    named: int | None = None,
    note: str | None = None,
) -> None:
    detail = {"matter": row.matter, "reason": row.reason} | ({"note": note} if note else {})
    facts: dict[str, str | int | bool | None] = {
        "review_at": row.review_at.isoformat(),
        "is_order": row.is_order,
    }
    if named is not None:
        rule = (row.rule_client_id, row.rule_agent, row.rule_dispute_id)
        facts |= {"named": named, "has_rule": any(rule)}
    ledger.append(session, actor, act, ("hold", row.id), at=at, facts=facts, detail=detail)
