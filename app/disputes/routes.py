"""The JSON routes of disputes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, SessionDep
from app.core.ids import DisputeId, RecordingId
from app.core.problems import problems
from app.disputes import queries, service
from app.disputes.models import Dispute, Exhibit
from app.disputes.schemas import DisputeCreate, DisputeRead, ExhibitCreate, ExhibitRead
from app.disputes.service import (
    Clip,
    DisputeClientUnknown,
    DisputeClosed,
    DisputeNotFound,
    ExhibitBeyondEnd,
    ExhibitRecordingUnknown,
    PersonNeeded,
)
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission

router = APIRouter(prefix="/v1/disputes", tags=["disputes"])

CanWrite = Annotated[Actor, Depends(Requires(Permission.DISPUTE_WRITE))]
CanRead = Annotated[Actor, Depends(Requires(Permission.DISPUTE_READ))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)


@router.post("", status_code=201, responses=problems(*GUARDED, PersonNeeded, DisputeClientUnknown))
def open_dispute(
    body: DisputeCreate, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> DisputeRead:
    """Open a dispute with a client."""
    dispute = service.open_dispute(
        session, actor, client=body.client, subject=body.subject, at=clock.now()
    )
    return _read(session, dispute)


@router.get("/{dispute_id}", responses=problems(*GUARDED, DisputeNotFound))
def get_dispute(dispute_id: UUID, _actor: CanRead, session: SessionDep) -> DisputeRead:
    """Tell what a dispute is about and what was gathered."""
    return _read(session, service.get(session, DisputeId(dispute_id)))


@router.post(
    "/{dispute_id}/exhibits",
    status_code=201,
    responses=problems(
        *GUARDED,
        PersonNeeded,
        DisputeNotFound,
        DisputeClosed,
        ExhibitRecordingUnknown,
        ExhibitBeyondEnd,
    ),
)
def add_exhibit(
    dispute_id: UUID, body: ExhibitCreate, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> ExhibitRead:
    """Add a part of a recording to a dispute."""
    clip = Clip(
        recording_id=RecordingId(body.recording_id),
        from_ms=body.from_ms,
        to_ms=body.to_ms,
        note=body.note,
    )
    return _exhibit(
        service.add_exhibit(session, actor, DisputeId(dispute_id), clip, at=clock.now())
    )


def _read(session: Session, dispute: Dispute) -> DisputeRead:
    return DisputeRead(
        id=dispute.id,
        client=queries.client_name(session, dispute.client_id),
        subject=dispute.subject,
        opened_by=dispute.opened_by,
        opened_at=dispute.opened_at,
        closed_at=dispute.closed_at,
        exhibits=[_exhibit(e) for e in dispute.exhibits],
    )


def _exhibit(exhibit: Exhibit) -> ExhibitRead:
    return ExhibitRead(
        id=exhibit.id,
        recording_id=exhibit.recording_id,
        from_ms=exhibit.from_ms,
        to_ms=exhibit.to_ms,
        note=exhibit.note,
        added_by=exhibit.added_by,
        at=exhibit.at,
    )
