"""Routes of checks: what is damaged, and how one recording was looked at."""

from __future__ import annotations

from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, SessionDep
from app.core.problems import problems
from app.fixity import locks, queries
from app.fixity.locks import LockTools
from app.fixity.schemas import (
    CheckRead,
    DamageRead,
    Damages,
    LegFixity,
    LockDifference,
    LockRead,
    RecordingFixity,
)
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings import queries as recordings
from app.recordings import service
from app.recordings.models import Leg, SealedRow
from app.recordings.service import RecordingNotFound

router = APIRouter(prefix="/v1", tags=["fixity"])

CanReview = Annotated[Actor, Depends(Requires(Permission.REVIEW_READ))]
CanRead = Annotated[Actor, Depends(Requires(Permission.RECORDING_READ))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
_SHOWN = 50


def _tools(request: Request) -> LockTools:
    return cast("LockTools", request.app.state.tools)


ToolsDep = Annotated[LockTools, Depends(_tools)]


@router.get("/fixity", responses=problems(*GUARDED))
def list_damages(_: CanReview, session: SessionDep, clock: ClockDep) -> Damages:
    """List what is damaged or missing, and the locks that differ from what the store had said."""
    differing = queries.differing(session, since=clock.now() - locks.SHOWN_FOR)
    return Damages(
        damaged=[DamageRead.of(found) for found in queries.damages(session)],
        locks=[LockDifference.of(row) for row in differing],
    )


@router.get("/recordings/{recording_id}/fixity", responses=problems(*GUARDED, RecordingNotFound))
def get_fixity(
    recording_id: UUID, actor: CanRead, session: SessionDep, tools: ToolsDep
) -> RecordingFixity:
    """Tell when a recording was looked at, what was found, and how it is locked."""
    found = service.find(session, actor, recording_id)
    rows = recordings.objects_of(session, found.legs)
    return RecordingFixity(
        recording_id=found.id,
        damaged_since=found.integrity_failed_at,
        legs=[
            _leg(session, leg, rows[leg.object_id], can_lock=tools.archive.can_lock)
            for leg in found.legs
        ],
    )


def _leg(session: Session, leg: Leg, row: SealedRow, *, can_lock: bool) -> LegFixity:
    copy_id = leg.playable_object_id
    copy = locks.state(session, copy_id) if copy_id else None
    checks = queries.checks_of(session, [leg.object_id], limit=_SHOWN)
    return LegFixity(
        leg=leg.leg,
        sha256=row.sha256.hex(),
        check_due_at=row.check_due_at,
        lock=LockRead.of(locks.state(session, leg.object_id), can_lock=can_lock),
        playable_lock=LockRead.of(copy, can_lock=can_lock) if copy else None,
        checks=[CheckRead.of(check) for check in checks],
    )
