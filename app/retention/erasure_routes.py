"""Routes of erasures that were asked for: agreeing, denying, and what came of it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, SessionDep
from app.core.paging import DEFAULT_LIMIT
from app.core.problems import problems
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.retention import erasures, queries
from app.retention.models import Erasure
from app.retention.routes import ACTING, GUARDED, CanRead, Limit, ZoneDep
from app.retention.schemas import ErasureRead, Reason

router = APIRouter(prefix="/v1", tags=["erasures"])

CanApprove = Annotated[Actor, Depends(Requires(Permission.ERASURE_APPROVE))]
_SETTLING = (*ACTING, erasures.ErasureNotFound, erasures.ErasureOver)


@router.get("/erasures", responses=problems(*GUARDED))
def list_erasures(
    _: CanRead, session: SessionDep, limit: Limit = DEFAULT_LIMIT
) -> list[ErasureRead]:
    """List erasures, the newest first."""
    return [read(session, row) for row in queries.erasures(session, limit=limit)]


@router.get("/erasures/{erasure_id}", responses=problems(*GUARDED, erasures.ErasureNotFound))
def get_erasure(erasure_id: UUID, _: CanRead, session: SessionDep) -> ErasureRead:
    """Tell how far an erasure is, and what became of each object."""
    row = queries.erasure(session, erasure_id)
    if row is None:
        raise erasures.ErasureNotFound
    return read(session, row)


@router.post(
    "/erasures/{erasure_id}/approve",
    responses=problems(*_SETTLING, erasures.ErasureRequesterApproves, erasures.ErasureHindered),
)
def approve_erasure(
    erasure_id: UUID, actor: CanApprove, session: SessionDep, clock: ClockDep, zone: ZoneDep
) -> ErasureRead:
    """Agree to an erasure that another person asked for; the last yes carries it out."""
    return read(session, erasures.approve(session, actor, erasure_id, zone=zone, at=clock.now()))


@router.post("/erasures/{erasure_id}/deny", responses=problems(*_SETTLING))
def deny_erasure(
    erasure_id: UUID, body: Reason, actor: CanApprove, session: SessionDep, clock: ClockDep
) -> ErasureRead:
    """Turn an erasure down, with the reason that the person is told."""
    return read(
        session, erasures.deny(session, actor, erasure_id, reason=body.reason, at=clock.now())
    )


def read(session: Session, row: Erasure) -> ErasureRead:
    """Return an erasure as it is told."""
    agreed = list(queries.approvals(session, row.id))
    return ErasureRead.of(row, agreed, list(queries.objects_of(session, row.id)))
