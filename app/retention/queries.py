"""What speaks for keeping a recording and what against: holds, rules, moments, requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.clients.models import Contract, Event
from app.disputes.models import Dispute, Exhibit
from app.identity.models import User
from app.recordings.models import InspectionState, Recording
from app.releases.models import Release, ReleaseItem, ReleaseState
from app.retention.models import (
    Erasure,
    ErasureApproval,
    ErasureObject,
    LegalHold,
    LegalHoldItem,
    Restriction,
    RetentionNotice,
    RetentionReview,
    RetentionRule,
)
from app.retention.rules import Action, Period, Rule, Trigger

_CAUGHT = text("SELECT caught_by(:asked, :after, :limit)")


def recording(session: Session, recording_id: UUID) -> Recording | None:
    """Return a recording, erased or not."""
    return session.get(Recording, recording_id)


def client_of(session: Session, found: Recording) -> UUID | None:
    """Return the client of a recording's event."""
    return session.scalar(select(Event.client_id).where(Event.id == found.event_id))


def holds_of(session: Session, recording_id: UUID) -> Sequence[LegalHold]:
    """Return the holds that keep a recording now, those by a rule included."""
    ids = session.scalars(text("SELECT holds_of(:asked)"), {"asked": recording_id}).all()
    return session.scalars(
        select(LegalHold).where(LegalHold.id.in_(ids)).order_by(LegalHold.placed_at)
    ).all()


def hold(session: Session, hold_id: UUID) -> LegalHold | None:
    """Return a hold, locked until the transaction ends."""
    return session.scalar(select(LegalHold).where(LegalHold.id == hold_id).with_for_update())


def holds(session: Session, *, with_released: bool, limit: int) -> Sequence[LegalHold]:
    """Return holds, those to be looked at first in front."""
    query = select(LegalHold).order_by(LegalHold.review_at, LegalHold.id).limit(limit)
    if not with_released:
        query = query.where(LegalHold.released_at.is_(None))
    return session.scalars(query).all()


def items_of(session: Session, hold_id: UUID) -> Sequence[UUID]:
    """Return the recordings that a hold names or has caught."""
    return session.scalars(
        select(LegalHoldItem.recording_id)
        .where(LegalHoldItem.hold_id == hold_id)
        .order_by(LegalHoldItem.recording_id)
    ).all()


def caught_by(session: Session, hold_id: UUID, *, after: UUID | None, limit: int) -> list[UUID]:
    """Return the recordings that a hold keeps or kept, page by page in the order of their ids."""
    rows = session.scalars(_CAUGHT, {"asked": hold_id, "after": after, "limit": limit})
    return [UUID(str(row)) for row in rows]


def rules_in_force(session: Session) -> Sequence[RetentionRule]:
    """Return the versions in force; a version without periods ends its rule."""
    return session.scalars(
        select(RetentionRule)
        .where(RetentionRule.approved_at.is_not(None), RetentionRule.retired_at.is_(None))
        .order_by(RetentionRule.name)
    ).all()


def as_rule(row: RetentionRule) -> Rule:
    """Return what a row says, as the pure rules have it."""
    return Rule(
        id=row.id,
        name=row.name,
        trigger=Trigger(row.trigger),
        minimum=Period(**row.minimum) if row.minimum else None,
        maximum=Period(**row.maximum) if row.maximum else None,
        basis=row.basis,
        min_is_law=row.min_is_law,
        action=Action(row.action),
        flags=tuple(row.flags),
        client_id=row.client_id,
    )


def moments(session: Session, found: Recording) -> dict[Trigger, datetime | None]:
    """Return when each period begins; None: it has not, or nobody knows of it."""
    length = timedelta(milliseconds=found.duration_ms or 0)
    client_id = client_of(session, found)
    return {
        Trigger.CALL_END: found.ended_at or found.started_at + length,
        Trigger.CONTRACT_END: _contract_end(session, client_id),
        Trigger.DISPUTE_CLOSED: _dispute_closed(session, found.id),
        Trigger.LAST_SHARE: _last_share(session, found.id),
        Trigger.REVIEWED: _reviewed(session, found),
    }


def _contract_end(session: Session, client_id: UUID | None) -> datetime | None:
    """Return the end of a client's last contract; None while one runs, and where there is none."""
    ends = session.execute(
        select(Contract.valid_to, Contract.terminated_at).where(Contract.client_id == client_id)
    ).all()
    known = [min(e for e in row if e is not None) for row in ends if any(row)]
    return max(known) if known and len(known) == len(ends) else None


