"""Listening to a part of a recording, where the rules refuse the whole and allow the part."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.consent import service as consent
from app.consent.purposes import Purpose
from app.consent.rules import ConsentRefused, Segment
from app.consent.spans import SegmentInvalid
from app.core.deps import ClockDep, DatabaseDep
from app.core.problems import problems
from app.core.ranges import ByteRange
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.playback import asking
from app.playback.asking import Place
from app.recordings import service as recordings
from app.recordings.service import RecordingNotFound
from app.releases import giving
from app.releases.giving import Allowed
from app.releases.making import Made
from app.releases.preview_routes import MakerDep
from app.releases.refusals import (
    ConsentChanged,
    RecordingNotReady,
    ReleaseRecordingUnknown,
    SegmentNotSupported,
)

router = APIRouter(prefix="/v1/recordings/{recording_id}", tags=["listening"])

CanListen = Annotated[Actor, Depends(Requires(Permission.RECORDING_LISTEN))]
AskedPurpose = Annotated[
    Purpose | None, Query(description="What it is heard for; by role if not said.")
]


@router.get(
    "/part",
    response_class=Response,
    responses=problems(
        RecordingNotFound,
        ConsentRefused,
        ConsentChanged,
        RecordingNotReady,
        SegmentNotSupported,
        ReleaseRecordingUnknown,
        SegmentInvalid,
    )
    | {206: {"description": "The range asked for"}, 416: {"description": "No such range"}},
)
def get_part(  # noqa: PLR0913, PLR0917 - the framework injects them.
    recording_id: UUID,
    actor: CanListen,
    request: Request,
    database: DatabaseDep,
    maker: MakerDep,
    clock: ClockDep,
    from_ms: Place = 0,
    to_ms: Place | None = None,
    purpose: AskedPurpose = None,
) -> Response:
    """Listen to a part: cut from the originals, so that no sample before or after it is given.

    Decided like listening, on this part alone, and written down like it. The file is made at each
    request and nothing of it is kept.
    """
    asked, recipient, asker = asking.question_of(actor, purpose)
    segment = Segment(from_ms, to_ms)
    try:
        with database.transaction() as session:
            found = recordings.find(session, actor, recording_id)
            question = consent.question(
                session,
                purpose=asked,
                recipient_class=recipient,
                segment=segment,
                requested_by=asker,
            )
            permit = consent.permit_for(session, actor, recording_id, question, at=clock.now())
            # Asked after the decision: how long it is, is told to nobody who may not hear.
            if found.duration_ms is not None and from_ms >= found.duration_ms:
                raise SegmentInvalid(from_ms=from_ms, to_ms=to_ms)
    except ConsentRefused as exc:
        asking.remember(database, actor, ("recording", recording_id), exc, clock)
        raise

    def tell(session: Session, made: Made, part: ByteRange) -> None:
        ledger.append(
            session,
            actor,
            Act.MEDIA_PLAYED,
            ("recording", recording_id),
            at=clock.now(),
            facts={
                "purpose": str(permit.purpose),
                "form": "part",
                "from_ms": from_ms,
                "to_ms": to_ms,
                "first_byte": part.start,
                "last_byte": part.end - 1,
            },
            content=made.sha256,
        )

    making = maker.clip(recording_id, permit.segment, ())
    allowed = Allowed(permit=permit, tell=tell)
    return giving.sound(request, database, making, allowed, name=str(recording_id))
