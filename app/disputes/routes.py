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
from app.disputes.models import Dispute, Exhibit, ExhibitKind
from app.disputes.schemas import (
    AreaWire,
    DisputeCreate,
    DisputeRead,
    ExhibitCreate,
    ExhibitRead,
    ExhibitRevise,
    RedactionWire,
)
from app.disputes.service import (
    AreaOutside,
    ChannelMissing,
    Clip,
    DisputeClientUnknown,
    DisputeClosed,
    DisputeNotFound,
    ExhibitBeyondEnd,
    ExhibitNotFound,
    ExhibitOtherKind,
    ExhibitRecordingUnknown,
    ExhibitReplaced,
    ExhibitScreenshotUnknown,
    PersonNeeded,
    RedactionOutside,
    Shot,
)
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission

router = APIRouter(prefix="/v1", tags=["disputes"])

CanWrite = Annotated[Actor, Depends(Requires(Permission.DISPUTE_WRITE))]
CanRead = Annotated[Actor, Depends(Requires(Permission.DISPUTE_READ))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
ADDING = (
    *GUARDED,
    PersonNeeded,
    DisputeClosed,
    ExhibitRecordingUnknown,
    ExhibitScreenshotUnknown,
    ExhibitBeyondEnd,
    RedactionOutside,
    ChannelMissing,
    AreaOutside,
)


@router.post(
    "/disputes", status_code=201, responses=problems(*GUARDED, PersonNeeded, DisputeClientUnknown)
)
def open_dispute(
    body: DisputeCreate, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> DisputeRead:
    """Open a dispute with a client."""
    dispute = service.open_dispute(
        session, actor, client=body.client, subject=body.subject, at=clock.now()
    )
    return _read(session, dispute)


@router.get("/disputes/{dispute_id}", responses=problems(*GUARDED, DisputeNotFound))
def get_dispute(dispute_id: UUID, _actor: CanRead, session: SessionDep) -> DisputeRead:
    """Tell what a dispute is about and what was gathered."""
    return _read(session, service.get(session, DisputeId(dispute_id)))


@router.post(
    "/disputes/{dispute_id}/exhibits",
    status_code=201,
    responses=problems(*ADDING, DisputeNotFound),
)
def add_exhibit(
    dispute_id: UUID, body: ExhibitCreate, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> ExhibitRead:
    """Add a part of a recording, or a screenshot, to a dispute."""
    shown = _shown(body, body.recording_id, body.screenshot_id)
    return _exhibit(
        service.add_exhibit(session, actor, DisputeId(dispute_id), shown, at=clock.now())
    )


@router.post(
    "/exhibits/{exhibit_id}/revise",
    status_code=201,
    responses=problems(*ADDING, ExhibitNotFound, ExhibitReplaced, ExhibitOtherKind),
)
def revise_exhibit(
    exhibit_id: UUID, body: ExhibitRevise, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> ExhibitRead:
    """Put another part, other redactions or areas in the place of an exhibit; both are kept."""
    old = service.exhibit(session, exhibit_id)
    try:
        body.must_suit(ExhibitKind(old.kind))
    except ValueError as exc:
        raise ExhibitOtherKind from exc
    shown = _shown(body, old.recording_id, old.screenshot_id)
    return _exhibit(service.revise(session, actor, exhibit_id, shown, at=clock.now()))


def _shown(
    body: ExhibitRevise, recording_id: UUID | None, screenshot_id: UUID | None
) -> Clip | Shot:
    if recording_id is not None:
        return Clip(
            recording_id=RecordingId(recording_id),
            from_ms=body.from_ms,
            to_ms=body.to_ms,
            note=body.note,
            redactions=tuple(one.redaction() for one in body.redactions),
        )
    if screenshot_id is None:
        raise TypeError("An exhibit shows a recording or a screenshot.")
    return Shot(
        screenshot_id=screenshot_id,
        note=body.note,
        areas=tuple(one.area() for one in body.areas),
    )


def _read(session: Session, dispute: Dispute) -> DisputeRead:
    replaced = {e.replaces for e in dispute.exhibits}
    return DisputeRead(
        id=dispute.id,
        client=queries.client_name(session, dispute.client_id),
        subject=dispute.subject,
        opened_by=dispute.opened_by,
        opened_at=dispute.opened_at,
        closed_at=dispute.closed_at,
        exhibits=[_exhibit(e) for e in dispute.exhibits if e.id not in replaced],
    )


def _exhibit(exhibit: Exhibit) -> ExhibitRead:
    return ExhibitRead(
        id=exhibit.id,
        kind=exhibit.kind,
        recording_id=exhibit.recording_id,
        screenshot_id=exhibit.screenshot_id,
        from_ms=exhibit.from_ms,
        to_ms=exhibit.to_ms,
        redactions=[RedactionWire.model_validate(one) for one in exhibit.redactions],
        areas=[AreaWire.model_validate(one) for one in exhibit.areas],
        replaces=exhibit.replaces,
        note=exhibit.note,
        added_by=exhibit.added_by,
        at=exhibit.at,
    )