def _dispute_closed(session: Session, recording_id: UUID) -> datetime | None:
    closed = session.scalars(
        select(Dispute.closed_at)
        .join(Exhibit, Exhibit.dispute_id == Dispute.id)
        .where(Exhibit.recording_id == recording_id)
    ).all()
    known = [at for at in closed if at is not None]
    return max(known) if known and len(known) == len(closed) else None


def _last_share(session: Session, recording_id: UUID) -> datetime | None:
    return session.scalar(
        select(func.max(func.coalesce(Release.revoked_at, Release.expires_at)))
        .join(ReleaseItem, ReleaseItem.release_id == Release.id)
        .where(ReleaseItem.recording_id == recording_id, Release.state != ReleaseState.DENIED)
    )


def _reviewed(session: Session, found: Recording) -> datetime | None:
    if found.inspection_state != InspectionState.DONE:
        return None
    return session.scalar(
        select(func.max(RetentionReview.at)).where(RetentionReview.recording_id == found.id)
    )


def open_erasure(session: Session, recording_id: UUID) -> Erasure | None:
    """Return the erasure of a recording that was not denied."""
    return session.scalar(
        select(Erasure).where(Erasure.recording_id == recording_id, Erasure.denied_at.is_(None))
    )


def erasure(session: Session, erasure_id: UUID) -> Erasure | None:
    """Return an erasure, locked until the transaction ends."""
    return session.scalar(select(Erasure).where(Erasure.id == erasure_id).with_for_update())


def erasures(session: Session, *, limit: int) -> Sequence[Erasure]:
    """Return erasures, the newest first."""
    return session.scalars(
        select(Erasure).order_by(Erasure.requested_at.desc(), Erasure.id.desc()).limit(limit)
    ).all()


def unfinished(session: Session) -> Sequence[UUID]:
    """Return the erasures that were agreed to and are not verified yet."""
    agreed = (
        select(func.count())
        .select_from(ErasureApproval)
        .where(ErasureApproval.erasure_id == Erasure.id)
        .scalar_subquery()
    )
    return session.scalars(
        select(Erasure.id).where(
            Erasure.denied_at.is_(None),
            Erasure.verified_at.is_(None),
            agreed >= Erasure.approvals_needed,
        )
    ).all()


def approvals(session: Session, erasure_id: UUID) -> Sequence[ErasureApproval]:
    """Return who has agreed to an erasure, in order."""
    return session.scalars(
        select(ErasureApproval)
        .where(ErasureApproval.erasure_id == erasure_id)
        .order_by(ErasureApproval.at)
    ).all()


def objects_of(session: Session, erasure_id: UUID) -> Sequence[ErasureObject]:
    """Return the objects of an erasure."""
    return session.scalars(
        select(ErasureObject)
        .where(ErasureObject.erasure_id == erasure_id)
        .order_by(ErasureObject.object_id)
    ).all()


def open_notice(session: Session, recording_id: UUID) -> RetentionNotice | None:
    """Return the announcement about a recording that stands."""
    return session.scalar(
        select(RetentionNotice).where(
            RetentionNotice.recording_id == recording_id, RetentionNotice.cancelled_at.is_(None)
        )
    )


def due(session: Session, *, limit: int) -> Sequence[tuple[RetentionNotice, Recording]]:
    """Return what was announced and is not erased yet, what comes first in front."""
    rows = session.execute(
        select(RetentionNotice, Recording)
        .join(Recording, Recording.id == RetentionNotice.recording_id)
        .where(RetentionNotice.cancelled_at.is_(None), Recording.erased_at.is_(None))
        .order_by(RetentionNotice.due_at, RetentionNotice.id)
        .limit(limit)
    )
    return [(notice, found) for notice, found in rows]


def open_restriction(session: Session, recording_id: UUID) -> Restriction | None:
    """Return the restriction of a recording that stands."""
    return session.scalar(
        select(Restriction).where(
            Restriction.recording_id == recording_id, Restriction.lifted_at.is_(None)
        )
    )


def unerased(session: Session, *, after: UUID | None, limit: int) -> Sequence[Recording]:
    """Return recordings that are there, page by page in the order of their ids."""
    query = select(Recording).where(Recording.erased_at.is_(None)).order_by(Recording.id)
    if after is not None:
        query = query.where(Recording.id > after)
    return session.scalars(query.limit(limit)).all()


def names(session: Session, ids: Sequence[UUID]) -> dict[UUID, User]:
    """Return the people of these ids."""
    return {user.id: user for user in session.scalars(select(User).where(User.id.in_(ids)))}
