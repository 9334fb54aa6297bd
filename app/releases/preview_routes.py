"""Hearing or seeing exactly what would leave, before anybody asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.consent import screenshots
from app.consent import service as consent
from app.consent.purposes import Purpose
from app.consent.rules import ConsentRefused, Permit, Segment
from app.core.clock import Clock
from app.core.db import Database
from app.core.deps import ClockDep, DatabaseDep
from app.core.problems import problems
from app.core.ranges import ByteRange
from app.custody import ledger
from app.custody.ledger import Act
from app.disputes import service as disputes
from app.disputes.models import Exhibit, ExhibitKind
from app.disputes.redactions import Area, read_all
from app.disputes.service import AreaOutside, ChannelMissing, ExhibitNotFound, ExhibitReplaced
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.playback import asking
from app.recordings import queries as received
from app.recordings import service as recordings
from app.recordings.models import Screenshot
from app.recordings.service import RecordingNotFound
from app.releases import giving
from app.releases.copies import Copier
from app.releases.giving import Allowed
from app.releases.making import Made, Maker
from app.releases.refusals import (
    ConsentChanged,
    PictureUnreadable,
    RecordingNotReady,
    ReleaseRecordingUnknown,
    ReleaseScreenshotUnknown,
    ScreenshotDamaged,
    SegmentNotSupported,
)

router = APIRouter(prefix="/v1/exhibits/{exhibit_id}", tags=["disputes"])

CanPreview = Annotated[Actor, Depends(Requires(Permission.EXHIBIT_PREVIEW))]
AskedPurpose = Annotated[
    Purpose | None, Query(description="What it is heard for; by role if not said.")
]


def _maker(request: Request) -> Maker:
    return cast("Copier", request.app.state.copier).maker


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Who asks for which exhibit, and what it takes to answer."""

    exhibit: Exhibit
    actor: Actor
    database: Database
    clock: Clock
    purpose: Purpose | None

    @property
    def about(self) -> tuple[str, UUID]:
        shown = self.exhibit.recording_id or self.exhibit.screenshot_id
        if shown is None:
            raise ExhibitNotFound
        return self.exhibit.kind, shown


MakerDep = Annotated[Maker, Depends(_maker)]


@router.get(
    "/preview",
    response_class=Response,
    responses=problems(
        ExhibitNotFound,
        ExhibitReplaced,
        RecordingNotFound,
        ConsentRefused,
        ConsentChanged,
        RecordingNotReady,
        SegmentNotSupported,
        ChannelMissing,
        AreaOutside,
        PictureUnreadable,
        ReleaseRecordingUnknown,
        ReleaseScreenshotUnknown,
        ScreenshotDamaged,
    )
    | {206: {"description": "The part asked for"}, 416: {"description": "No such part"}},
)
def get_preview(  # noqa: PLR0913, PLR0917 - the framework injects them.
    exhibit_id: UUID,
    actor: CanPreview,
    request: Request,
    database: DatabaseDep,
    maker: MakerDep,
    clock: ClockDep,
    purpose: AskedPurpose = None,
) -> Response:
    """Give the very bytes that a release of the exhibit would hand over, redacted as it says.

    Decided like listening, on the exhibit's part alone, and written down like it. The file is made
    at each request and nothing of it is kept.
    """
    with database.transaction() as session:
        exhibit = disputes.exhibit(session, exhibit_id)
    asked = _Asked(exhibit=exhibit, actor=actor, database=database, clock=clock, purpose=purpose)
    if exhibit.kind == ExhibitKind.SCREENSHOT:
        return _picture(asked, maker)
    permit = _may_hear(asked)

    def tell(session: Session, made: Made, part: ByteRange) -> None:
        _tell(session, asked, made, purpose=permit.purpose, part=part)

    making = maker.clip(permit.recording_id, permit.segment, read_all(exhibit.redactions))
    allowed = Allowed(permit=permit, tell=tell)
    return giving.sound(request, database, making, allowed, name=str(exhibit.id))


def _may_hear(asked: _Asked) -> Permit:
    """Return the permit for the exhibit's part."""
    purpose, recipient, asker = asking.question_of(asked.actor, asked.purpose)
    _, recording_id = asked.about
    try:
        with asked.database.transaction() as session:
            recordings.require_seen(session, asked.actor, recording_id)
            question = consent.question(
                session,
                purpose=purpose,
                recipient_class=recipient,
                segment=Segment(asked.exhibit.from_ms, asked.exhibit.to_ms),
                requested_by=asker,
            )
            return consent.permit_for(
                session, asked.actor, recording_id, question, at=asked.clock.now()
            )
    except ConsentRefused as exc:
        asking.remember(asked.database, asked.actor, asked.about, exc, asked.clock)
        raise


def _picture(asked: _Asked, maker: Maker) -> Response:
    purpose, recipient, asker = asking.question_of(asked.actor, asked.purpose)
    _, screenshot_id = asked.about
    try:
        with asked.database.transaction() as session:
            shown = session.get(Screenshot, screenshot_id)
            if shown is None or not received.is_screenshot_seen(session, asked.actor, shown):
                raise ReleaseScreenshotUnknown
            question = consent.question(
                session, purpose=purpose, recipient_class=recipient, requested_by=asker
            )
            at = asked.clock.now()
            screenshots.permit_for(
                session, asked.actor, screenshot_id, question, areas=asked.exhibit.areas, at=at
            )
    except ConsentRefused as exc:
        asking.remember(asked.database, asked.actor, asked.about, exc, asked.clock)
        raise
    with maker.picture(screenshot_id, tuple(map(Area.read, asked.exhibit.areas))) as made:
        whole = ByteRange(start=0, end=made.size_bytes)
        with asked.database.transaction() as session:
            # It took its time to draw: asked again, so that a no in between counts.
            screenshots.permit_for(
                session, asked.actor, screenshot_id, question, areas=asked.exhibit.areas, at=at
            )
            _tell(session, asked, made, purpose=purpose, part=whole)
        body = b"".join(made.pieces())
    return Response(
        body,
        headers=giving.headers_of(made, name=str(asked.exhibit.id)),
        media_type=made.media_type,
    )


def _tell(
    session: Session, asked: _Asked, made: Made, *, purpose: Purpose, part: ByteRange
) -> None:
    """Write the preview down; the caller commits before its first byte is given."""
    ledger.append(
        session,
        asked.actor,
        Act.MEDIA_PLAYED,
        asked.about,
        at=asked.clock.now(),
        facts={
            "purpose": str(purpose),
            "exhibit_id": str(asked.exhibit.id),
            "form": "preview",
            "first_byte": part.start,
            "last_byte": part.end - 1,
        },
        content=made.sha256,
    )
