"""The route of the vCon export."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from app.consent import exporting
from app.core.deps import ClockDep, SessionDep
from app.core.problems import problems
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings.service import RecordingNotFound

router = APIRouter(prefix="/v1", tags=["consent"])

CanExport = Annotated[Actor, Depends(Requires(Permission.CONSENT_EXPORT))]


@router.get(
    "/recordings/{recording_id}/vcon",
    responses=problems(KeyMissing, KeyUnknown, PermissionMissing, RecordingNotFound),
)
def export_vcon(
    recording_id: UUID, actor: CanExport, session: SessionDep, clock: ClockDep
) -> dict[str, Any]:
    """Return what is known of consent as a vCon: lawful-basis statements, no sound, no names."""
    return exporting.vcon_of(session, actor, recording_id, at=clock.now())
