"""Routes of holds, retention rules and announcements."""

from __future__ import annotations

import csv
import io
from typing import Annotated, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients.service import ClientNotFound
from app.core.deps import ClockDep, SessionDep
from app.core.downloads import told_as
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT
from app.core.problems import problems
from app.disputes.service import PersonNeeded
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.identity.service import NoLongerHere
from app.recordings.models import Recording
from app.retention import holds, keeping, queries
from app.retention.models import RetentionRule
from app.retention.rules import DEFAULTS, Kind
from app.retention.schemas import (
    Changed,
    ConflictPage,
    HoldCreate,
    HoldRead,
    HoldReview,
    NoticeRead,
    Reason,
    RetentionRead,
    RuleCreate,
    RuleRead,
)
from app.settings import Settings

router = APIRouter(prefix="/v1", tags=["retention"])

CanRead = Annotated[Actor, Depends(Requires(Permission.RETENTION_READ))]
CanWrite = Annotated[Actor, Depends(Requires(Permission.RETENTION_WRITE))]
CanHold = Annotated[Actor, Depends(Requires(Permission.HOLD_WRITE))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
ACTING = (*GUARDED, PersonNeeded, NoLongerHere)
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
_MOST_IN_TABLE = 100_000
_OTHERS = tuple(f"{kind}_id" for kind in Kind if kind is not Kind.RECORDING)


def _zone(request: Request) -> ZoneInfo:
    return cast("Settings", request.app.state.settings).zone


ZoneDep = Annotated[ZoneInfo, Depends(_zone)]


@router.post(
    "/holds",
    status_code=201,
    responses=problems(
        *ACTING, holds.HoldEmpty, holds.HoldRecordingUnknown, holds.HoldReviewTooLate
    ),
)
def place_hold(
    body: HoldCreate, actor: CanHold, session: SessionDep, clock: ClockDep, zone: ZoneDep
) -> HoldRead:
    """Place a hold; it holds at once and waits for another person's approval."""
    return _hold(session, holds.place(session, actor, body.wanted(), zone=zone, at=clock.now()).id)


@router.get("/holds", responses=problems(*GUARDED))
def list_holds(
    _: CanRead, session: SessionDep, *, released: bool = False, limit: Limit = DEFAULT_LIMIT
) -> list[HoldRead]:
    """List holds, those to be looked at first in front; with `released`, also those over."""
    rows = queries.holds(session, with_released=released, limit=limit)
    return [HoldRead.of(row, queries.items_of(session, row.id)) for row in rows]


_SETTLING = problems(*ACTING, holds.HoldNotFound, holds.HoldSettled, holds.SamePersonSettles)


@router.post("/holds/{hold_id}/approve", responses=_SETTLING)
def approve_hold(hold_id: UUID, actor: CanHold, session: SessionDep, clock: ClockDep) -> HoldRead:
    """Agree to a hold that another person has placed."""
    return _hold(session, holds.approve(session, actor, hold_id, at=clock.now()).id)


@router.post(
    "/holds/{hold_id}/review",
    responses=problems(*ACTING, holds.HoldNotFound, holds.HoldSettled, holds.HoldReviewTooLate),
)
def review_hold(
    hold_id: UUID,
    body: HoldReview,
    actor: CanHold,
    session: SessionDep,
    clock: ClockDep,
    zone: ZoneDep,
) -> HoldRead:
    """Say that a hold is still needed; the next look is within six months."""
    row = holds.review(
        session, actor, hold_id, note=body.note, next_at=body.next_at, zone=zone, at=clock.now()
    )
    return _hold(session, row.id)


@router.post("/holds/{hold_id}/release", responses=_SETTLING)
def release_hold(
    hold_id: UUID, body: Reason, actor: CanHold, session: SessionDep, clock: ClockDep
) -> HoldRead:
    """End a hold that another person has placed."""
    row = holds.release(session, actor, hold_id, reason=body.reason, at=clock.now())
    return _hold(session, row.id)


@router.get("/retention/rules", responses=problems(*GUARDED))
def list_rules(_: CanRead, session: SessionDep) -> list[RuleRead]:
    """List every version of every rule, and the rules that are offered."""
    rows = session.scalars(
        select(RetentionRule).order_by(RetentionRule.name, RetentionRule.version)
    )
    return [RuleRead.of(row) for row in rows] + [RuleRead.offered(rule) for rule in DEFAULTS]


@router.post(
    "/retention/rules",
    status_code=201,
    responses=problems(
        *ACTING, ClientNotFound, keeping.RulePeriodsContradict, keeping.ScreenshotsHaveNoFlag
    ),
)
def propose_rule(
    body: RuleCreate, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> RuleRead:
    """Propose a rule or its next version; nothing changes until another person agrees."""
    return RuleRead.of(keeping.propose(session, actor, body.rule(), at=clock.now()))


@router.get("/retention/rules/{rule_id}/diff", responses=problems(*GUARDED, keeping.RuleNotFound))
def diff_rule(rule_id: UUID, _: CanRead, session: SessionDep) -> list[Changed]:
    """Show what a version changes in the one in force."""
    return [
        Changed(
            part=part,
            before=None if before is None else str(before),
            after=None if after is None else str(after),
        )
        for part, (before, after) in keeping.diff(session, rule_id).items()
    ]


@router.post(
    "/retention/rules/{rule_id}/approve",
    responses=problems(
        *ACTING, keeping.RuleNotFound, keeping.RuleSettled, keeping.SamePersonAgrees
    ),
)
def approve_rule(rule_id: UUID, actor: CanWrite, session: SessionDep, clock: ClockDep) -> RuleRead:
    """Put a version in force that another person has proposed."""
    return RuleRead.of(keeping.approve(session, actor, rule_id, at=clock.now()))


@router.get("/retention/due", responses=problems(*GUARDED))
def list_due(_: CanRead, session: SessionDep, limit: Limit = DEFAULT_LIMIT) -> list[NoticeRead]:
    """List what is going to be erased, what comes first in front."""
    return _due(session, limit=limit)


@router.get(
    "/retention/due.csv",
    response_class=Response,
    responses=problems(*GUARDED) | told_as("text/csv"),
)
def table_due(_: CanRead, session: SessionDep) -> Response:
    """Give the same as a table."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(("recording_id", "started_at", "flag", "announced_at", "due_at", *_OTHERS))
    for one in _due(session, limit=_MOST_IN_TABLE):
        started_at = one.started_at.isoformat() if one.started_at else ""
        moments = (one.announced_at.isoformat(), one.due_at.isoformat())
        others = (getattr(one, name) for name in _OTHERS)
        table.writerow((one.recording_id, started_at, one.flag, *moments, *others))
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8")


@router.get("/retention/conflicts", responses=problems(*GUARDED))
def list_conflicts(
    _: CanRead,
    session: SessionDep,
    clock: ClockDep,
    zone: ZoneDep,
    after: UUID | None = None,
    limit: Limit = DEFAULT_LIMIT,
) -> ConflictPage:
    """List, of the next `limit` things that are kept, those that must be longer than they may."""
    in_force = [queries.as_rule(row) for row in queries.rules_in_force(session)]
    rows = queries.unerased(session, after=after, limit=limit)
    told = keeping.standings_of(session, rows, in_force, zone=zone, at=clock.now())
    return ConflictPage(
        items=[RetentionRead.of(one) for one in told if one.verdict.contradict],
        next=rows[-1].id if len(rows) == limit else None,
    )


def _due(session: Session, *, limit: int) -> list[NoticeRead]:
    return [
        NoticeRead.of(notice).model_copy(
            update={
                "started_at": queries.made_at(found),
                "flag": found.flag if isinstance(found, Recording) else None,
            }
        )
        for notice, found in queries.due(session, limit=limit)
    ]


def _hold(session: Session, hold_id: UUID) -> HoldRead:
    row = queries.hold(session, hold_id)
    if row is None:
        raise holds.HoldNotFound
    return HoldRead.of(row, queries.items_of(session, hold_id))
